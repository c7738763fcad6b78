"""A process that loads what another one saved builds nothing and solves nothing, and computes the same."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import cascade as cs
from cascade.exceptions import TemplateError
from cascade.graph.model import NATIVE_SOLVER, PlanTemplate
from cascade.graph.solver import NativeSolver
from cascade.templates.codec import Stored, encode
from cascade.templates.files import name_of
from cascade.templates.reader import TemplateFile
from support.template_files import forge, template_of
from support.warm import PROGRAMS

Interpreter = Callable[..., str]


@cs.task(mode="inline")
def keep(*args: object, **kwargs: object) -> object:
    return args, kwargs


def of_size(number: int) -> cs.LazyResult:
    """Give an expression with so many arguments: each number is a shape of its own."""
    return keep(*range(number))


def engine_with(*paths: Path, **options: object) -> cs.Engine:
    templates = cs.Templates(**options)
    for path in paths:
        templates.load(path)
    return cs.Engine(templates=templates)


def saved(path: Path, *numbers: int) -> Path:
    engine = engine_with()
    for number in numbers:
        cs.run(of_size(number), engine=engine)
    assert engine.templates.save(path) >= len(numbers)
    return path


# -- a second process --------------------------------------------------------------------------------------------------


def program(
    interpreter: Interpreter, path: Path, how: str, names: list[str], seed: str, python: str = sys.executable
) -> dict[str, int]:
    code = f"from support import warm; warm.main({str(path)!r}, {how!r}, *{names!r})"
    return json.loads(interpreter(code, python=python, PYTHONHASHSEED=seed))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_second_process_builds_nothing(tmp_path: Path, interpreter: Interpreter, name: str) -> None:
    path = tmp_path / "templates"
    cold = program(interpreter, path, "cold", [name], "1")
    assert cold["builds"] == cold["solves"] == len(TemplateFile(path)) > 0
    warm = program(interpreter, path, "warm", [name], "2")
    assert warm["builds"] == warm["solves"] == 0
    assert warm["loaded"] == warm["misses"] == cold["builds"]
    assert warm["hits"] > 0


@pytest.mark.long
@pytest.mark.parametrize("seed", ["0", "77"])
def test_all_of_it_in_another_order(tmp_path: Path, interpreter: Interpreter, seed: str) -> None:
    path = tmp_path / "templates"
    program(interpreter, path, "cold", [*PROGRAMS], "1")
    warm = program(interpreter, path, "warm", [*PROGRAMS], seed)
    assert (warm["builds"], warm["solves"]) == (0, 0)


@pytest.mark.parametrize("saves", ["this", "other"])
def test_on_another_python(tmp_path: Path, interpreter: Interpreter, another_python: str, saves: str) -> None:
    path = tmp_path / "templates"
    pythons = [sys.executable, another_python] if saves == "this" else [another_python, sys.executable]
    cold = program(interpreter, path, "cold", [*PROGRAMS], "1", pythons[0])
    warm = program(interpreter, path, "warm", [*PROGRAMS], "2", pythons[1])
    assert (warm["builds"], warm["solves"]) == (0, 0)
    assert warm["loaded"] == cold["builds"] > 150


def test_the_environment_names_a_file_for_all_engines(tmp_path: Path, interpreter: Interpreter) -> None:
    path = tmp_path / "templates"
    code = """
        import cascade as cs
        from support import warm
        from cascade.templates.cache import default_templates
        assert cs.run(warm.heavy_complex_countdown(3)) == "end"
        own = cs.Engine(templates=cs.Templates())
        assert cs.run(warm.noop(1), engine=own) == 1
        print(default_templates.stats.builds, default_templates.stats.loaded, own.templates.stats.builds)
    """
    # The first ends without having closed anything.
    assert interpreter(code, CASCADE_TEMPLATES=str(path)).split() == ["2", "0", "1"]
    assert len(TemplateFile(path)) == 3
    assert interpreter(code, CASCADE_TEMPLATES=str(path)).split() == ["0", "2", "0"]
    assert len(TemplateFile(path)) == 3
    assert interpreter(code, CASCADE_TEMPLATES="").split() == ["2", "0", "1"]


def test_the_environment_names_what_cannot_be_written(tmp_path: Path, interpreter: Interpreter) -> None:
    code = "import cascade as cs; from support import warm; print(cs.run(warm.heavy_complex_countdown(3)))"
    for path in (tmp_path, tmp_path / "no" / "such" / "directory"):
        assert interpreter(code, CASCADE_TEMPLATES=str(path)) == "end\n"


def test_preloaded_for_engines_that_were_there_before(tmp_path: Path, interpreter: Interpreter) -> None:
    path = saved(tmp_path / "templates", 1, 2)
    code = f"""
        import cascade as cs, unit.templates.test_store as t
        before = cs.Engine(templates=cs.Templates())
        print(cs.preload({str(path)!r}), cs.preload({str(path)!r}, strict=True))
        after = cs.Engine()
        for engine in (before, after):
            for number in (1, 2, 3):
                cs.run(t.of_size(number), engine=engine)
            print(engine.templates.stats.loaded, engine.templates.stats.builds)
    """
    assert interpreter(code).split() == ["2", "2", "2", "1", "2", "1"]


def test_to_define_tasks_takes_nothing_of_this(interpreter: Interpreter) -> None:
    code = """
        import sys, cascade as cs
        assert cs.Templates is not None
        f = cs.task(lambda: 1, mode="inline")
        assert cs.run(f()) == 1
        print(sorted(name for name in sys.modules if name.startswith("cascade.graph")))
    """
    loaded = interpreter(code)
    assert "store" not in loaded and "codec" not in loaded and "file" not in loaded


# -- an engine's own file ----------------------------------------------------------------------------------------------


async def test_an_engine_keeps_its_templates_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "templates"
    for turn in range(3):
        async with cs.Engine(templates=path) as engine:
            for number in range(turn + 2):
                await engine.run(of_size(number))
            assert engine.templates.stats.loaded == (turn + 1 if turn else 0)
            assert engine.templates.stats.builds == (1 if turn else 2)
        assert len(TemplateFile(path)) == turn + 2
        assert len(engine.templates.files) == 0


async def test_closing_writes_only_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "templates"
    engine = cs.Engine(templates=str(path))
    await engine.run(of_size(1))
    await engine.aclose()
    before = path.stat()
    again = cs.Engine(templates=path)
    await again.run(of_size(1))
    await again.aclose()
    assert path.stat().st_ino == before.st_ino and path.stat().st_mtime_ns == before.st_mtime_ns


def test_templates_that_are_referenced_nowhere_else_are_written(tmp_path: Path) -> None:
    path = tmp_path / "templates"
    engine = cs.Engine(templates=path)
    cs.run(of_size(4), engine=engine)
    assert not path.exists()
    del engine
    gc.collect()
    assert len(TemplateFile(path)) == 1


async def test_a_file_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with cs.Engine(templates=tmp_path / "no" / "where") as engine:
        await engine.run(of_size(1))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "1 new templates are not saved" in caplog.text


async def test_a_cancelled_close_still_writes(tmp_path: Path) -> None:
    path = tmp_path / "templates"
    engine = cs.Engine(templates=path)
    await engine.run(of_size(1))
    closing = asyncio.create_task(engine.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert len(TemplateFile(path)) == 1


def test_what_is_evicted_is_written_all_the_same(tmp_path: Path) -> None:
    templates = cs.Templates(tmp_path / "templates", max_entries=4)
    engine = cs.Engine(templates=templates)
    for number in range(40):
        cs.run(of_size(number), engine=engine)
    templates.flush()
    again = engine_with(tmp_path / "templates")
    for number in range(40):
        cs.run(of_size(number), engine=again)
    assert again.templates.stats.builds == 0


# -- counters, files, solvers ------------------------------------------------------------------------------------------


def test_loaded_counts_what_came_from_disk(tmp_path: Path) -> None:
    engine = engine_with(saved(tmp_path / "one", 1, 2, 3))
    assert engine.templates.stats.loaded == 0 and len(engine.templates) == 0
    for number in (1, 1, 2, 9):
        cs.run(of_size(number), engine=engine)
    stats = engine.templates.stats
    assert (stats.hits, stats.misses, stats.loaded, stats.builds, stats.solves) == (1, 3, 2, 1, 1)


def test_load_returns_how_many_there_are(tmp_path: Path) -> None:
    path = saved(tmp_path / "one", 1, 2, 3)
    assert cs.Templates().load(path) == cs.Templates().load(str(path), strict=True) == 3
    (tmp_path / "empty").touch()
    assert cs.Templates().load(tmp_path / "empty", strict=True) == 0


def test_several_files_and_what_was_loaded_is_saved_too(tmp_path: Path) -> None:
    one, other = saved(tmp_path / "one", 1, 2), saved(tmp_path / "other", 2, 3)
    engine = engine_with(one, other)
    cs.run(of_size(4), engine=engine)
    assert engine.templates.save(tmp_path / "all") == 4
    again = engine_with(tmp_path / "all")
    for number in (1, 2, 3, 4):
        cs.run(of_size(number), engine=again)
    assert again.templates.stats.loaded == 4


def test_threads_that_load_at_once_lose_nothing(tmp_path: Path) -> None:
    paths = [saved(tmp_path / str(number), number) for number in range(8)]

    def load(templates: cs.Templates, path: Path, begin: threading.Barrier) -> None:
        begin.wait()
        templates.load(path)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            templates, begin = cs.Templates(), threading.Barrier(8)
            threads = [threading.Thread(target=load, args=(templates, path, begin)) for path in paths]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert {file.path for file in templates.files._store.files} == set(map(str, paths))
    finally:
        sys.setswitchinterval(before)


def test_a_file_that_is_loaded_again_is_read_again(tmp_path: Path) -> None:
    engine = engine_with(saved(tmp_path / "one", 1))
    saved(tmp_path / "one", 2)
    cs.run(of_size(2), engine=engine)
    assert engine.templates.stats.builds == 1  # what others write does not reach a file that is open
    assert engine.templates.load(tmp_path / "one") == 2
    engine.templates.load(os.path.relpath(tmp_path / "one"))
    assert len(engine.templates.files._store.files) == 1
    other = engine_with(tmp_path / "one")
    cs.run(of_size(2), engine=other)
    assert other.templates.stats.loaded == 1


class Backwards:
    """A solver of one's own: the other way round where that may be."""

    def resolve(self, graph: object) -> PlanTemplate:
        from cascade.graph.solver import NativeSolver

        plan = NativeSolver().resolve(graph)
        return PlanTemplate(plan.order, tuple(reversed(plan.priority)))


def test_a_plan_is_the_solver_s_own(tmp_path: Path) -> None:
    path = saved(tmp_path / "one", 3)
    other = engine_with(path, solver=Backwards())
    assert cs.run(of_size(3), engine=other) == ((0, 1, 2), {})
    stats = other.templates.stats
    assert (stats.loaded, stats.builds, stats.solves) == (1, 0, 1)  # the graph is as good as any
    other.templates.save(tmp_path / "two")
    again = engine_with(tmp_path / "two", solver=Backwards())
    cs.run(of_size(3), engine=again)
    assert again.templates.stats.solves == 0


def test_an_edited_body_is_the_same_shape_and_a_changed_call_another(tmp_path: Path) -> None:
    def define(source: str) -> cs.Task:
        space: dict[str, object] = {"__name__": "edited"}
        exec(source, space)
        return cs.task(space["f"], mode="inline")  # type: ignore[arg-type]

    path = tmp_path / "one"
    first = engine_with()
    cs.run(define("def f(a, b=2): return a")(1, b=1), engine=first)
    first.templates.save(path)

    def loaded(target: cs.LazyResult) -> int:
        engine = engine_with(path)
        cs.run(target, engine=engine)
        return engine.templates.stats.loaded

    assert loaded(define("def f(a, b=3): return (b, a, 'another body')")(1, b=1)) == 1
    assert loaded(define("def f(a, *, c=1, b): return a")(1, b=1)) == 1  # called in the same way
    assert loaded(define("def f(a, b): return a")(1, 1)) == 0
    assert loaded(define("async def f(a, b): return a")(1, b=1)) == 0
    assert loaded(cs.task(define("def f(a, b): return a").fn, mode="thread")(1, b=1)) == 0


def test_nested_tasks_are_found_with_their_new_closures(tmp_path: Path) -> None:
    def outer(phase: str) -> cs.LazyResult:
        @cs.task(mode="inline")
        def inner() -> str:
            return phase

        return keep(inner())

    first = engine_with()
    cs.run(outer("a secret phase"), engine=first)
    first.templates.save(tmp_path / "one")
    again = engine_with(tmp_path / "one")
    assert cs.run(outer("another"), engine=again) == (("another",), {})
    assert again.templates.stats.builds == 0


# -- what is not in a file ---------------------------------------------------------------------------------------------


def test_closures_and_data_never_reach_the_file(tmp_path: Path) -> None:
    secret = "a-password-in-a-cell"

    @cs.task(mode="inline")
    def guarded(value: object, default: str = "a-default-value") -> object:
        return secret and default and ("a-constant-of-the-code", value)

    engine = engine_with()
    data = ["a-literal", {"a-dict-key-that-is-data": 7_777_777_777}, b"bytes-that-are-data", 1234567.875]
    cs.run(keep(guarded("an-argument"), *data, named=guarded(default="a-given-default", value=data)), engine=engine)
    engine.templates.save(tmp_path / "one")
    found = (tmp_path / "one").read_bytes()
    for text in (
        secret,
        "a-default",
        "a-constant",
        "a-literal",
        "a-dict-key",
        "bytes-that",
        "an-argument",
        "a-given",
        "secret",
    ):
        assert text.encode() not in found
    import msgspec

    for value in (7_777_777_777, 1234567.875):
        assert msgspec.msgpack.encode(value) not in found
    assert b"guarded" in found and b"test_store" in found


# -- strict and default ------------------------------------------------------------------------------------------------


def damaged(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    return path


def test_damage_is_one_warning_and_a_cold_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = saved(tmp_path / "one", 1, 2)
    broken = bytearray(path.read_bytes())
    for offset in {entry.offset for entry in TemplateFile(path)}:
        broken[offset] ^= 8
    path.write_bytes(broken)
    engine = engine_with(path)
    for number in (1, 2, 2):
        assert cs.run(of_size(number), engine=engine) == (tuple(range(number)), {})
    assert engine.templates.stats.builds == 2
    (warning,) = caplog.records
    assert (warning.levelno, warning.name) == (logging.WARNING, "cascade")
    assert str(path) in warning.getMessage() and "checksum" in warning.getMessage()


def test_damage_is_an_error_if_strict(tmp_path: Path) -> None:
    path = damaged(saved(tmp_path / "one", 1, 2))
    with pytest.raises(TemplateError, match=r"checksum.*in template [0-9a-f]{16} of `.*one`"):
        cs.Templates().load(path, strict=True)
    with pytest.raises(TemplateError):
        cs.preload(path, strict=True)
    with pytest.raises(FileNotFoundError):
        cs.Templates().load(tmp_path / "none", strict=True)


def test_what_is_not_there_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert cs.Templates().load(tmp_path / "none") == 0
    assert cs.Templates().load(tmp_path) == 0
    assert len(caplog.records) == 2


def test_a_swapped_plan_is_never_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Right in every checksum, and listed under the digest of the shape that is asked for."""
    target, other = keep(of_size(1), of_size(2)), keep(of_size(1), of_size(2), of_size(3))
    _, digest, graph, _ = template_of(target)
    _, _, other_graph, other_plan = template_of(other)
    native = "cascade.protocols.NativeSolver"
    for forged in (Stored(graph, other_plan, native), Stored(other_graph, other_plan, native)):
        caplog.clear()
        engine = engine_with(forge(tmp_path / "one", [(digest, encode(forged))]))
        assert cs.run(target, engine=engine) == ((((0,), {}), ((0, 1), {})), {})
        assert engine.templates.stats.builds == 1
        assert len(caplog.records) == 1


@pytest.mark.parametrize("plan", [PlanTemplate((1, 0, 2), (2, 2, 1)), PlanTemplate((0, 1, 2), (2, 3, 1))])
def test_a_plan_in_the_name_of_the_native_solver_is_the_one_that_it_makes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, plan: PlanTemplate
) -> None:
    """Or else who writes a file says which of two tasks that are ready together starts first."""
    _, digest, graph, right = template_of(keep(of_size(1), of_size(2)))
    assert right == PlanTemplate((0, 1, 2), (2, 2, 1))
    assert name_of(NativeSolver()) == NATIVE_SOLVER
    for solver, loaded in ((NATIVE_SOLVER, False), ("a.Solver", True)):
        path = forge(tmp_path / "one", [(digest, encode(Stored(graph, plan, solver)))])
        templates = cs.Templates()
        templates.load(path)
        assert templates.lookup(keep(of_size(1), of_size(2))).plan.order == (0, 1, 2)
        assert templates.stats.loaded == loaded
        if loaded:
            templates.load(path, strict=True)
        else:
            with pytest.raises(TemplateError, match="that it does not make - at `plan` - in template"):
                templates.load(path, strict=True)
    assert ["at `plan`" in record.getMessage() for record in caplog.records] == [True]


def test_a_template_that_is_too_large_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = engine_with()
    chain: object = 0
    for _ in range(500):
        chain = keep(chain)
    cs.run(chain, engine=first)
    first.templates.save(tmp_path / "one")
    engine = engine_with(tmp_path / "one", max_bytes=1 << 16)
    cs.run(chain, engine=engine)
    assert engine.templates.stats.builds == 1
    assert "at most 8192" in caplog.text


def test_the_whole_language_starts_warm(tmp_path: Path) -> None:
    def targets() -> list[object]:
        shared = keep(1)
        return [
            keep(cs.Router(shared, {((1,), ()): keep("a"), 7: shared, None: "data"}, default=keep("b")), shared),
            keep(1).run_if(keep(2), otherwise=keep(3)),
            [keep(1).run_if(keep()), keep(2).after(keep(3), shared)],
            cs.sequence([keep(1), keep(2), keep(3)]),
            cs.pipeline(keep(0), [keep, keep]),
            keep.map(x=keep([1, 2]), k=cs.const(7)),
        ]

    def run(engine: cs.Engine, target: object) -> object:
        try:
            return cs.run(target, engine=engine)
        except Exception as error:
            return type(error), str(error)

    first = engine_with()
    expected = [run(first, target) for target in targets()]
    first.templates.save(tmp_path / "one")
    again = cs.Engine(templates=cs.Templates())
    again.templates.load(tmp_path / "one", strict=True)
    assert [run(again, target) for target in reversed(targets())] == expected[::-1]
    assert (again.templates.stats.builds, again.templates.stats.solves) == (0, 0)
    assert again.templates.stats.loaded >= 6
