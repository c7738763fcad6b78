"""The kit for tests of programs that use Cascade."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import cascade as cs
from cascade.testing import spy

whole = pytest.mark.skipif(not hasattr(cs.Engine, "events"), reason="the engine has no events yet")


def test_a_spy_on_a_bus() -> None:
    events = pytest.importorskip("cascade.events")
    failures: list[Any] = []
    bus = events.Events(lambda: None, lambda *told: failures.append(told))
    engine: Any = SimpleNamespace(events=bus)
    started = events.RunStarted(time=0.0, run=1, target="a")
    tail = events.TailCall(time=0.5, run=1, iteration=1, target="a")
    with spy(engine, events.RunStarted) as one, spy(engine, events.TailCall, events.Event) as both, spy(engine) as all_:
        bus.emit(started)
        bus.emit(tail)
    bus.emit(started)
    assert one == [started]
    assert both == [started, tail]  # once each
    assert all_ == [started, tail]
    assert not bus.wants(events.RunStarted)
    assert not failures


def test_a_spy_stops_when_the_test_fails() -> None:
    events = pytest.importorskip("cascade.events")
    bus = events.Events(lambda: None, lambda *told: None)
    engine: Any = SimpleNamespace(events=bus)
    with pytest.raises(LookupError), spy(engine):
        raise LookupError
    assert not bus.wants(events.RunStarted)
    with pytest.raises(TypeError), spy(engine, int):
        pass


@whole
async def test_a_spy_on_an_engine() -> None:
    events = pytest.importorskip("cascade.events")

    @cs.task(mode="inline")
    def countdown(n: int) -> Any:
        return countdown(n - 1) if n else "end"

    async with cs.Engine() as engine:
        with spy(engine, events.RunEvent) as seen:
            assert await engine.run(countdown(2)) == "end"
        assert await engine.run(countdown(2)) == "end"
    assert isinstance(seen[0], events.RunStarted)
    assert isinstance(seen[-1], events.RunFinished)
    assert len({event.run for event in seen}) == 1
    assert sum(isinstance(event, events.TailCall) for event in seen) == 2


def test_the_kit_is_loaded_only_when_it_is_asked_for() -> None:
    code = "import sys, cascade, cascade.engine.engine; print('cascade.testing' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
