"""A traceback has the caller's frame and those of the user's code: the frames of Cascade are left out."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import traceback
import types
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

import cascade as cs
from cascade._core.tracebacks import hide_frames, keeps_frames
from cascade._support import failures
from cascade.exceptions import InternalError
from support.paths import TESTS

anything: Any = cs
PACKAGE = Path(cs.__file__).parent
SOURCES = TESTS.parent / "cascade"
ASYNCIO = Path(asyncio.__file__).parent

pytestmark = pytest.mark.skipif(keeps_frames(), reason="CASCADE_TRACEBACK=full is set")


def frames(error: BaseException | None) -> list[str]:
    """The names of the functions in a traceback, outermost first; of what is not in this file, the file too."""
    assert error is not None
    found = traceback.extract_tb(failures.traceback_of(error))
    return [each.name if each.filename == __file__ else f"{each.filename}:{each.name}" for each in found]


def raised(make: Callable[[], object]) -> BaseException:
    try:
        make()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


# ------------------------------------------------------------------------------------------------ failures of tasks


def deeper(x: float) -> float:
    return 1 / x


@cs.task(mode="inline")
def inline(x: float) -> float:
    return deeper(x)


@cs.task(mode="thread")
def thread(x: float) -> float:
    return deeper(x)


@cs.task(mode="process")
def process(x: float) -> float:
    return deeper(x)


@cs.task
async def suspends(x: float) -> float:
    await asyncio.sleep(0)
    return deeper(x)


@cs.task
async def at_once(x: float) -> float:
    return deeper(x)


@cs.task
async def awaits(x: float) -> float:
    return await suspends(x)


@cs.task
async def awaits_again(x: float) -> float:
    return await awaits(x)


@cs.task(mode="inline")
def returns(x: float) -> float:
    return inline(x)


@cs.task(mode="thread")
def runs_inside(x: float) -> float:
    return cs.run(inline(x))


def lazy(x: object) -> cs.LazyResult[Any]:
    return anything.lazy(x)


TARGETS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "inline": (lambda: inline(0), ["inline", "deeper"]),
    "thread": (lambda: thread(0), ["thread", "deeper"]),
    "suspends": (lambda: suspends(0), ["suspends", "deeper"]),
    "at once": (lambda: at_once(0), ["at_once", "deeper"]),
    "awaits": (lambda: awaits(0), ["awaits", "suspends", "deeper"]),
    "awaits again": (lambda: awaits_again(0), ["awaits_again", "awaits", "suspends", "deeper"]),
    "returned": (lambda: returns(0), ["inline", "deeper"]),
    "a run inside": (lambda: runs_inside(0), ["runs_inside", "inline", "deeper"]),
    "an operand": (lambda: lazy(inline(0)) + 1, ["inline", "deeper"]),
    "an operator": (lambda: lazy(inline(1)) / 0, []),
    "an item": (lambda: inline.map(x=[1, 0]), ["inline", "deeper"]),
    "in a container": (lambda: [inline(1), thread(0)], ["thread", "deeper"]),
    "retry": (lambda: lazy(inline(0)).with_retry(2), ["inline", "deeper"]),
    "retry, async": (lambda: lazy(suspends(0)).with_retry(2), ["suspends", "deeper"]),
    "retry, thread": (lambda: lazy(thread(0)).with_retry(2), ["thread", "deeper"]),
    "timeout": (lambda: lazy(thread(0)).with_timeout(60), ["thread", "deeper"]),
    "total": (lambda: lazy(awaits(0)).with_timeout(60, total=60), ["awaits", "suspends", "deeper"]),
    "limit": (lambda: lazy(at_once(0)).with_constraints(cpu=1), ["at_once", "deeper"]),
    "scope": (lambda: anything.scope(inline(0)), ["inline", "deeper"]),
    "scope, retry": (lambda: anything.scope(thread(0)).with_retry(2), ["thread", "deeper"]),
    "recover": (lambda: cs.recover(inline(0), lambda error: thread(0)), ["thread", "deeper"]),
    "handler": (
        lambda: cs.recover(inline(0), lambda error: deeper(0)),
        ["<lambda>", "deeper"],
    ),
    "predicate": (lambda: cs.recover(inline(0), print, on=lambda error: bool(deeper(0))), ["<lambda>", "deeper"]),
    "race": (lambda: cs.race(inline(0), lazy(inline(1)).run_if(False)), ["inline", "deeper"]),
    "router": (lambda: cs.Router(inline(0), {1: 2}), ["inline", "deeper"]),
    "no route": (lambda: cs.Router(inline(1), {2: 2}), []),
    "skipped": (lambda: lazy(inline(1)).run_if(False), []),
    "too late": (lambda: lazy(cs.wait(60)).with_timeout(0.01), []),
}


@pytest.fixture
def engine() -> Iterator[cs.Engine]:
    made = cs.Engine(limits={"cpu": 1})
    yield made
    made.close()


@pytest.mark.parametrize("name", TARGETS)
def test_run_raises_with_the_frames_of_users(name: str, engine: cs.Engine) -> None:
    make, expected = TARGETS[name]

    def caller() -> None:
        cs.run(make(), engine=engine)

    assert frames(raised(caller)) == ["raised", "caller", *expected]


@pytest.mark.parametrize("name", TARGETS)
async def test_await_raises_with_the_frames_of_users(name: str) -> None:
    make, expected = TARGETS[name]
    async with cs.Engine(limits={"cpu": 1}) as engine:

        async def runs() -> None:
            await engine.run(make())

        async def starts() -> None:
            await engine.start(make())

        async def in_a_group() -> None:
            population = engine.start_many([make()])
            async for run in engine.as_completed(population):
                run.result()

        async def stops() -> None:
            await engine.start_many([make()], on_failure="stop")

        for caller in (runs, starts, in_a_group, stops):
            try:
                await caller()
            except Exception as error:
                here = "test_await_raises_with_the_frames_of_users"
                assert frames(error) == [here, caller.__name__, *expected], caller
            else:
                assert caller is stops and name == "skipped"  # it is no failure


async def test_a_failure_that_is_not_raised_has_them_alone() -> None:
    async with cs.Engine() as engine:
        run = engine.start(thread(0))
        await asyncio.wait([run])
        assert frames(run.exception()) == ["thread", "deeper"]


async def test_each_one_who_awaits_it_has_a_traceback_of_its_own() -> None:
    async with cs.Engine() as engine:
        run = engine.start(inline(0))

        async def first() -> None:
            await run

        async def second() -> None:
            await run

        found = await asyncio.gather(first(), second(), return_exceptions=True)
        assert found[0] is found[1]  # so the traceback is that of the last one
        assert frames(raised(run.result)) == ["raised", "inline", "deeper"]
        assert frames(raised(run.result)) == ["raised", "inline", "deeper"]
        with pytest.raises(ZeroDivisionError) as caught:
            await first()
        assert frames(caught.value)[-3:] == ["first", "inline", "deeper"]


async def test_another_thread_is_given_them(engine: cs.Engine) -> None:
    async with engine:
        future = await asyncio.to_thread(engine.submit, awaits(0))
        error = await asyncio.to_thread(future.exception)
    assert frames(error) == ["awaits", "suspends", "deeper"]


def test_of_a_worker_process_there_is_its_text() -> None:
    error = raised(lambda: cs.run(process(0)))
    assert frames(error) == ["raised", "<lambda>"]
    text = str(error.__cause__)
    assert "in process" in text
    assert "in deeper" in text
    assert f"{PACKAGE}{os.sep}" not in text


# ----------------------------------------------------------------------------------------- where failures are values


def test_values_have_the_frames_of_users() -> None:
    failed, both = cs.run([cs.outcome(suspends(0)), cs.gather(inline(0), inline(1), return_exceptions=True)])
    assert frames(failed.error) == ["suspends", "deeper"]
    assert frames(both[0]) == ["inline", "deeper"]
    assert frames(raised(failed.unwrap)) == ["raised", "suspends", "deeper"]


def test_handlers_and_predicates_see_the_frames_of_users(engine: cs.Engine) -> None:
    seen: list[list[str]] = []

    def look(error: Exception) -> bool:
        seen.append(frames(error))
        return True

    cs.run(cs.recover(thread(0), look, on=look), engine=engine)
    for target in (inline(0), thread(0), awaits(0), cs.scope(inline(0))):
        raised(lambda target=target: cs.run(lazy(target).with_retry(2, on=look), engine=engine))  # type: ignore[misc]
    assert seen == [["thread", "deeper"]] * 2 + [
        ["inline", "deeper"],
        ["thread", "deeper"],
        ["awaits", "suspends", "deeper"],
        ["inline", "deeper"],
    ]


@pytest.mark.parametrize("scope", ["call", "run"])
def test_a_teardown_sees_the_frames_of_users(scope: Any, engine: cs.Engine) -> None:
    seen: list[list[str]] = []

    @cs.resource(scope=scope)
    async def connection() -> AsyncIterator[int]:
        try:
            yield 1
        except ZeroDivisionError as error:
            seen.append(frames(error)[-2:])
            raise

    @cs.task
    async def uses(c: int = cs.Inject("connection")) -> float:
        return deeper(c - 1)

    engine.register(connection)
    assert frames(raised(lambda: cs.run(uses(), engine=engine)))[:2] == ["raised", "<lambda>"]
    assert seen == [["uses", "deeper"]]


def test_each_member_of_a_group_has_its_own() -> None:
    @cs.task
    async def fails_late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            deeper(0)

    @cs.task
    async def in_a_group() -> None:
        async with asyncio.TaskGroup() as group:
            for target in (suspends(0), inline(0)):
                group.create_task(waits_for(target))

    async def waits_for(target: Any) -> None:
        await target

    error: Any = raised(lambda: cs.run([fails_late(), suspends(0)]))
    assert frames(error) == ["raised", "<lambda>"]
    assert sorted(map(frames, error.exceptions)) == [["fails_late", "deeper"], ["suspends", "deeper"]]
    error = raised(lambda: cs.run(in_a_group()))
    assert (
        sorted(frames(member)[-3:] for member in error.exceptions)
        == [
            ["waits_for", "inline", "deeper"],
            ["waits_for", "suspends", "deeper"],
        ][: len(error.exceptions)]
    )


def test_causes_and_contexts_have_the_frames_of_users() -> None:
    @cs.task
    async def chains(how: str) -> None:
        try:
            await suspends(0)
        except ZeroDivisionError as error:
            if how == "cause":
                raise ValueError from error
            raise ValueError  # noqa: B904

    @cs.task(mode="inline")
    def stops() -> None:
        raise StopIteration

    assert frames(raised(lambda: cs.run(chains("cause"))).__cause__) == ["chains", "suspends", "deeper"]
    assert frames(raised(lambda: cs.run(chains("context"))).__context__) == ["chains", "suspends", "deeper"]
    assert frames(raised(lambda: cs.run(stops())).__cause__) == ["stops"]
    handled = raised(lambda: cs.run(cs.recover(inline(0), lambda error: deeper(0))))
    assert frames(handled.__context__) == ["inline", "deeper"]


# ----------------------------------------------------------------------------------------------- errors of Cascade


def closed() -> cs.Channel[int]:
    channel = cs.Channel[int]()
    channel.close()
    return channel


def full() -> cs.Channel[int]:
    channel = cs.Channel[int](capacity=1, overflow="error")
    channel.send(1)
    return channel


WRONG: dict[str, Callable[[], object]] = {
    "attr": lambda: anything.attr(inline, 3),
    "call": lambda: anything.lazy(inline)(1, 2),
    "arguments": lambda: anything.task(deeper)(1, 2),
    "bool": lambda: bool(inline(1)),
    "cached": lambda: anything.cached(3),
    "channel": lambda: cs.Channel(capacity=-1),
    "clock": lambda: cs.Clock.real(speed=-1),
    "closed": lambda: closed().send(1),
    "current": lambda: cs.current(),
    "disk store": lambda: anything.DiskStore(3),
    "dry run": lambda: cs.dry_run(inline),
    "engine": lambda: anything.Engine(quantum="x"),
    "env": lambda: anything.Env(3),
    "explain": lambda: cs.explain(inline),
    "fallback": lambda: cs.fallback(inline(1), inline),
    "format": lambda: f"{inline(1)}",
    "from json": lambda: cs.from_json("x"),
    "full": lambda: full().send(2),
    "gather": lambda: cs.gather(inline),
    "iteration": lambda: list(anything.lazy(inline(1))),
    "lazy": lambda: anything.lazy(3),
    "call threadsafe": lambda: cs.Engine().call_threadsafe(print),
    "limit": lambda: cs.Engine(limits={"a": 1}).limits.set("a", capacity=-1),
    "rate": lambda: cs.Engine().limits.rate("a", "x"),
    "spend": lambda: cs.Engine().limits.spend(a=1),
    "map": lambda: anything.task(deeper).map(x=3),
    "memory store": lambda: cs.MemoryStore(-1),
    "outcome": lambda: anything.outcome(inline),
    "override": lambda: cs.Engine().override("nothing", 3),
    "param": lambda: anything.Param(3),
    "pause": lambda: anything.Engine().limits.pause(3),
    "pipeline": lambda: anything.pipeline(1, 3),
    "policy": lambda: anything.lazy(inline(1)).with_retry(times=3),
    "race": lambda: anything.race(),
    "receive": lambda: cs.run(closed().recv()),
    "recover": lambda: anything.recover(inline(1), None),
    "register": lambda: cs.Engine().register(3),
    "restart": lambda: cs.Restart(limit=-1),
    "result cache": lambda: anything.ResultCache(3),
    "router": lambda: cs.Router(inline(1), {}),
    "run": lambda: cs.run(inline),
    "scope": lambda: anything.scope(inline),
    "select": lambda: anything.select(1),
    "subscribe": lambda: anything.Engine().events.subscribe(1, print),
    "log": lambda: anything.EventLog(1),
    "read": lambda: anything.EventLog.read(1),
    "console": lambda: anything.EventConsole(1),
    "logger": lambda: anything.EventLogger(1),
    "attach": lambda: anything.EventLogger().attach(1),
    "emit": lambda: anything.emit(1),
    "engine.emit": lambda: anything.Engine().emit(1),
    "sequence": lambda: anything.sequence(3),
    "skipped": lambda: cs.Outcome(skipped=True).unwrap(),
    "start": lambda: cs.Engine().start(inline(1)),
    "start many": lambda: cs.Engine().start_many([inline]),
    "submit": lambda: cs.Engine().submit(inline(1)),
    "task": lambda: anything.task(3),
    "templates": lambda: cs.Templates(max_entries=-1),
    "ticks": lambda: cs.ticks(0),
    "to json": lambda: cs.to_json(inline),
    "wait": lambda: anything.wait("x"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_last_frame_of_an_error_of_cascade_is_the_callers(name: str) -> None:
    assert frames(raised(WRONG[name])) == ["raised", "<lambda>"]


async def test_so_it_is_of_what_is_awaited() -> None:
    async def receives() -> None:
        await closed().receive()

    async def puts() -> None:
        await full().put(1)

    async def awaits_outside() -> None:
        await anything.lazy(inline(1))

    async def runs() -> None:
        await cs.Engine().run(inline)

    for caller in (receives, puts, awaits_outside, runs):
        with pytest.raises(Exception) as caught:
            await caller()
        assert frames(caught.value)[1:] == [caller.__name__]


# ------------------------------------------------------------------------------------------------------ hide_frames


def code_in(file: Path, body: str = "return inside()") -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Return what makes a function as if it stood in a file: it calls the function that it is given."""
    names: dict[str, Any] = {}
    exec(compile(f"def outer(inside):\n def {file.stem}():\n  {body}\n return {file.stem}", str(file), "exec"), names)
    made: Callable[[Callable[[], object]], Callable[[], object]] = names["outer"]
    return made


OWN = code_in(PACKAGE / "engine" / "own.py")
DEMO = code_in(PACKAGE / "demos" / "demo.py")
BESIDE = code_in(PACKAGE.with_name("cascade_of_mine") / "beside.py")
LOOP = code_in(ASYNCIO / "loop.py")
USER = code_in(Path("/home/user.py"))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([OWN], []),
        ([OWN, OWN, USER], ["user"]),
        ([OWN, USER, OWN], ["user", "own"]),
        ([OWN, LOOP, OWN, USER], ["user"]),
        ([OWN, LOOP, USER], ["loop", "user"]),
        ([LOOP, OWN, USER], ["user"]),
        ([LOOP, USER], ["loop", "user"]),
        ([OWN, LOOP], ["loop"]),
        ([USER], ["user"]),
        ([OWN, DEMO], ["demo"]),
        ([OWN, BESIDE], ["beside"]),
    ],
)  # fmt: skip
def test_hide_frames(layers: list[Any], expected: list[str]) -> None:
    def fail() -> NoReturn:
        raise ValueError

    call: Callable[[], object] = fail
    for layer in reversed(layers):
        call = layer(call)
    try:
        call()
    except ValueError as error:
        whole = error.__traceback__
        assert whole is not None
        failures.set_traceback(error, whole.tb_next)  # without this function
        failures.set_traceback(error, shortened(error.__traceback__))
        hide_frames(error)
        assert [each.name for each in traceback.extract_tb(error.__traceback__)] == expected
        assert len(traceback.extract_tb(whole)) == len(layers) + 2  # it was not changed


def shortened(found: types.TracebackType | None) -> types.TracebackType | None:
    """A copy of a traceback without its last frame."""
    if found is None or found.tb_next is None:
        return None
    return types.TracebackType(shortened(found.tb_next), found.tb_frame, found.tb_lasti, found.tb_lineno)


def test_a_defect_keeps_its_frames() -> None:
    def fail() -> NoReturn:
        raise InternalError("wrong")

    error = raised(OWN(fail))
    hide_frames(error)
    before = frames(error)
    assert [name.rpartition(":")[2] for name in before] == ["raised", "own", "fail"]


def test_nothing_of_the_class_of_an_exception_is_called() -> None:
    class Odd(Exception):
        __slots__ = ()

        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

        def __setattr__(self, name: str, value: object) -> None:
            raise AssertionError(name)

        def with_traceback(self, found: object) -> NoReturn:
            raise AssertionError("with_traceback")

    def fail() -> NoReturn:
        raise Odd

    found = None
    try:
        OWN(fail)()
    except Odd as error:
        failures.set_traceback(error, failures.traceback_of(error).tb_next)  # type: ignore[union-attr]
        hide_frames(error)
        found = frames(error)
    assert found == ["fail"]
    hide_frames(anything)  # no exception
    hide_frames(ValueError())  # one that was not raised


def test_there_is_no_cycle() -> None:
    class Big:
        pass

    @cs.task(mode="inline")
    def holds() -> None:
        big = Big()
        known.append(weakref.ref(big))
        raise ValueError

    known: list[weakref.ref[Big]] = []
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            cs.run(holds())
        assert [each() for each in known] == [None]
    finally:
        gc.enable()


def test_the_core_has_no_with() -> None:
    """Where there is no memory, an exception has no traceback, and the code that Cython makes for it fails then."""
    for path in SOURCES.rglob("*.pyx"):
        assert not any(line.lstrip().startswith("with ") for line in path.read_text().splitlines()), path


# ------------------------------------------------------------------------------------------ in programs of their own

JOBS = """
import cascade as cs

@cs.task
async def divide(x):
    return 1 / x

@cs.task
async def step(x):
    return await divide(x)
"""


def output(folder: Path, *arguments: str, full: bool = False, stdin: str = "") -> str:
    """What a program prints, on both streams, that finds `jobs.py` in its folder."""
    (folder / "jobs.py").write_text(JOBS)
    known = {name: value for name, value in os.environ.items() if name != "CASCADE_TRACEBACK"}
    known |= {
        "PYTHONPATH": os.pathsep.join([str(folder), known.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "NO_COLOR": "1",
    }
    if full:
        known["CASCADE_TRACEBACK"] = "full"
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=known, input=stdin, capture_output=True, text=True, timeout=120
    )
    return done.stdout + done.stderr


SCRIPT = "import cascade as cs; from jobs import step; cs.run(step(0))"


def test_full_keeps_all_frames(tmp_path: Path) -> None:
    short = output(tmp_path, "-c", SCRIPT)
    assert [line.rpartition(" in ")[2] for line in short.splitlines() if line.startswith("  File")] == [
        "<module>",
        "step",
        "divide",
    ]
    long = output(tmp_path, "-c", SCRIPT, full=True)
    assert f"{PACKAGE}{os.sep}engine{os.sep}runner.py" in long
    assert "in await_lazy" in long
    text = "import cascade as cs; cs.task(lambda x: x)(1, 2)"
    assert "task_spec.pyx" in output(tmp_path, "-c", text, full=True)
    assert "pyx" not in output(tmp_path, "-c", text)


def test_in_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import cascade as cs\nfrom jobs import step\n\ndef test_it():\n    assert cs.run(step(0)) == 1\n"
    )
    arguments = "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "test_it.py"
    shown = output(tmp_path, *arguments)
    places = [line for line in shown.splitlines() if line.startswith(("test_it.py:", "jobs.py:")) or "cascade" in line]
    assert [place.split(":")[0:2] for place in places if ".py:" in place] == [
        ["test_it.py", "5"],
        ["jobs.py", "10"],
        ["jobs.py", "6"],
    ]
    assert "runner.py" not in shown
    assert "runner.py" in output(tmp_path, *arguments, full=True)


def test_in_ipython(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    (tmp_path / "shell.py").write_text(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        f"InteractiveShell.instance().run_cell({SCRIPT!r})\n"
    )
    shown = output(tmp_path, "shell.py")
    assert "ZeroDivisionError" in shown
    assert "jobs.py" in shown
    assert str(PACKAGE / "engine") not in shown
    assert str(PACKAGE / "engine") in output(tmp_path, "shell.py", full=True)


def test_in_a_debugger_after_the_fact(tmp_path: Path) -> None:
    (tmp_path / "debugged.py").write_text(
        f"import pdb, sys\ntry:\n    {SCRIPT}\nexcept ZeroDivisionError as error:\n"
        "    pdb.post_mortem(error.__traceback__)\n"
    )
    shown = output(tmp_path, "debugged.py", stdin="p 'x is', x\nw\nup\np 'here'\nq\n")
    assert "('x is', 0)" in shown
    assert "-> return await divide(x)" in shown
    assert "runner.py" not in shown


def test_the_header_and_the_module_agree() -> None:
    """Both look at the same variable and the same value."""
    header = (SOURCES / "_core" / "tracebacks.h").read_text()
    module = (SOURCES / "_core" / "tracebacks.pyx").read_text()
    for text in ("CASCADE_TRACEBACK", '"full"', '"cascade/_core/"'):
        assert text in header
        assert text in module


def test_boundaries_end_in_a_bare_raise() -> None:
    """Another `raise` would add the frame that it stands in once more."""
    found = 0
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and ast.unparse(node).find("hide_frames(error)\n    raise") > 0:
                found += 1
                last = node.body[-1]
                assert not isinstance(last, ast.Raise) or last.exc is None, path
    assert found > 10
