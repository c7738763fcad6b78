"""Retries that depend on the failure: predicates, delays by a function, and a bound on the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

import cascade as cs
from cascade.events import NodeRetrying
from cascade.inspect.policy_text import describe
from support.tasks import give, keep

MODES = ["inline", "async"]


class StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Service:
    """A service that fails with some statuses, one after another, and then answers; as it does for a status of 0.

    Attributes:
        engine: with a virtual clock.
        times: at which it was called.
        delays: before each further attempt, as events tell.
    """

    def __init__(self, *statuses: int, mode: str = "inline") -> None:
        self.engine = cs.Engine(clock=cs.Clock.virtual(), seed=1)
        self.times: list[float] = []
        self.delays: list[float] = []
        self.engine.events.subscribe(NodeRetrying, lambda event: self.delays.append(event.delay))
        left = [*statuses]

        def call() -> str:
            self.times.append(self.engine.clock.time())
            if left and (status := left.pop(0)):
                raise StatusError(status)
            return "answer"

        async def call_later() -> str:
            await asyncio.sleep(0)
            return call()

        self.call = cs.task(call_later) if mode == "async" else cs.task(mode="inline")(call)

    def run(self, **policy: object) -> object:
        try:
            return cs.run(keep(self.call().with_retry(**policy)), engine=self.engine)[0]
        except Exception as error:
            return error


# --------------------------------------------------------------------------------------------------------- predicates


@pytest.mark.parametrize("mode", MODES)
def test_on_may_be_a_predicate(mode: str) -> None:
    seen: list[Exception] = []

    def is_temporary(error: StatusError) -> bool:
        seen.append(error)
        return error.status >= 500

    assert Service(500, 503, mode=mode).run(on=is_temporary) == "answer"
    assert [error.status for error in seen] == [500, 503]
    service = Service(500, 404, mode=mode)
    assert service.run(max_attempts=9, on=is_temporary).status == 404
    assert len(service.times) == 2


@pytest.mark.parametrize("mode", MODES)
def test_give_up_on_may_be_a_predicate(mode: str) -> None:
    service = Service(500, 501, 502, mode=mode)
    assert service.run(max_attempts=9, give_up_on=lambda error: error.status == 501).status == 501
    assert len(service.times) == 2


def test_any_value_of_a_predicate_counts_as_true_or_false() -> None:
    assert Service(1).run(on=lambda error: ["yes"]) == "answer"
    assert Service(1).run(on=lambda error: []).status == 1


def test_a_predicate_is_not_called_after_the_last_attempt() -> None:
    seen: list[Exception] = []
    assert Service(1, 2, 3).run(max_attempts=2, on=lambda error: seen.append(error) or True).status == 2
    assert len(seen) == 1


def test_a_predicate_is_never_asked_about_what_is_no_failure() -> None:
    def refuse(error: BaseException) -> bool:
        raise AssertionError("it was asked")

    @cs.task(mode="inline")
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cs.run(interrupt().with_retry(on=refuse))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("what", ["on", "give_up_on", "delay"])
def test_what_a_function_raises_is_the_failure_of_the_call(what: str, mode: str) -> None:
    def wrong(*_: object) -> object:
        raise LookupError("in the function")

    service = Service(500, mode=mode)
    error = service.run(**{what: wrong})
    assert type(error) is LookupError
    assert type(error.__context__) is StatusError
    assert len(service.times) == 1


# -------------------------------------------------------------------------------------------------------------- delays


@pytest.mark.parametrize("mode", MODES)
def test_the_delay_may_be_a_function_of_attempt_and_failure(mode: str) -> None:
    asked: list[tuple[int, int]] = []

    def delay(attempt: int, error: StatusError) -> float:
        asked.append((attempt, error.status))
        return error.status / attempt

    service = Service(10, 30, 90, mode=mode)
    assert service.run(max_attempts=4, delay=delay, backoff=7) == "answer"
    assert asked == [(1, 10), (2, 30), (3, 90)]
    assert service.delays == [10, 15, 30]
    assert service.times == [0, 10, 25, 55]


def test_max_delay_and_jitter_apply_to_what_a_function_returns() -> None:
    service = Service(1, 1)
    assert service.run(delay=lambda attempt, error: 100 * attempt, max_delay=150) == "answer"
    assert service.delays == [100, 150]
    service = Service(1, 1)
    assert service.run(delay=lambda attempt, error: 100, jitter="full") == "answer"
    assert all(0 < delay < 100 for delay in service.delays)
    assert len(set(service.delays)) == 2


@pytest.mark.parametrize("wrong", [-1, None, "soon", float("nan")], ids=repr)
def test_a_function_must_return_seconds(wrong: object) -> None:
    error = Service(500).run(delay=lambda attempt, error: wrong)
    assert type(error) is cs.PolicyError
    assert "delay must be" in str(error)


# --------------------------------------------------------------------------------------------------------- max_elapsed


@pytest.mark.parametrize("mode", MODES)
def test_no_attempt_begins_too_late(mode: str) -> None:
    service = Service(*range(1, 99), mode=mode)
    assert service.run(max_attempts=99, delay=1, max_elapsed=20).status == 5
    assert service.times == [0, 1, 3, 7, 15]
    assert service.engine.clock.time() == 15, "it does not wait for an attempt that it will not make"


def test_an_attempt_may_begin_at_the_last_moment() -> None:
    service = Service(*range(1, 99))
    service.run(max_attempts=99, delay=5, backoff=1, max_elapsed=10)
    assert service.times == [0, 5, 10]
    service = Service(*range(1, 99))
    service.run(max_elapsed=0)
    assert service.times == [0, 0, 0]


def test_the_time_of_attempts_counts() -> None:
    engine = cs.Engine(clock=cs.Clock.virtual())
    made: list[float] = []

    @cs.task
    async def slow() -> None:
        made.append(engine.clock.time())
        await asyncio.sleep(4)
        raise OSError

    with pytest.raises(OSError):
        cs.run(slow().with_retry(max_attempts=9, max_elapsed=10), engine=engine)
    assert made == [0, 4, 8]


def test_each_call_has_its_own_time() -> None:
    service = Service(1, 0, 1)

    @cs.task(mode="inline")
    def again(n: int, _: object) -> object:
        return again(n - 1, service.call().with_retry(delay=3, max_elapsed=3)) if n else service.times

    assert cs.run(again(2, cs.wait(50)), engine=service.engine) == [50, 53, 53, 56]


# -------------------------------------------------------------------------------------------------- one policy a call


def test_a_second_policy_replaces_the_first() -> None:
    service = Service(*range(1, 99))
    call = service.call()
    again = call.with_retry(max_attempts=5, delay=7).with_retry(max_attempts=2)
    with pytest.raises(StatusError):
        cs.run(again, engine=service.engine)
    assert service.times == [0, 0]
    of_the_task = service.call.with_retry(max_attempts=5, delay=7)
    for made in (of_the_task.with_retry(max_attempts=2)(), of_the_task().with_retry(max_attempts=2)):
        service.times.clear()
        with pytest.raises(StatusError):
            cs.run(made, engine=service.engine)
        assert len(set(service.times)) == 1
        assert len(service.times) == 2


def test_a_scope_composes_two() -> None:
    service = Service(*range(1, 99))
    with pytest.raises(StatusError):
        cs.run(
            cs.scope(service.call().with_retry(max_attempts=2, delay=1)).with_retry(max_attempts=3, delay=10),
            engine=service.engine,
        )
    assert service.times == [0, 1, 11, 12, 32, 33]


def test_scopes_take_the_same() -> None:
    service = Service(500, 503, 404)
    scope = cs.scope(keep(service.call(), 1))
    with pytest.raises(StatusError):
        cs.run(
            scope.with_retry(
                max_attempts=9, delay=lambda attempt, error: error.status, on=lambda error: error.status >= 500
            ),
            engine=service.engine,
        )
    assert service.times == [0, 500, 1003]


# -------------------------------------------------------------------------------------------------------- wrong values


async def later(error: Exception) -> bool:
    return True


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"on": "OSError"}, "on must be exception types or a function of an exception, got 'OSError'"),
        ({"on": int}, "on must be exception types or a function of an exception, got int"),
        ({"on": later}, "on must be a sync function, got an async function"),
        ({"give_up_on": give}, "give_up_on must be a sync function, got a task"),
        ({"delay": give}, "delay must be a sync function, got a task"),
        ({"delay": "1"}, "delay must be"),
        ({"max_elapsed": -1}, "max_elapsed must be"),
        ({"max_elapsed": "1"}, "max_elapsed must be"),
    ],
)
@pytest.mark.parametrize("give_policy", [lambda **kw: give(1).with_retry(**kw), give.with_retry], ids=["call", "task"])
def test_what_cannot_be_a_policy_is_refused_at_once(
    policy: dict[str, object], message: str, give_policy: Callable[..., object]
) -> None:
    with pytest.raises(cs.PolicyError) as caught:
        give_policy(**policy)
    assert message in str(caught.value)


def test_policies_are_shown() -> None:
    policy = give(1).with_retry(delay=later_by, on=is_good, give_up_on=OSError, max_elapsed=60).policies["retry"]
    assert describe("retry", policy) == "3 attempts, delay by later_by, within 60 s, on is_good, not on OSError"


def later_by(attempt: int, error: Exception) -> float:
    return 1


def is_good(error: Exception) -> bool:
    return True
