"""`cascade run`, `cascade explain` and `cascade visualize`."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cascade as cs

pytest.importorskip("cyclopts", reason="needs the extra cli")
pytest.importorskip("rich", reason="needs the extra cli")

from cascade.command_line.app import main

HOME = Path(cs.__file__).parent.parent
_numbers = itertools.count()

JOBS = """
    from pathlib import Path
    import cascade as cs

    @cs.task(mode="inline")
    def repeat(word, times):
        return [word] * times

    @cs.task(mode="inline")
    def divide(a, b):
        return a / b

    @cs.task(mode="inline")
    def nothing():
        return None

    class Namespace:
        target = divide(1, 4)

    main = repeat(cs.Param("word", default="ho"), cs.Param("times", type=int))
    values = [divide(1, 2), divide(3, 4)]
    several = (divide(1, 0), divide(2, 0))
    mixed = {"half": divide(1, 2), "three": [3]}
    plain = [3, 4]
    number = 3

    def made():
        return [divide(1, 2)]

    def wrong():
        return 3

    def needy(n):
        return divide(n, 1)

    def fails():
        raise KeyError("x")

    async def coroutine():
        return 1

    @cs.task(mode="inline")
    def stuff():
        return {"path": Path("a"), "n": [1, None]}

    @cs.task(mode="inline")
    def no_json():
        return object

    @cs.task(mode="inline")
    def surrogate():
        return "\\udcff \\u2713"

    @cs.task(mode="inline")
    def two_lines():
        raise ValueError("one\\ntwo \\x1b[31m")

    @cs.task(mode="inline")
    def evaluated(code):
        return eval(code)

    any_value = evaluated(cs.Param("code"))
    skipped = [divide(1, 2).run_if(False), divide(1, 2)]
    limited = divide(1, 2).with_constraints(gpu=1)
    environment = repeat(cs.Env("CASCADE_WORD"), 1)

    def engine():
        return cs.Engine(limits={"gpu": 1})
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module in the current directory, never imported before."""
    name = f"cli_jobs_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(JOBS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def cascade(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line and give its exit status and what it printed."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        told = capfd.readouterr()
        return status, told.out, told.err

    return run


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


Cascade = Callable[..., tuple[int, str, str]]


# ------------------------------------------------------------------------------------------------- what can be run


def test_a_lazy_result_with_params(jobs: str, cascade: Cascade) -> None:
    assert cascade("run", f"{jobs}:main", "--param", "times=2") == (0, "['ho', 'ho']\n", "")
    assert cascade("run", f"{jobs}:main", "-p", "times=1", "-p", "word=a=b") == (0, "['a=b']\n", "")
    assert cascade("run", f"{jobs}:main", "-p", "times=1", "-p", "word=-x") == (0, "['-x']\n", "")


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("values", "[0.5, 0.75]"),
        ("made", "[0.5]"),
        ("nothing", "None"),
        ("Namespace.target", "0.25"),
        ("stuff", "{'path': PosixPath('a'), 'n': [1, None]}" if os.name == "posix" else None),
        ("skipped", "[SKIPPED, 0.5]"),
    ],
)
def test_other_targets(jobs: str, cascade: Cascade, name: str, printed: str) -> None:
    assert cascade("run", f"{jobs}:{name}") == (0, f"{printed}\n", "")


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("values", "[0.5,0.75]"),
        ("nothing", "null"),
        ("stuff", '{"path":"a","n":[1,null]}'),
        ("skipped", "[null,0.5]"),
    ],
)
def test_values_as_json(jobs: str, cascade: Cascade, name: str, printed: str) -> None:
    assert cascade("run", f"{jobs}:{name}", "--json") == (0, f"{printed}\n", "")


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("2**70", str(2**70)),
        ("{1: 2, 1.5: 3}", '{"1":2,"1.5":3}'),
        ("b'\\xff'", '"/w=="'),
        ("type('I', (int,), {})(3)", "3"),
        ("__import__('datetime').date(2024, 1, 1)", '"2024-01-01"'),
        ("__import__('dataclasses').make_dataclass('D', ['a'])((1, {2}))", '{"a":[1,[2]]}'),
        ("__import__('msgspec').defstruct('S', ['a'])(None)", '{"a":null}'),
    ],
)
def test_other_values_as_json(jobs: str, cascade: Cascade, code: str, printed: str) -> None:
    assert cascade("run", f"{jobs}:any_value", "--json", "-p", f"code={code}") == (0, f"{printed}\n", "")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("float('nan')", "ValueError: value must have a form in JSON, got nan at $: print it without --json"),
        ("{'a': [1, {'b': -float('inf')}]}", "got -inf at $.a[1].b:"),
        ("__import__('dataclasses').make_dataclass('D', ['a'])(float('nan'))", "got nan at $.a:"),
        ("{float('nan'): 1}", "got a key nan at $:"),
        ("{1: 1, '1': 2}", "got two keys '1' at $:"),
        ("[{(1, 2): 3}]", "TypeError: value must have a form in JSON, got a key of type `tuple` at $[0]:"),
        ("{None: 3}", "got a key of type `NoneType` at $:"),
        ("[a := [], a.append(a)][0]", "RecursionError"),
        ("1j", "got `complex`:"),
    ],
)
def test_what_has_no_form_in_json_is_a_failure(jobs: str, cascade: Cascade, code: str, said: str) -> None:
    status, out, err = cascade("run", f"{jobs}:any_value", "--json", "-p", f"code={code}")
    assert (status, out) == (1, "")
    assert said in err and len(err.splitlines()) == 1


def test_a_value_that_json_cannot_say_is_a_failure(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("run", f"{jobs}:no_json", "--json")
    assert (status, out) == (1, "")
    assert err == "cascade: TypeError: value must have a form in JSON, got `type`: print it without --json\n"


# ------------------------------------------------------------------------------------------------------ wrong usage


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("{}", "name must be MODULE:NAME, such as jobs:main, got '{}'"),
        ("{}:", "name must be MODULE:NAME"),
        (":main", "name must be MODULE:NAME"),
        ("..{}:main", "module must be named as in `import`"),
        ("{}_not:main", "cannot import module '{}_not'"),
        ("{}.inner:main", "cannot import module '{}.inner'"),
        ("no_{}.py:main", "cannot import file 'no_{}.py': there is none in "),
        ("{}:valeus", "module {} has no 'valeus' (did you mean 'values'"),
        ("{}:Namespace.tarjet", "{}.Namespace has no 'tarjet' (did you mean 'target'"),
        ("{}:number", "{}:number must be a lazy result, a list of them, or a function that returns one"),
        ("{}:Namespace", "must be a lazy result"),
        ("{}:plain", "got `int` at item 0"),
        ("{}:wrong", "{}:wrong() must return a lazy result or a list of them, got `int`"),
        ("{}:coroutine", "got `coroutine`"),
        ("{}:needy", "argument 'n': no value was given, and it has no default"),
    ],
)
@pytest.mark.parametrize("command", ["run", "explain", "visualize"])
def test_what_is_no_target(jobs: str, cascade: Cascade, command: str, target: str, said: str) -> None:
    status, out, err = cascade(command, target.replace("{}", jobs))
    assert (status, out) == (2, "")
    assert err.startswith("cascade: ") and len(err.splitlines()) == 1
    assert said.replace("{}", jobs) in err


def test_all_wrong_values_are_reported_before_anything_runs(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("run", f"{jobs}:main", "-p", "times=x", "-p", "wrod=y", "--log", "json")
    assert (status, out) == (2, "")
    assert err.splitlines() == [
        "cascade: param 'times': value must be `int`, got `str` 'x'",
        "cascade: param 'wrod': the target has no such param (did you mean 'word'?)",
    ]


def test_a_missing_variable(jobs: str, cascade: Cascade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASCADE_WORD", raising=False)
    status, _, err = cascade("run", f"{jobs}:environment")
    assert (status, err) == (2, "cascade: environment variable 'CASCADE_WORD': it is not set, and it has no default\n")
    monkeypatch.setenv("CASCADE_WORD", "hi")
    assert cascade("run", f"{jobs}:environment") == (0, "['hi']\n", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-p", "times"], "--param must be NAME=VALUE, got 'times'"),
        (["-p", "=3"], "--param must be NAME=VALUE, got '=3'"),
        (["-p", "times=1", "-p", "times=2"], "--param must be given once for 'times', got it again as 'times=2'"),
        (
            ["-p", "times=1", "--limit", "gpu=x"],
            "--limit must be a number, or a rate such as 90_000/m, for 'gpu', got 'x'",
        ),
        (["-p", "times=1", "--limit", "gpu=5/y"], "rate must be a str such as '5/s'"),
        (["-p", "times=1", "--max-threads", "0"], "max_threads must be None or an int >= 1"),
        (["-p", "times=1", "--quantum=-1"], "quantum"),
        (
            ["-p", "times=1", "--engine", "{}:engine", "--seed", "1"],
            "--engine cannot be combined with settings of a new engine, got --seed",
        ),
        (["-p", "times=1", "--engine", "{}:number"], "{}:number must be an engine"),
    ],
)
def test_wrong_options(jobs: str, cascade: Cascade, options: list[str], said: str) -> None:
    status, out, err = cascade("run", f"{jobs}:main", *(option.replace("{}", jobs) for option in options))
    assert (status, out) == (2, "")
    assert said.replace("{}", jobs) in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["run"], ["run", "a:b", "--no-such"], ["run", "a:b", "--log", "xml"], ["nope"]])
def test_wrong_command_lines(cascade: Cascade, arguments: list[str]) -> None:
    status, out, err = cascade(*arguments)
    assert status == 2
    assert out + err and "Traceback" not in out + err


def test_a_container_of_any_kind_is_a_target(jobs: str, cascade: Cascade) -> None:
    assert cascade("run", f"{jobs}:mixed") == (0, "{'half': 0.5, 'three': [3]}\n", "")


# --------------------------------------------------------------------------------------------------------- failures


def test_a_failure_is_one_line_that_says_where(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("run", f"{jobs}:several")
    assert (status, out) == (1, "")
    assert err.startswith(f"cascade: ZeroDivisionError: division by zero (task {jobs}.divide at $[0], iteration 0")
    assert len(err.splitlines()) == 1


def test_the_traceback_with_v(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("run", f"{jobs}:several", "-v")
    assert (status, out) == (1, "")
    assert "Traceback (most recent call last):" in err and "return a / b" in err
    assert err.count("ZeroDivisionError: division by zero") == 1  # and no line after it that says the same
    assert err.count("  File ") == 1  # the user's: no frame of Cascade
    assert err.splitlines()[-1].startswith(f"task {jobs}.divide at $[0]")


def test_a_message_of_several_lines_becomes_one_and_does_nothing_to_a_terminal(jobs: str, cascade: Cascade) -> None:
    _, _, err = cascade("run", f"{jobs}:two_lines")
    assert err.startswith("cascade: ValueError: one two \\x1b[31m (task ") and len(err.splitlines()) == 1


def test_a_function_that_fails(jobs: str, cascade: Cascade) -> None:
    assert cascade("run", f"{jobs}:fails") == (1, "", f"cascade: KeyError: 'x' (while calling {jobs}:fails())\n")


def test_a_module_that_fails(jobs: str, cascade: Cascade, tmp_path: Path) -> None:
    (tmp_path / f"{jobs}.py").write_text("a = 1\nimport no_such_module_at_all\n")
    for command in ("run", "explain", "visualize"):
        status, _, err = cascade(command, f"{jobs}:main")
        assert status == 1
        assert f"ModuleNotFoundError: No module named 'no_such_module_at_all' (while importing {jobs}, " in err
        assert f"{jobs}.py:2)" in err
    (tmp_path / f"{jobs}.py").write_text("import cascade as cs\n\ncs.task(3)\n")
    status, _, err = cascade("run", f"{jobs}:main")
    assert status == 1 and "TaskDefinitionError" in err and err.endswith(f"{jobs}.py:3)\n")  # its line, not Cascade's
    (tmp_path / f"{jobs}.py").write_text("def broken(:\n")
    status, _, err = cascade("run", f"{jobs}:main")
    assert status == 1 and "SyntaxError" in err and len(err.splitlines()) == 1


# ------------------------------------------------------------------------------------------------ engines and events


def test_limits_and_engines(jobs: str, cascade: Cascade) -> None:
    status, _, err = cascade("run", f"{jobs}:limited")
    assert status == 1 and "gpu" in err
    assert cascade("run", f"{jobs}:limited", "--limit", "gpu=1", "--limit", "mem=0.5") == (0, "0.5\n", "")
    assert cascade("run", f"{jobs}:limited", "--limit", "gpu=90_000/m") == (0, "0.5\n", "")
    assert cascade("run", f"{jobs}:limited", "--engine", f"{jobs}:engine") == (0, "0.5\n", "")
    settings = ["--seed", "1", "--default-mode", "inline", "--quantum", "0"]
    workers = ["--max-threads", "1", "--max-processes", "1"]
    assert cascade("run", f"{jobs}:values", *settings, *workers) == (0, "[0.5, 0.75]\n", "")


def test_events_as_json_lines(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("run", f"{jobs}:main", "-p", "times=1", "--log", "json")
    assert (status, out) == (0, "['ho']\n")
    events = [json.loads(line) for line in err.splitlines()]
    assert [event["event"] for event in events if event["event"].startswith("Run")] == ["RunStarted", "RunFinished"]
    assert events[-1]["outcome"] == "done"


def test_events_of_a_failure_come_before_its_line(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("run", f"{jobs}:several", "--log", "json")
    assert (status, out) == (1, "")
    *lines, last = err.splitlines()
    assert [json.loads(line)["outcome"] for line in lines if '"RunFinished"' in line] == ["failed"]
    assert last.startswith("cascade: ZeroDivisionError")


def test_events_for_people(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("run", f"{jobs}:values", "--log", "text")
    assert (status, out) == (0, "[0.5, 0.75]\n")
    assert "started" in err and "done" in err


# -------------------------------------------------------------------------------------------- dry runs, virtual time


def test_a_dry_run_starts_nothing(jobs: str, cascade: Cascade, tmp_path: Path) -> None:
    append(
        tmp_path / f"{jobs}.py",
        textwrap.dedent("""
        @cs.task
        def touches(name: str):
            Path(name).touch()

        wide = [touches("touched"), cs.Param("n", type=int)]
    """),
    )
    status, out, err = cascade("run", f"{jobs}:wide", "--dry-run", "-p", "n=3")
    assert (status, err) == (0, "")
    assert f"{jobs}.touches" in out and "surely" in out and "param 'n' = 3" in out
    assert cascade("run", f"{jobs}:touches", "touched", "--dry-run")[0] == 0
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("main", "param 'times': no value was given, and it has no default"),
        ("limited", "gpu"),
        ("resourceful", "nothing"),
    ],
)
def test_a_dry_run_with_problems(jobs: str, cascade: Cascade, tmp_path: Path, target: str, said: str) -> None:
    append(tmp_path / f"{jobs}.py", '\nresourceful = divide(cs.Inject("nothing"), 1)\n')
    status, out, err = cascade("run", f"{jobs}:{target}", "--dry-run")
    assert (status, err) == (2, "")
    assert "problems:" in out and said in out.partition("problems:")[2]


def test_a_dry_run_as_json(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("run", f"{jobs}:limited", "--dry-run", "--json", "--limit", "gpu=1")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["nodes"][0]["policies"] == {"constraints": "gpu=1"} and document["problems"] == []
    status, out, _ = cascade("run", f"{jobs}:main", "--dry-run", "--json", "-p", "word=a")
    document = json.loads(out)
    assert status == 2 and len(document["problems"]) == 1
    assert [(given["name"], given["value"]) for given in document["inputs"]] == [("word", "'a'"), ("times", None)]


def test_virtual_time(jobs: str, cascade: Cascade, tmp_path: Path) -> None:
    append(
        tmp_path / f"{jobs}.py",
        textwrap.dedent("""
        later = repeat("later", 1).after(cs.wait(7500))
        fails_later = divide(1, 0).after(cs.wait(2))

        def clocked():
            return cs.Engine(clock=cs.Clock.virtual(start=60))
    """),
    )
    said = "cascade: 2 h 5 min of virtual time passed\n"
    assert cascade("run", f"{jobs}:later", "--virtual") == (0, "['later']\n", said)
    assert cascade("run", f"{jobs}:later", "--virtual", "--seed", "3", "--json") == (0, '["later"]\n', said)
    assert cascade("run", f"{jobs}:later", "--engine", f"{jobs}:clocked") == (0, "['later']\n", said)
    assert cascade("run", f"{jobs}:later", "--virtual", "--quiet") == (0, "['later']\n", "")
    assert cascade("run", f"{jobs}:values", "--virtual") == (0, "[0.5, 0.75]\n", "cascade: no virtual time passed\n")
    status, _, err = cascade("run", f"{jobs}:fails_later", "--virtual")
    assert status == 1 and err.endswith("cascade: 2.00 s of virtual time passed\n") and len(err.splitlines()) == 2
    status, _, err = cascade("run", f"{jobs}:later", "--virtual", "--log", "json")
    assert status == 0 and [json.loads(line) for line in err.splitlines()]
    status, _, err = cascade("run", f"{jobs}:later", "--virtual", "--engine", f"{jobs}:clocked")
    assert status == 2 and err.endswith("got --virtual\n")


# --------------------------------------------------------------------------------------------------------- pictures


def test_explain(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("explain", f"{jobs}:main")
    assert (status, err) == (0, "")
    assert f"{jobs}.repeat" in out and "<- target" in out


@pytest.mark.parametrize(("language", "first"), [("mermaid", "flowchart TD"), ("dot", "digraph template {")])
def test_visualize(jobs: str, cascade: Cascade, tmp_path: Path, language: str, first: str) -> None:
    status, out, err = cascade("visualize", f"{jobs}:main", "--format", language)
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == first
    assert cascade("visualize", f"{jobs}:main", "--format", language, "-o", "picture") == (0, "", "")
    assert (tmp_path / "picture").read_text() == out


def test_a_picture_that_cannot_be_written(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("visualize", f"{jobs}:main", "-o", "no/such/folder/picture")
    assert (status, out) == (1, "")
    assert "FileNotFoundError" in err and len(err.splitlines()) == 1


def test_help(cascade: Cascade) -> None:
    status, out, _ = cascade("run", "--help")
    assert status == 0
    for option in ("param", "json", "log", "verbose", "engine", "limit", "seed", "max-threads", "quantum"):
        assert f"--{option}" in out


# ---------------------------------------------------------------------------------------- in processes of their own


def start(folder: Path, *arguments: str, shell: str = "", **environment: str) -> subprocess.Popen[str]:
    """Start a command line; ``shell``: with this redirection of a POSIX shell."""
    redirected = ["sh", "-c", f'exec "$@" {shell}', "sh"] if shell else []
    return subprocess.Popen(
        [*redirected, sys.executable, "-m", "cascade", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HOME), os.environ.get("PYTHONPATH", "")]), **environment},
    )


def test_a_process(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    with start(tmp_path, "run", "jobs:main", "-p", "times=2", "--json", PYTHONSAFEPATH="1") as process:
        assert process.communicate(timeout=60) == ('["ho","ho"]\n', "")
        assert process.returncode == 0


def test_a_terminal_that_cannot_show_it_all(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    with start(tmp_path, "run", "jobs:surrogate", PYTHONIOENCODING="ascii") as process:
        assert process.communicate(timeout=60) == ("'\\udcff \\u2713'\n", "")


def test_json_is_utf_8_whatever_the_encoding_of_standard_output(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    command = [sys.executable, "-m", "cascade", "run", "jobs:surrogate", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(HOME), "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=True)
    assert done.stdout == '"\\udcff \u2713"\n'.encode()
    assert json.loads(done.stdout) == "\udcff \u2713"


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes the stream")
@pytest.mark.parametrize("command", ["run jobs:values", "run jobs:values --json", "explain jobs:values"])
def test_standard_output_is_closed(tmp_path: Path, command: str) -> None:
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    with start(tmp_path, *command.split(), shell=">&-") as process:
        said = "cascade: standard output must be open, as the result is written there\n"
        assert process.communicate(timeout=60) == ("", said)
        assert process.returncode == 1


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes the stream")
def test_standard_error_is_closed(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    for options in ([], ["-v"], ["--log", "json"], ["--log", "text"]):
        with start(tmp_path, "run", "jobs:several", *options, shell="2>&-") as process:
            assert process.communicate(timeout=60) == ("", "")
            assert process.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["run jobs:values", "visualize jobs:values", "run --help"])
def test_the_disk_is_full(tmp_path: Path, command: str) -> None:
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    with start(tmp_path, *command.split(), shell=">/dev/full") as process:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert out == "" and "No space left" in err and len(err.splitlines()) == 1


def test_interrupted_it_cleans_up_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(
        textwrap.dedent("""
        import asyncio
        import cascade as cs

        @cs.task
        async def main():
            print("started", flush=True)
            try:
                await asyncio.Event().wait()
            finally:
                print("cleaned up", flush=True)
    """)
    )
    with start(tmp_path, "run", "jobs:main", "--log", "json") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == "cleaned up\n"
    assert [json.loads(line)["outcome"] for line in err.splitlines() if '"RunFinished"' in line] == ["cancelled"]
    assert "Traceback" not in err


@pytest.mark.skipif(os.name != "posix", reason="Windows has other signals")
@pytest.mark.parametrize("mode", ["thread", "process", "async"])
def test_interrupted_twice_it_ends_at_once(tmp_path: Path, mode: str) -> None:
    (tmp_path / "jobs.py").write_text(
        textwrap.dedent("""
        import asyncio, sys, time
        import cascade as cs

        def wait():
            print("started", flush=True)
            time.sleep(1000)

        thread = cs.task(wait, mode="thread")
        process = cs.task(wait, mode="process")

        @cs.task(name="async")
        async def stubborn():
            print("started", flush=True)
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    print("stopping", flush=True)

        globals()["async"] = stubborn
    """)
    )
    with start(tmp_path, "run", f"jobs:{mode}", "--max-processes", "1") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        for _ in range(100):  # the first one may not have been handled yet when the second comes
            process.send_signal(signal.SIGINT)
            try:
                process.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                continue
        process.kill()  # unless it has ended
        assert process.wait(60) == 130
        assert "Traceback" not in process.communicate(timeout=60)[1]


def test_a_value_that_no_process_reads(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    with start(tmp_path, "run", "jobs:main", "-p", "times=1000000") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 1


def test_a_task_may_end_the_process(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(
        textwrap.dedent("""
        import cascade as cs

        @cs.task(mode="inline")
        def main():
            raise SystemExit(7)
    """)
    )
    with start(tmp_path, "run", "jobs:main") as process:
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 7


def test_worker_processes_find_the_module(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(
        textwrap.dedent("""
        import os
        import cascade as cs

        @cs.task(mode="process")
        def main():
            return os.getpid()
    """)
    )
    with start(tmp_path, "run", "jobs:main", "--max-processes", "1") as process:
        out, err = process.communicate(timeout=60)
        assert err == "" and process.returncode == 0
        assert int(out) != process.pid
