"""Events as an engine tells them: which, in what order, to whom, and that none is made for nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cascade as cs
import cascade.events
from cascade.events import (
    EVENTS,
    Event,
    NodeEvent,
    NodeFinished,
    NodeRetrying,
    NodeSkipped,
    NodeStarted,
    RunEvent,
    RunFinished,
    RunStarted,
    TailCall,
)
from support.tasks import echo, forever, holds


@cs.task(mode="inline")
def one(x: Any = None) -> Any:
    return x


@cs.task(mode="inline")
def broken(*x: Any) -> Any:
    raise ValueError("broken")


@cs.task(mode="thread")
def in_thread(x: Any) -> Any:
    return x


@cs.task
async def later(x: Any) -> Any:
    await asyncio.sleep(0)
    return x


@cs.task(mode="inline")
def countdown(n: int) -> Any:
    return countdown(n - 1) if n else "done"


@cs.task
async def countdown_later(n: int) -> Any:
    return countdown_later(n - 1) if n else "done"


class Heard:
    """All that an engine tells, or some of it."""

    def __init__(self, engine: cs.Engine, *types: type[Event]) -> None:
        self.events: list[Any] = []
        engine.events.subscribe(types or Event, self.events.append)

    def names(self, *without: type[Event]) -> list[str]:
        return [type(event).__name__ for event in self.events if not isinstance(event, without or ())]

    def short(self) -> list[str]:
        """Of each event of a node what, and of which task."""
        return [f"{type(event).__name__[4:]} {event.task.rpartition('.')[2]}" for event in self.events]


async def test_the_order_of_a_run() -> None:
    async with cs.Engine() as engine:
        heard = Heard(engine, RunEvent, NodeEvent)
        run = engine.start(echo(one(1), [later(2)]))
        await run
        assert heard.names()[0] == "RunStarted" and heard.names()[-1] == "RunFinished"
        assert {event.run for event in heard.events} == {run.id}
        finished = heard.events[-1]
        assert (finished.outcome, finished.iterations, finished.error) == ("done", 0, None) and finished.seconds >= 0
        heard.events = [event for event in heard.events if isinstance(event, NodeEvent)]
        assert heard.short() == [
            "Started one", "Finished one", "Started later", "Finished later", "Started echo", "Finished echo",
        ]  # fmt: skip
        assert [event.path for event in heard.events] == [
            "$.args[0]", "$.args[0]", "$.args[1][0]", "$.args[1][0]", "$", "$",
        ]  # fmt: skip


@pytest.mark.parametrize("task", [countdown, countdown_later])
async def test_tail_calls(task: cs.Task) -> None:
    async with cs.Engine() as engine:
        heard = Heard(engine, RunEvent, NodeEvent)
        await engine.run(task(3))
        turn = ["NodeStarted", "NodeFinished"]
        assert heard.names() == ["RunStarted", *([*turn, "TailCall"]) * 3, *turn, "RunFinished"]
        assert [event.iteration for event in heard.events if isinstance(event, TailCall)] == [1, 2, 3]
        assert [event.iteration for event in heard.events if isinstance(event, NodeStarted)] == [0, 1, 2, 3]
        assert all(event.target.endswith(task.name) for event in heard.events if isinstance(event, TailCall))
        assert heard.events[-1].iterations == 3


@pytest.mark.parametrize("wrap", [lambda node: node.run_if(True), lambda node: cs.Router(one("a"), {"a": node})])
@pytest.mark.parametrize("task", [countdown, countdown_later])
async def test_a_tail_call_through_what_has_chosen_it(task: cs.Task, wrap: Any) -> None:
    async with cs.Engine() as engine:
        heard = Heard(engine, NodeStarted, NodeFinished)
        await engine.run(one(wrap(task(1))))
        await engine.run(wrap(task(1)))
        started = [event.task.rpartition(".")[2] for event in heard.events if type(event) is NodeStarted]
        ended = [event.task.rpartition(".")[2] for event in heard.events if type(event) is NodeFinished]
        assert sorted(started) == sorted(ended) and started.count(task.name) == 4


@pytest.mark.parametrize("kind", ["inline", "thread", "async", "retry", "wait", "recv", "resource", "map", "param"])
async def test_every_kind_of_node_starts_and_finishes_once(kind: str) -> None:
    channel: cs.Channel[int] = cs.Channel()
    channel.send(1)
    targets: dict[str, Any] = {
        "inline": one(1), "thread": in_thread(1), "async": later(1), "retry": one(1).with_retry(),
        "wait": cs.wait(0), "recv": channel.recv(), "resource": cs.inject("pi"), "map": one.map(x=[]),
        "param": cs.Param("n", default=1),
    }  # fmt: skip
    async with cs.Engine() as engine:
        engine.register(3, "pi")
        heard = Heard(engine, NodeEvent)
        await engine.run(echo((targets[kind], {"a": [1]}, 2)))
        of_it = [event for event in heard.events if event.path == "$.args[0][0]"]
        assert [type(event).__name__ for event in of_it] == ["NodeStarted", "NodeFinished"]
        assert of_it[0].task == of_it[1].task and of_it[1].seconds >= 0
        assert len(heard.events) == 4  # containers are not told of


async def test_the_node_of_a_map_contains_its_items() -> None:
    async with cs.Engine() as engine:
        heard = Heard(engine, NodeStarted, NodeFinished)
        await engine.run(one.map(x=[1, 2]))
        names = heard.names()
        assert names[0] == "NodeStarted" and names[-1] == "NodeFinished"
        assert names.count("NodeStarted") == names.count("NodeFinished") == 3


async def test_outcomes_come_last() -> None:
    async with cs.Engine() as engine:
        heard = Heard(engine)
        with pytest.raises(ValueError):
            await engine.run(echo(broken(), forever()))
        assert type(heard.events[-1]) is RunFinished and heard.events[-1].outcome == "failed"
        assert heard.events[-1].error == "ValueError: broken"
        assert heard.names().count("NodeFailed") == 1

        heard.events.clear()
        run = engine.start(echo(forever(), in_thread(1)))
        await holds(lambda: "NodeFinished" in heard.names())
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert type(heard.events[-1]) is RunFinished
        assert (heard.events[-1].outcome, heard.events[-1].error) == ("cancelled", None)
        assert "NodeFailed" not in heard.names()

        heard.events.clear()
        with pytest.raises(cs.TaskSkippedError):
            await engine.run(one(one(1).run_if(one(False))))
        assert type(heard.events[-1]) is RunFinished and heard.events[-1].outcome == "skipped"
        assert "NodeFailed" not in heard.names()

        heard.events.clear()
        run = engine.start(one(1))  # before it has begun
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert heard.names() == ["RunStarted", "RunFinished"] and heard.events[-1].outcome == "cancelled"


async def test_skipped_nodes_have_a_reason() -> None:
    async with cs.Engine() as engine:
        heard = Heard(engine, NodeSkipped, NodeStarted)
        assert await engine.run([one(in_thread(1).run_if(one(0))), one(2)]) == [cs.SKIPPED, 2]
        skipped = [event for event in heard.events if isinstance(event, NodeSkipped)]
        assert [event.task.rpartition(".")[2] for event in skipped] == ["in_thread", "one"]
        assert all("in_thread" in event.reason and "condition" in event.reason for event in skipped)
        assert not any("in_thread" in event.task for event in heard.events if isinstance(event, NodeStarted))


async def test_two_chains_of_which_one_is_held_up() -> None:
    """Slow siblings: a chain goes on while the other waits, so two take the time of one."""
    gates = {name: asyncio.Event() for name in ("a1", "a2", "b1", "b2")}

    @cs.task
    async def slow(name: str, before: object = None) -> str:
        await gates[name].wait()
        return name

    async with cs.Engine() as engine:
        heard = Heard(engine, NodeStarted, NodeFinished)
        run = engine.start(echo(slow("a2", slow("a1")), slow("b2", slow("b1"))))
        await holds(lambda: len(heard.events) == 2)  # both first ones are under way
        gates["b1"].set()
        await holds(lambda: len(heard.events) == 4)  # the second of one chain is, the first of the other still
        gates["b2"].set()
        await holds(lambda: len(heard.events) == 5)
        assert [event.path for event in heard.events] == [
            "$.args[0].args[1]", "$.args[1].args[1]", "$.args[1].args[1]", "$.args[1]", "$.args[1]",
        ]  # fmt: skip
        gates["a1"].set()
        gates["a2"].set()
        assert await run == ["a2", "b2"]


# -- subscribers -------------------------------------------------------------------------------------------------


async def test_a_subscriber_that_raises_affects_no_run_and_no_other_subscriber() -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))

    def fail(event: Event) -> None:
        raise RuntimeError("subscriber")

    async with cs.Engine() as engine:
        engine.events.subscribe(Event, fail)
        heard = Heard(engine)
        assert await engine.run(echo(countdown(11), later(1), in_thread(2))) == ["done", 1, 2]
        assert heard.names().count("TailCall") == 10 and heard.names()[-1] == "RunFinished"
    assert len(reports) == 1


@pytest.mark.parametrize("kind", [RunStarted, RunFinished, NodeStarted, NodeFinished, TailCall])
async def test_a_subscriber_that_starts_a_run(kind: Any) -> None:
    runs: list[cs.Run] = []
    async with cs.Engine() as engine:

        def start(event: Event) -> None:
            if not runs:
                runs.append(engine.start(echo(countdown(2), later(1))))

        engine.events.subscribe(kind, start)
        assert await engine.run(echo(countdown(2))) == ["done"]
        assert await runs[0] == ["done", 1]


@pytest.mark.parametrize("kind", [RunStarted, NodeStarted, NodeFinished, TailCall])
async def test_a_subscriber_that_cancels_the_run(kind: Any) -> None:
    async with cs.Engine() as engine:
        heard = Heard(engine, RunFinished)
        engine.events.subscribe(kind, lambda event: [run.cancel() for run in engine.runs])
        with pytest.raises(asyncio.CancelledError):
            await engine.run(echo(countdown(3), later(1)))
        assert [event.outcome for event in heard.events] == ["cancelled"]


async def test_who_subscribes_in_the_middle_of_a_loop() -> None:
    seen: list[Any] = []

    @cs.task(mode="inline")
    def loop(n: int) -> Any:
        if n == 5:
            engine.events.subscribe((NodeFinished, TailCall), seen.append)
        return loop(n - 1) if n else None

    async with cs.Engine() as engine:
        await engine.run(loop(10))
    names = [type(event).__name__ for event in seen]
    assert names[-1] == "NodeFinished" and names.count("TailCall") in (5, 6) and names.count("NodeFinished") in (5, 6)


async def test_no_event_is_made_without_a_subscriber(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: dict[str, int] = {}

    def counted(kind: type[Event]) -> type[Event]:
        def note(self: Event) -> None:
            counts[kind.__name__] = counts.get(kind.__name__, 0) + 1

        return type(kind)(kind.__name__, (kind,), {"__post_init__": note}, frozen=True)  # type: ignore[call-arg]

    monkeypatch.setattr(cascade.events, "EVENTS", tuple(counted(kind) for kind in EVENTS))

    tries: list[int] = []

    @cs.task(mode="inline")
    def twice() -> None:
        tries.append(1)
        if len(tries) % 2:
            raise OSError

    async def everything(engine: cs.Engine) -> None:
        engine.register(cs.resource(lambda: 1), "made") if not tries else None
        target = [countdown(2), twice().with_retry(), one(1).run_if(False), one(cs.inject("made")), in_thread(1)]
        await engine.run(target)
        with pytest.raises(ValueError):
            await engine.run(broken())

    async with cs.Engine(limits={"gpu": 1}, templates=cs.Templates()) as engine:
        await everything(engine)
        assert counts == {}
        with engine.events.subscribe(NodeRetrying, lambda event: None):
            await everything(engine)
            assert counts == {"NodeRetrying": 1}
        counts.clear()
        await everything(engine)
        assert counts == {}


async def test_nothing_is_remembered_of_runs_that_have_ended() -> None:
    async with cs.Engine() as engine:
        engine.events.subscribe(NodeFinished, lambda event: None)
        for _ in range(3):
            with pytest.raises(ValueError):
                await engine.run(echo(forever(), broken()))
            run = engine.start(echo(forever()))
            await asyncio.sleep(0)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
        assert not engine._driver.services.emitter._calls


def test_runs_whose_event_loop_was_closed_have_events() -> None:
    state = cs.MemoryState()
    engine = cs.Engine(state=state)
    heard = Heard(engine, RunFinished)

    @cs.task(mode="inline")
    def wait_on(x: object) -> Any:
        return cs.wait(3600)

    async def leave() -> None:
        engine.start(wait_on(1))
        await holds(lambda: len(state))

    asyncio.run(leave())
    assert cs.run(one(1), engine=engine) == 1
    assert [event.outcome for event in heard.events] == ["failed", "done"] and len(state) == 0
