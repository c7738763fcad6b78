"""`cs.cli`: a command of a target's own."""

from __future__ import annotations

import enum
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

import cascade as cs

pytest.importorskip("cyclopts", reason="needs the extra cli")
pytest.importorskip("rich", reason="needs the extra cli")


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@cs.task(mode="inline")
def show(**values: Any) -> dict[str, Any]:
    """Show [bold]what[/bold] was given.

    And nothing else.
    """
    return values


@cs.task(mode="inline")
def divide(a: float, b: float) -> float:
    return a / b


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(target: Any, *argv: str, **options: Any) -> tuple[int, str, str]:
        status = cs.cli(target, name="prog", argv=argv, **options)
        told = capfd.readouterr()
        return status, told.out, told.err

    return run


Call = Callable[..., tuple[int, str, str]]


def one(wanted: Any = None, **settings: Any) -> cs.LazyResult:
    return show(x=cs.Param("x", type=wanted, **settings))


@pytest.mark.parametrize(
    ("wanted", "argv", "value"),
    [
        (None, ["--x", "3"], "3"),
        (int, ["--x", "3"], 3),
        (int, ["--x", "-3"], -3),
        (int, ["--x=-3"], -3),
        (float, ["--x", "1e3"], 1000.0),
        (str, ["--x=-a"], "-a"),
        (str, ["--x", ""], ""),
        (bool, ["--x"], True),
        (bool, ["--no-x"], False),
        (bool, ["--x=false"], False),
        (list[int], ["--x", "1,2"], [1, 2]),
        (dict[str, int], ["--x", '{"a": 1}'], {"a": 1}),
        (Colour, ["--x", "BLUE"], Colour.BLUE),
        (Path, ["--x", "a/b"], Path("a/b")),
        (int | None, ["--x", "none"], None),
    ],
    ids=str,
)
def test_options_have_the_type_of_their_params(call: Call, wanted: Any, argv: list[str], value: Any) -> None:
    assert call(one(wanted), *argv) == (0, f"{ {'x': value}!r}\n", "")


def test_defaults_and_several_params(call: Call) -> None:
    target = show(a=cs.Param("max_steps", type=int, default=1), b=cs.Param("flag", type=bool, default=True))
    assert call(target) == (0, "{'a': 1, 'b': True}\n", "")
    assert call(target, "--no-flag", "--max-steps", "2") == (0, "{'a': 2, 'b': False}\n", "")


def test_all_errors_are_reported(call: Call) -> None:
    target = show(a=cs.Param("a", type=int), b=cs.Param("b"), c=cs.Env("CASCADE_NOT_SET"))
    assert call(target, "--a", "x") == (
        2,
        "",
        "prog: param 'a': value must be `int`, got `str` 'x'\n"
        "prog: param 'b': no value was given, and it has no default\n"
        "prog: environment variable 'CASCADE_NOT_SET': it is not set, and it has no default\n",
    )


@pytest.mark.parametrize("argv", [["--y", "1"], ["word"], ["--x"], ["--x", "1", "--x", "2"]])
def test_wrong_command_lines(call: Call, argv: list[str]) -> None:
    status, out, err = call(one(), *argv)
    assert status == 2
    assert out + err and "Traceback" not in out + err


def test_help_names_all_options(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    target = show(
        n=cs.Param("n", type=int, default=3, description="How [bold]many[/bold], 100% of them."),
        name=cs.Param("name"),
        colours=cs.Param("colours", type=list[Colour], default=[Colour.RED]),
        level=cs.Param("level", type=Literal["low", "high"], default="low"),
        since=cs.Param("since", type=date | None, default=None),
        where=cs.Param("where", type=Path, default="a/b"),
        flag=cs.Param("flag", type=bool, default=False),
        route=cs.Router(1, {1: 1, 2: cs.Param("unselected", type=float, default=0.5)}),
        port=cs.Env("PORT", type=int, default=80, description="To listen on."),
        home=cs.Env("HOME_OF_IT"),
    )
    status, out, err = call(target, "--help")
    assert (status, err) == (0, "")
    told = " ".join(out.split())
    assert "Usage: prog" in told
    assert "Show [bold]what[/bold] was given." in told and "And nothing else" not in told
    assert "PORT To listen on. [default: 80]" in told and "HOME_OF_IT [required]" in told
    assert "How [bold]many[/bold], 100% of them. [default: 3]" in told
    for option in ("--name", "--colours", "--level", "--since", "--where", "--flag --no-flag", "--unselected"):
        assert option in told
    for word in ("INTEGER", "TEXT", "RED|BLUE,...", "low|high", "DATE", "PATH", "NUMBER"):
        assert word in told
    assert "[required]" in told and "[default: low]" in told and "[default: a/b]" in told and "[default: None]" in told
    for own in ("--json", "--log", "--verbose", "-v"):
        assert own in told


def test_a_param_may_have_the_name_of_an_option_of_ours(call: Call) -> None:
    target = show(json=cs.Param("json", type=int), log=cs.Param("log"), verbose=cs.Param("verbose", type=bool))
    assert call(target, "--json", "1", "--log", "x", "--verbose") == (
        0, "{'json': 1, 'log': 'x', 'verbose': True}\n", ""
    )  # fmt: skip


@pytest.mark.parametrize("name", ["self", "engine", "options", "target", "class", "_x", "x_", "h", "version", "ä"])
def test_names_that_are_like_any_other(call: Call, name: str) -> None:
    option = "--" + name[0] + name[1:].replace("_", "-")
    assert call(show(x=cs.Param(name)), option, "1") == (0, "{'x': '1'}\n", "")


def test_names_that_look_alike(call: Call) -> None:
    target = show(
        a=cs.Param("x", type=bool, default=True), b=cs.Param("no_x", default=1), c=cs.Param("_x", default=2),
        d=cs.Param("X", default=3),
    )  # fmt: skip
    printed = "{'a': True, 'b': 'b', 'c': 'c', 'd': 'd'}\n"
    assert call(target, "--no-x", "b", "--_x", "c", "--X", "d") == (0, printed, "")


def test_a_failure_and_its_traceback(call: Call) -> None:
    target = divide(1, cs.Param("b", type=float))
    assert call(target, "--b", "4") == (0, "0.25\n", "")
    status, out, err = call(target, "--b", "0")
    assert (status, out) == (1, "")
    assert re.match(r"prog: ZeroDivisionError: (float )?division by zero \(task ", err) and len(err.splitlines()) == 1
    assert "Traceback" in call(target, "--b", "0", "-v")[2]


def test_json_and_events(call: Call) -> None:
    status, out, err = call(one(default=None), "--json", "--log", "json")
    assert (status, out) == (0, '{"x":null}\n')
    assert '"RunFinished"' in err


def test_an_engine_of_ones_own(call: Call) -> None:
    target = divide(1, 2).with_constraints(gpu=1)
    assert call(target, engine=cs.Engine(limits={"gpu": 1})) == (0, "0.5\n", "")


def test_what_a_programmer_has_wrong_is_raised() -> None:
    with pytest.raises(cs.TargetError):
        cs.cli(len, argv=[])  # type: ignore[arg-type]
    with pytest.raises(cs.InputError, match="must be the same everywhere in a target"):
        cs.cli([one(int), one(float)], argv=[])
    with pytest.raises(ValueError, match="--help"):
        cs.cli(show(x=cs.Param("help")), argv=[])


def test_several_targets(call: Call) -> None:
    assert call([one(int), one(int)], "--x", "1") == (0, "[{'x': 1}, {'x': 1}]\n", "")


def test_the_name_stands_for_the_function_whatever_was_imported() -> None:
    code = "import cascade.command_line.app, cascade as cs; assert callable(cs.cli), cs.cli"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_script(tmp_path: Path, interpreter: Callable[..., str]) -> None:
    (tmp_path / "script.py").write_text(
        "import cascade as cs, sys\n"
        "@cs.task(mode='inline')\n"
        "def double(n):\n    return 2 * n\n"
        "if __name__ == '__main__':\n    sys.exit(cs.cli(double(cs.Param('n', type=int))))\n"
    )
    told = interpreter(f"""
        import runpy, sys
        for arguments in (["--n", "21"], ["--n", "x"]):
            sys.argv = [{str(tmp_path / "script.py")!r}, *arguments]
            sys.stderr = sys.stdout
            try:
                runpy.run_path(sys.argv[0], run_name="__main__")
            except SystemExit as end:
                print(end.code)
    """)
    assert told == "42\n0\nscript.py: param 'n': value must be `int`, got `str` 'x'\n2\n"


def test_nothing_of_it_is_imported_before_it_is_asked_for(interpreter: Callable[..., str]) -> None:
    told = interpreter("""
        import sys
        import cascade as cs
        assert "cascade.command_line" not in sys.modules and "cascade.expressions.inputs" not in sys.modules
        cs.Param("n")
        print(*sorted({"asyncio", "cyclopts", "rich"} & set(sys.modules)))
    """)
    assert told == "\n"
