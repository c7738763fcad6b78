"""Events of the user's own."""

from __future__ import annotations

import io
import json
import os
import threading

import pytest

import cascade as cs
from cascade.events import Event, NodeStarted, RunStarted


class Shipped(Event, frozen=True, kw_only=True):
    """An order has left."""

    order: str


@cs.task(mode="inline")
def ship(order: str) -> str:
    cs.emit(Shipped(order=order))
    return order


@cs.task
async def ship_later(order: str) -> str:
    cs.emit(Shipped(order=order))
    return order


@cs.task(mode="thread")
def ship_in_a_thread(order: str) -> str:
    cs.emit(Shipped(order=order))
    return order


@cs.task(mode="process")
def ship_in_a_process(order: str) -> str:
    cs.emit(Shipped(order=order))
    return order


@pytest.mark.parametrize("task", [ship, ship_later, ship_in_a_thread], ids=str)
def test_they_have_what_all_events_have(task: cs.Task) -> None:
    engine = cs.Engine()
    seen: list[Shipped] = []
    started: list[NodeStarted] = []
    engine.events.subscribe(Shipped, seen.append)
    engine.events.subscribe(NodeStarted, started.append)
    cs.run(task("17"), engine=engine, name="shop", tags={"site": "7"})
    (event,) = seen
    assert event.order == "17"
    assert event.run_name == "shop"
    assert event.tags == {"site": "7"}
    assert f":{os.getpid()}:" in event.process
    assert event.timestamp > 1e9
    assert (event.run, event.call) == (started[0].run, started[0].call)
    assert event.time >= started[0].time


def test_of_an_engine_from_any_thread() -> None:
    engine = cs.Engine()
    seen: list[Shipped] = []
    engine.events.subscribe(Event, seen.append)

    @cs.task
    async def wait_for_another_thread() -> None:
        thread = threading.Thread(target=engine.emit, args=(Shipped(order="1"),))
        thread.start()
        thread.join()
        engine.emit(Shipped(order="2"))

    cs.run(wait_for_another_thread(), engine=engine)
    own = [event for event in seen if isinstance(event, Shipped)]
    assert sorted(event.order for event in own) == ["1", "2"]
    assert {(event.run, event.call, event.run_name) for event in own} == {(0, 0, None)}


def test_without_a_subscriber_nothing_happens() -> None:
    engine = cs.Engine()
    assert cs.run(ship("1"), engine=engine) == "1"
    engine.emit(Shipped(order="1"))
    engine.events.subscribe(RunStarted, lambda event: None)
    assert cs.run(ship("1"), engine=engine) == "1"


def test_what_is_emitted_is_a_copy() -> None:
    engine = cs.Engine()
    seen: list[Shipped] = []
    engine.events.subscribe(Shipped, seen.append)
    given = Shipped(order="1")

    @cs.task(mode="inline")
    def twice() -> None:
        cs.emit(given)
        cs.emit(given)

    cs.run(twice(), engine=engine)
    assert len(seen) == 2
    assert given.time == -1.0
    assert given.call == 0


def test_what_is_no_event_of_ones_own_is_refused() -> None:
    @cs.task(mode="inline")
    def emit(event: object) -> None:
        cs.emit(event)

    for wrong, message in (
        ({"order": "1"}, "event must be an instance of a subclass of cascade.events.Event, got `dict`"),
        (Shipped, "event must be an instance of a subclass of cascade.events.Event"),
        (RunStarted(target="x"), "event must be of a class of your own, got RunStarted"),
        (Event(), "event must be of a class of your own, got Event"),
    ):
        with pytest.raises(TypeError, match=message):
            cs.run(emit(wrong))
        with pytest.raises(TypeError, match=message):
            cs.Engine().emit(wrong)


def test_outside_a_task() -> None:
    with pytest.raises(cs.EngineStateError, match=r"cs.emit\(\) must be called inside a task, got a call outside"):
        cs.emit(Shipped(order="1"))


def test_in_a_worker_process() -> None:
    with pytest.raises(cs.EngineStateError, match="a worker process has no engine: give the task mode='thread'"):
        cs.run(ship_in_a_process("1"))


def test_they_are_logged_and_read_back() -> None:
    engine = cs.Engine()
    file = io.StringIO()
    with cs.EventLog(file, types=(Shipped,)).attach(engine):
        cs.run(ship("17"), engine=engine)
    line = json.loads(file.getvalue())
    assert (line["event"], line["order"]) == ("Shipped", "17")
    file.seek(0)
    assert list(cs.EventLog.read(file)) == []
    file.seek(0)
    (event,) = cs.EventLog.read(file, types=(Shipped,))
    assert isinstance(event, Shipped)
    assert event.order == "17"
    with pytest.raises(TypeError, match=r"types\[0\] must be a class of events, got `int`"):
        cs.EventLog.read(file, types=(int,))


class Noted(Event, frozen=True, kw_only=True):
    """Anything has happened."""

    what: object


@cs.task(mode="inline")
def note() -> None:
    for what in (1, object(), lambda: 2, {3}):
        cs.emit(Noted(what=what))


def test_one_that_json_has_no_form_for_is_counted_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    engine, file = cs.Engine(), io.StringIO()
    with cs.EventLog(file, types=(Noted,), buffer=0).attach(engine) as log:
        cs.run(note(), engine=engine)
        assert log.lost == 2
    file.seek(0)
    assert [event.what for event in cs.EventLog.read(file, types=(Noted,)) if isinstance(event, Noted)] == [1, [3]]
    file.seek(0)
    with pytest.raises(
        ValueError, match=r"Invalid value 'Noted' - at `\$.event`: give the classes of events of your own"
    ):
        list(cs.EventLog.read(file, strict=True))
    assert "failed at Noted; it will not be reported again" in caplog.text
