"""Events of templates: built, loaded, evicted; told to every engine that has them, in the thread of its own loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from pathlib import Path

import pytest

import cascade as cs
from cascade.events import Event, RunFinished, TemplateBuilt, TemplateEvent, TemplateEvicted, TemplateLoaded


@cs.task(mode="inline")
def keep(*args: object) -> object:
    return args


def of_size(number: int) -> cs.LazyResult:
    """Give an expression with so many arguments: each number is a shape of its own."""
    return keep(*range(number))


def engine_of(templates: cs.Templates | None = None) -> tuple[cs.Engine, list[TemplateEvent]]:
    """An engine and what it tells of its templates."""
    engine = cs.Engine(templates=cs.Templates() if templates is None else templates)
    told: list[TemplateEvent] = []
    engine.events.subscribe(TemplateEvent, told.append)
    return engine, told


def kinds(told: list[TemplateEvent]) -> list[str]:
    return [type(event).__name__ for event in told]


def test_built_once_a_shape() -> None:
    engine, told = engine_of()
    assert cs.run(keep(of_size(1), 2), engine=engine) == ((0,), 2)
    cs.run(keep(of_size(1), 2), engine=engine)
    (event,) = told
    assert type(event) is TemplateBuilt
    assert (event.target, event.nodes, event.run) == (f"{__name__}.keep", 2, 0)
    assert event.seconds >= 0
    assert engine.templates.stats.builds == 1


def test_loaded_from_a_file(tmp_path: Path) -> None:
    first = cs.Templates()
    first.lookup(of_size(1))
    first.save(tmp_path / "one")
    engine, told = engine_of()
    engine.templates.load(tmp_path / "one")
    assert not told  # nothing is read yet
    cs.run(of_size(1), engine=engine)
    cs.run(of_size(2), engine=engine)
    assert kinds(told) == ["TemplateLoaded", "TemplateBuilt"]


def test_evicted_when_the_table_is_full() -> None:
    engine, told = engine_of(cs.Templates(max_entries=8))
    for number in range(9):
        cs.run(of_size(number), engine=engine)
    assert kinds(told) == ["TemplateBuilt"] * 9 + ["TemplateEvicted"] * 2
    assert engine.templates.stats.evictions == 2
    assert len([event for event in told if isinstance(event, TemplateEvicted)]) == 2


def test_in_the_order_in_which_they_happen() -> None:
    engine = cs.Engine(templates=cs.Templates())
    told: list[Event] = []
    engine.events.subscribe(Event, told.append)
    cs.run(keep(of_size(0)), engine=engine)
    names = [type(event).__name__ for event in told]
    assert names == ["RunStarted", "TemplateBuilt", *["NodeStarted", "NodeFinished"] * 2, "RunFinished"]
    assert [event.time for event in told] == sorted(event.time for event in told)


def test_all_engines_that_share_templates_have_the_events() -> None:
    templates = cs.Templates()
    one, told_one = engine_of(templates)
    other, told_other = engine_of(templates)
    silent = cs.Engine(templates=templates)

    async def main() -> None:
        await other.run(of_size(0))  # so that it has an event loop
        await one.run(of_size(1))
        await silent.run(of_size(2))

    asyncio.run(main())
    assert kinds(told_one) == ["TemplateBuilt"] * 2  # it had no loop at first
    assert kinds(told_other) == ["TemplateBuilt"] * 3


def test_each_listener_is_called_in_the_thread_of_its_own_loop() -> None:
    templates = cs.Templates()
    engine = cs.Engine(templates=templates)
    threads: list[int] = []

    async def main() -> None:
        told = asyncio.Event()

        def tell(event: TemplateBuilt) -> None:
            threads.append(threading.get_ident())
            told.set()

        await engine.run(of_size(0))
        engine.events.subscribe(TemplateBuilt, tell)
        await asyncio.to_thread(cs.run, of_size(1), engine=cs.Engine(templates=templates))
        await told.wait()

    asyncio.run(main())
    assert threads == [threading.get_ident()]
    # And its loop is closed now: nobody is told, nothing fails.
    thread = threading.Thread(target=cs.run, args=(of_size(2),), kwargs={"engine": cs.Engine(templates=templates)})
    thread.start()
    thread.join()
    assert len(threads) == 1


def test_templates_keep_no_engine_alive() -> None:
    templates = cs.Templates()
    assert not templates._listeners
    engine, told = engine_of(templates)
    assert templates._listeners
    gone = weakref.ref(engine)
    del engine
    gc.collect()
    assert gone() is None
    other, _ = engine_of(templates)
    cs.run(of_size(1), engine=other)
    assert told == []
    assert len(templates._listeners._listening) == 1


def test_a_listener_may_do_anything() -> None:
    """Start runs, look shapes up, even this one, and have them evicted."""
    templates = cs.Templates(max_entries=4)
    engine = cs.Engine(templates=templates)
    runs: list[cs.Run] = []
    told: list[str] = []

    def tell(event: TemplateEvent) -> None:
        told.append(type(event).__name__)
        if len(runs) < 3:
            runs.append(engine.start(of_size(20 + len(runs))))
            for number in range(10):
                templates.lookup(of_size(number))

    async def main() -> None:
        engine.events.subscribe(TemplateEvent, tell)
        assert await engine.run(of_size(3)) == (0, 1, 2)
        for number, run in enumerate(runs):
            assert await run == tuple(range(20 + number))

    asyncio.run(main())
    stats = templates.stats
    assert told.count("TemplateBuilt") == stats.builds
    assert told.count("TemplateEvicted") == stats.evictions


def test_a_listener_may_cancel_the_run_that_causes_the_event() -> None:
    engine = cs.Engine(templates=cs.Templates(), quantum=0)

    @cs.task(mode="inline")
    def grow(*args: object) -> object:
        return grow(*args, 0)

    ended: list[str] = []

    async def main() -> None:
        run = engine.start(grow())
        engine.events.subscribe(TemplateBuilt, lambda event: run.cancel() if engine.templates.entries > 5 else None)
        engine.events.subscribe(RunFinished, lambda event: ended.append(event.outcome))
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert ended == ["cancelled"]
    assert engine.templates.entries == 6


def test_a_subscriber_that_fails_harms_no_run() -> None:
    engine = cs.Engine(templates=cs.Templates(max_entries=1))
    reported: list[object] = []

    def fail(event: TemplateEvent) -> None:
        raise ValueError("told")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        subscription = engine.events.subscribe((TemplateLoaded, TemplateBuilt, TemplateEvicted), fail)
        for number in range(3):
            assert await engine.run(of_size(number)) == tuple(range(number))
        assert subscription.failures == 3 + 2

    asyncio.run(main())
    assert [str(error) for error in reported] == ["told"]
