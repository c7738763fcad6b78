"""The bus: who is told of what, in which order, and what a subscriber may do."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.events import (
    EVENTS,
    Event,
    Events,
    NodeEvent,
    NodeFinished,
    NodeStarted,
    RunEvent,
    RunFinished,
    RunStarted,
)
from support.event_samples import Stage, finished


@pytest.fixture
def stage() -> Stage:
    return Stage()


def started(run: int) -> RunStarted:
    return RunStarted(time=0.0, run=run, target="jobs.main")


# -- who is told ---------------------------------------------------------------------------------------------------


def test_a_base_class_means_all_below_it(stage: Stage) -> None:
    everything: list[Event] = []
    nodes: list[Event] = []
    runs: list[Event] = []
    exact: list[Event] = []
    stage.events.subscribe(Event, everything.append)
    stage.events.subscribe(NodeEvent, nodes.append)
    stage.events.subscribe(RunEvent, runs.append)
    stage.events.subscribe(NodeStarted, exact.append)
    stage.emit(started(1), finished(2))
    assert everything == [started(1), finished(2)]
    assert nodes == [finished(2)]
    assert runs == [started(1)]
    assert exact == []


def test_a_tuple_of_classes_is_one_subscription(stage: Stage) -> None:
    heard: list[Event] = []
    stage.events.subscribe((NodeEvent, NodeFinished, RunStarted), heard.append)
    stage.emit(started(1), finished(2))
    assert heard == [started(1), finished(2)]


def test_wants_is_exact_and_follows_subscriptions(stage: Stage) -> None:
    assert not any(stage.events.wants(kind) for kind in EVENTS)
    one = stage.events.subscribe(NodeEvent, print)
    two = stage.events.subscribe(NodeStarted, print)
    assert {kind for kind in EVENTS if stage.events.wants(kind)} == {k for k in EVENTS if issubclass(k, NodeEvent)}
    one.cancel()
    assert [kind for kind in EVENTS if stage.events.wants(kind)] == [NodeStarted]
    two.cancel()
    assert not any(stage.events.wants(kind) for kind in EVENTS)


def test_a_class_that_is_defined_later_is_below_its_base(stage: Stage) -> None:
    heard: list[Event] = []
    stage.events.subscribe(NodeEvent, heard.append)

    class Own(NodeEvent, frozen=True, kw_only=True):
        pass

    own = Own(time=0.0, task="t", path="$", iteration=0, node=0)
    assert stage.events.wants(Own)
    stage.emit(own)
    assert heard == [own]


def test_changed_is_called_when_the_wanted_events_change_and_not_otherwise(stage: Stage) -> None:
    first = stage.events.subscribe(NodeStarted, print)
    assert stage.changes == 1
    second = stage.events.subscribe(NodeStarted, repr)
    first.cancel()
    assert stage.changes == 1
    second.cancel()
    second.cancel()
    assert stage.changes == 2


def test_changed_may_ask_what_is_wanted() -> None:
    answers: list[bool] = []
    events: Events = Events(lambda: answers.append(events.wants(RunStarted)), lambda message, error: None)
    with events.subscribe(RunStarted, print):
        assert answers == [True]
    assert answers == [True, False]


def test_a_cancelled_subscription_hears_nothing_more(stage: Stage) -> None:
    heard: list[Event] = []
    with stage.events.subscribe(NodeFinished, heard.append) as subscription:
        stage.emit(finished(1))
        assert subscription.active
    stage.emit(finished(2))
    assert heard == [finished(1)]
    assert not subscription.active
    assert "cancelled" in repr(subscription)


def test_one_function_may_subscribe_twice(stage: Stage) -> None:
    heard: list[Event] = []
    stage.events.subscribe(NodeFinished, heard.append)
    stage.events.subscribe(NodeFinished, heard.append).cancel()
    stage.events.subscribe(NodeEvent, heard.append)
    stage.emit(finished(1))
    assert heard == [finished(1), finished(1)]


def test_threads_may_subscribe_and_cancel_while_events_are_delivered(stage: Stage) -> None:
    heard: list[Event] = []
    stage.events.subscribe(NodeFinished, heard.append)

    def churn() -> None:
        for _ in range(300):
            stage.events.subscribe(NodeEvent, str).cancel()

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    sent = [finished(number) for number in range(1000)]
    stage.emit(*sent)
    for thread in threads:
        thread.join()
    assert heard == sent
    assert stage.reports == []
    assert [kind for kind in EVENTS if stage.events.wants(kind)] == [NodeFinished]


# -- order ---------------------------------------------------------------------------------------------------------


def test_events_that_a_subscriber_causes_come_after_the_current_event(stage: Stage) -> None:
    heard: list[tuple[str, int]] = []

    def first(event: NodeFinished) -> None:
        heard.append(("first", event.node))
        if event.node == 0:
            stage.emit(finished(1), finished(2))

    stage.events.subscribe(NodeFinished, first)
    stage.events.subscribe(NodeFinished, lambda event: heard.append(("second", event.node)))
    stage.emit(finished(0))
    assert heard == [(name, node) for node in range(3) for name in ("first", "second")]


def test_a_chain_of_emissions_is_no_recursion(stage: Stage) -> None:
    heard = []

    def again(event: NodeFinished) -> None:
        heard.append(event.node)
        if event.node < 100_000:
            stage.emit(finished(event.node + 1))

    stage.events.subscribe(NodeFinished, again)
    stage.emit(finished(0))
    assert heard == list(range(100_001))


def test_who_subscribes_in_a_subscriber_hears_what_is_emitted_from_then_on(stage: Stage) -> None:
    heard: list[Event] = []

    def first(event: NodeFinished) -> None:
        if event.node == 0:
            stage.emit(finished(1))
            stage.events.subscribe(NodeFinished, heard.append)
            stage.emit(finished(2))

    stage.events.subscribe(NodeFinished, first)
    stage.emit(finished(0))
    assert heard == [finished(2)]


def test_who_is_cancelled_in_a_subscriber_hears_nothing_that_waits(stage: Stage) -> None:
    heard: list[Event] = []

    def first(event: NodeFinished) -> None:
        if event.node == 0:
            stage.emit(finished(1))
            second.cancel()

    stage.events.subscribe(NodeFinished, first)
    second = stage.events.subscribe(NodeFinished, heard.append)
    stage.emit(finished(0))
    assert heard == []


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_failing_subscriber_is_reported_once_for_each_kind_of_error(stage: Stage) -> None:
    heard: list[Event] = []

    def fails(event: NodeFinished) -> None:
        raise (KeyError if event.node % 2 else ValueError)(event.node)

    failing = stage.events.subscribe(NodeFinished, fails)
    stage.events.subscribe(NodeFinished, heard.append)
    sent = [finished(number) for number in range(100)]
    stage.emit(*sent)
    assert heard == sent
    assert [type(error) for _, error in stage.reports] == [ValueError, KeyError]
    assert failing.failures == 100
    message = stage.reports[0][0]
    assert "fails" in message and "NodeFinished" in message


def test_reports_of_ever_new_kinds_of_errors_end(stage: Stage) -> None:
    def fails(event: NodeFinished) -> None:
        raise type("New", (Exception,), {})

    failing = stage.events.subscribe(NodeFinished, fails)
    stage.emit(*(finished(number) for number in range(100)))
    assert len(stage.reports) == 16
    assert failing.failures == 100


@pytest.mark.parametrize("kind", [asyncio.CancelledError, GeneratorExit, BaseException])
def test_other_base_exceptions_are_failures_like_any(stage: Stage, kind: type[BaseException]) -> None:
    def fails(event: object) -> None:
        raise kind

    stage.events.subscribe(NodeFinished, fails)
    stage.emit(finished(1))
    assert [type(error) for _, error in stage.reports] == [kind]


def test_a_report_that_fails_affects_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    def report(message: str, error: BaseException) -> None:
        raise OSError("no report today")

    events = Events(lambda: None, report)
    heard: list[Event] = []
    events.subscribe(NodeFinished, lambda event: 1 / 0)
    events.subscribe(NodeFinished, heard.append)
    events.emit(finished(1))
    assert heard == [finished(1)]
    assert "reporting it failed" in caplog.text


def test_a_subscriber_that_turns_out_to_be_asynchronous_is_reported(stage: Stage) -> None:
    async def wait(event: Event) -> None:
        pass

    @cs.task
    def lazy(event: Event) -> None:
        pass

    stage.events.subscribe(NodeFinished, lambda event: wait(event))
    stage.events.subscribe(NodeFinished, lambda event: lazy(event))
    stage.emit(finished(1))
    assert ["a coroutine" in str(error) for _, error in stage.reports] == [True, False]
    assert ["a lazy result" in str(error) for _, error in stage.reports] == [False, True]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_the_event_loop_but_not_in_the_middle(stage: Stage, kind: type[BaseException]) -> None:
    heard: list[Event] = []

    def interrupt(event: NodeFinished) -> None:
        if event.node == 1:
            raise kind

    async def main() -> None:
        stage.emit(finished(1), finished(2))
        heard.append(finished(3))
        await asyncio.Event().wait()

    stage.events.subscribe(NodeFinished, interrupt)
    stage.events.subscribe(NodeFinished, heard.append)
    with pytest.raises(kind):
        asyncio.run(main())
    assert heard == [finished(1), finished(2), finished(3)]
    assert stage.reports == []


def test_without_a_loop_an_interrupt_leaves_when_all_is_delivered(stage: Stage) -> None:
    heard: list[Event] = []

    def interrupt(event: NodeFinished) -> None:
        if event.node == 1:
            stage.emit(finished(2))
            raise KeyboardInterrupt

    stage.events.subscribe(NodeFinished, interrupt)
    stage.events.subscribe(NodeFinished, heard.append)
    with pytest.raises(KeyboardInterrupt):
        stage.emit(finished(1))
    stage.emit(finished(3))
    assert heard == [finished(1), finished(2), finished(3)]


# -- what is refused -----------------------------------------------------------------------------------------------


async def coroutine_function(event: Event) -> None:
    pass


async def async_generator(event: Event) -> Any:
    yield


def generator(event: Event) -> Iterator[None]:
    yield


class AsyncCallable:
    async def __call__(self, event: Event) -> None:
        pass


@cs.task
def a_task(event: Event) -> None:
    pass


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (None, "the event, got `NoneType`"),
        ("print", "the event, got `str`"),
        (coroutine_function, "the async function"),
        (functools.partial(coroutine_function), "the async function .*coroutine_function"),
        (AsyncCallable(), "the async function `.*AsyncCallable`"),
        (async_generator, "the async function"),
        (generator, "the generator function"),
        (a_task, "the task .*a_task"),
        (lambda: None, "too many positional arguments"),
        (lambda event, more: None, "missing a required argument: 'more'"),
        (lambda *, event: None, "of one argument"),
    ],
)
def test_functions_that_would_not_do_are_refused_at_once(stage: Stage, fn: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        stage.events.subscribe(Event, fn)
    assert stage.changes == 0


@pytest.mark.parametrize(
    ("types", "message"),
    [
        (int, "types must be a class of events, got `int`"),
        ("NodeFailed", "got an object of type `str`"),
        (None, "got an object of type `NoneType`"),
        (finished(1), "got an object of type `NodeFinished`"),
        ((), "got an empty one"),
        ((NodeEvent, int), r"types\[1\] must be a class of events, got `int`"),
    ],
)
def test_types_that_are_no_events_are_refused_at_once(stage: Stage, types: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        stage.events.subscribe(types, print)
    assert stage.changes == 0


@pytest.mark.parametrize(
    "fn",
    [print, [].append, lambda event, more=1: None, lambda *all: None, functools.partial(lambda a, b: None, 1), repr],
)
def test_anything_that_takes_one_argument_will_do(stage: Stage, fn: Callable[[Event], object]) -> None:
    stage.events.subscribe(RunFinished, fn).cancel()
