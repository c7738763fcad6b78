"""Failures as values, scopes and races."""

from __future__ import annotations

from typing import Any, NoReturn, assert_type

import cascade as cs


class Rejected(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@cs.task
def parse(text: str) -> int:
    return int(text)


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@cs.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@cs.task
def ages() -> dict[str, int]:
    return {"a": 1}


@cs.task
def nothing() -> None: ...


@cs.task
def anything() -> Any: ...


@cs.task
def explain(error: Exception) -> str:
    return str(error)


@cs.task
async def look_up(error: Exception, times: int = 1) -> int:
    return times


@cs.task
def of_value_error(error: ValueError) -> float:
    return len(error.args)


def zero(error: Exception) -> int:
    return 0


def status(error: Rejected) -> int:
    return error.status


def of_two(error: ValueError | OSError) -> str:
    return repr(error)


def of_any(error: Any) -> str:
    return f"{error.status}"


def of_base(error: BaseException) -> None: ...


def again(error: Exception) -> int:
    return parse("1")


def later(error: Exception) -> cs.LazyResult[int]:
    return cs.lazy(parse("1"))


async def plain_async(error: Exception) -> bytes:
    return b""


def fails(error: Exception) -> NoReturn:
    raise RuntimeError from error


def is_busy(error: Exception) -> bool:
    return isinstance(error, Rejected) and error.status in (429, 503)


class Model:
    def handle(self, error: Exception) -> str:
        return ""

    @cs.task
    def as_task(self, error: Exception) -> str:
        return ""

    @cs.task
    def answer(self, question: str) -> int | str:
        return cs.recover(parse(question), self.as_task)


# Recover: the value, or what the handler returns.
assert_type(cs.recover(parse("1"), zero), int)
assert_type(cs.recover(parse("1"), explain), int | str)
assert_type(cs.recover(parse("1"), look_up), int)
assert_type(cs.recover(fetch("u"), plain_async), bytes)
assert_type(cs.recover(parse("1"), plain_async), int | bytes)
assert_type(cs.recover(parse("1"), again), int)
assert_type(cs.recover(parse("1"), later), int)
assert_type(cs.recover(parse("1"), of_any), int | str)
assert_type(cs.recover(parse("1"), of_base), int | None)
assert_type(cs.recover(parse("1"), Model().handle), int | str)
assert_type(cs.recover(parse("1"), Model().as_task), int | str)
assert_type(cs.recover(parse("1"), str), int | str)
assert_type(cs.recover(parse("1"), lambda error: len(error.args)), int)
assert_type(cs.recover(parse("1"), lambda error: explain(error)), int | str)
assert_type(cs.recover(parse("1"), lambda _: None), int | None)
assert_type(cs.recover(parse("1"), lambda _: parse("0")), int)
assert_type(cs.recover([parse("1"), parse("2")], lambda _: [0]), list[int])
assert_type(cs.recover(nothing(), explain), str | None)
assert_type(cs.recover(parse("1"), fails), int)
assert_type(cs.recover(cs.lazy(parse("1")), fails, on=ValueError), int)
text: str = cs.run(cs.recover(fetch("u"), lambda _: b"")).decode()
number: int = cs.recover(parse("1"), zero) + 1

# Some failures only: the handler may expect these.
assert_type(cs.recover(parse("1"), status, on=Rejected), int)
assert_type(cs.recover(parse("1"), of_value_error, on=ValueError), int | float)
assert_type(cs.recover(parse("1"), of_value_error, on=UnicodeError), int | float)
assert_type(cs.recover(parse("1"), of_two, on=(ValueError, OSError)), int | str)
assert_type(cs.recover(parse("1"), of_two, on=[ValueError, OSError]), int | str)
assert_type(cs.recover(parse("1"), of_two, on=ConnectionError), int | str)
assert_type(cs.recover(parse("1"), explain, on=(ValueError, OSError)), int | str)
assert_type(cs.recover(parse("1"), explain, on=is_busy), int | str)
assert_type(cs.recover(parse("1"), status, on=is_busy), int)
caught: int = cs.recover(parse("1"), lambda error: error.status, on=Rejected)
errno: int | None = cs.recover(parse("1"), lambda error: error.errno, on=(OSError, ConnectionError))
assert_type(cs.recover(parse("1"), explain, on=lambda error: error.status == 429), int | str)

# The same as methods, and with lazy results by their own type.
assert_type(cs.run(cs.lazy(parse("1")).recover(zero)), int)
assert_type(cs.run(cs.lazy(parse("1")).recover(explain, on=ValueError)), int | str)
assert_type(cs.run(cs.lazy(parse("1")).recover(status, on=Rejected)), int)
assert_type(cs.run(cs.lazy(parse("1")).recover(later)), int)
assert_type(cs.run(cs.lazy(parse("1")).recover(fails)), int)
assert_type(cs.run(cs.lazy(parse("1")).recover(plain_async)), int | bytes)
as_method: int = cs.run(cs.lazy(parse("1")).recover(lambda error: error.status, on=Rejected))
assert_type(cs.run(cs.lazy(parse("1")).recover(lambda _: None)), int | None)
assert_type(cs.run(cs.lazy(parse("1")).with_retry(3).recover(zero).after(nothing())), int)
assert_type(cs.recover(cs.lazy(parse("1")), explain), int | str)
assert_type(cs.recover(cs.lazy(parse("1")).with_timeout(5), explain), int | str)
assert_type(cs.recover(cs.lazy(parse("1")).with_timeout(5), later), int)
assert_type(cs.recover(cs.scope([parse("1")]).with_timeout(5), lambda _: [0]), list[int])


@cs.task
def careful(text: str) -> int:
    return cs.lazy(parse(text)).recover(zero)


@cs.task
def more_careful(text: str) -> int | None:
    return cs.recover(parse(text), lambda _: None, on=ValueError)


@cs.task
def polls(n: int) -> int:
    return polls(cs.lazy(parse("1")).with_timeout(0.05).with_retry(2).recover(zero)) if n else n


# Fallback.
assert_type(cs.fallback(parse("1"), 0), int)
assert_type(cs.fallback(parse("1"), parse("0")), int)
assert_type(cs.fallback(parse("1"), None), int | None)
assert_type(cs.fallback(parse("1"), "none", on=ValueError), int | str)
assert_type(cs.fallback(parse("1"), fetch("u"), on=(ValueError, OSError)), int | bytes)
assert_type(cs.fallback(parse("1"), 0, on=is_busy), int)
assert_type(cs.fallback(parse("1"), 0, on=lambda error: error.status == 429), int)
assert_type(cs.fallback(cs.lazy(parse("1")).with_retry(3), cs.lazy(parse("2")).with_retry(3)), int)
assert_type(cs.fallback(cs.lazy(parse("1")), fetch("u")), int | bytes)
assert_type(cs.fallback(fetch("u"), cs.lazy(parse("1"))), bytes | int)
assert_type(cs.fallback([parse("1")], [0]), list[int])
assert_type(cs.run(cs.lazy(parse("1")).fallback(0)), int)
assert_type(cs.run(cs.lazy(parse("1")).fallback(cs.lazy(parse("2")))), int)
assert_type(cs.run(cs.lazy(parse("1")).fallback(cs.lazy(fetch("u")).after(parse("2")), on=OSError)), int | bytes)
assert_type(cs.run(cs.lazy(parse("1")).fallback(None)), int | None)
assert_type(cs.run(cs.fallback(parse.map(text=["1"]), [])), list[int])
assert_type(cs.run(cs.fallback(cs.scope(ages()).with_timeout(5), {})), dict[str, int])
assert_type(cs.run(cs.lazy(parse.map(text=["1"])).fallback([])), list[int])
assert_type(cs.run(cs.lazy(ages()).recover(lambda _: {})), dict[str, int])
assert_type(cs.fallback(parse.map(text=["1"]), ["a"]), list[int] | list[str])
assert_type(total(cs.fallback(parse.map(text=["1"]), [])), int)
assert_type(total(cs.recover(parse.map(text=["1"]), lambda _: [])), int)
assert_type(total([cs.fallback(parse(each), 0) for each in ("1", "x")]), int)
assert_type(total([cs.lazy(parse(each)).fallback(0) for each in ("1", "x")]), int)

# Outcomes.
assert_type(cs.outcome(parse("1")), cs.Outcome[int])
assert_type(cs.outcome(cs.lazy(parse("1")).run_if(True)), cs.Outcome[int])
assert_type(cs.outcome([parse("1")]), cs.Outcome[list[int]])
assert_type(cs.run(cs.outcome(parse("1"))), cs.Outcome[int])
assert_type(cs.run(cs.outcome(parse("1"))).unwrap(), int)
assert_type(cs.run(cs.lazy(parse("1")).outcome()), cs.Outcome[int])
assert_type(cs.run([cs.outcome(parse("1")), cs.outcome(parse("2"))])[0].value, int)
assert_type(
    cs.run(cs.gather(cs.outcome(parse("1")), cs.outcome(fetch("u")))), tuple[cs.Outcome[int], cs.Outcome[bytes]]
)
done = cs.run(cs.outcome(parse("1")))
assert_type(done.ok, bool)
assert_type(done.skipped, bool)
assert_type(done.error, Exception | None)
assert_type(done.value + 1, int)


@cs.task
def report(outcome: cs.Outcome[int]) -> str:
    if outcome.error is not None:
        return f"{outcome.error}"
    return "skipped" if outcome.skipped else str(outcome.unwrap() + 1)


@cs.task
def kept(outcome: cs.Outcome) -> object:
    return outcome.value


assert_type(report(cs.outcome(parse("1"))), str)
assert_type(report(cs.Outcome(5)), str)
wide: cs.Outcome[object] = cs.outcome(parse("1"))
made: cs.Outcome[int] = cs.Outcome(error=ValueError())

# Exceptions among the values.
assert_type(cs.gather(parse("1"), return_exceptions=True), tuple[int | Exception])
assert_type(cs.gather(parse("1"), fetch("u"), return_exceptions=True), tuple[int | Exception, bytes | Exception])
assert_type(
    cs.gather(parse("1"), fetch("u"), nothing(), return_exceptions=True),
    tuple[int | Exception, bytes | Exception, Exception | None],
)
assert_type(
    cs.run(cs.gather(parse("1"), fetch("u"), explain(ValueError()), parse("2"), return_exceptions=True)),
    tuple[int | Exception, bytes | Exception, str | Exception, int | Exception],
)
assert_type(
    cs.gather(cs.lazy(parse("1")).with_timeout(5), fetch("u"), return_exceptions=True),
    tuple[int | Exception, bytes | Exception],
)
assert_type(
    cs.gather(cs.lazy(parse("1")), cs.lazy(fetch("u")).after(parse("1")), parse("2"), return_exceptions=True),
    tuple[int | Exception, bytes | Exception, int | Exception],
)
assert_type(cs.gather(*[parse(each) for each in "123"], return_exceptions=True), tuple[int | Exception, ...])
assert_type(cs.gather(*(parse(each) for each in "123"), return_exceptions=True), tuple[int | Exception, ...])
assert_type(cs.gather(parse("1"), fetch("u"), return_exceptions=False), tuple[int, bytes])
assert_type(parse.map(text=["1", "x"], return_exceptions=True), list[int | Exception])
assert_type(parse.map(text=["1", "x"], return_exceptions=False), list[int])
assert_type(parse.with_retry(3).map(text=["1"], concurrency=2, return_exceptions=True), list[int | Exception])
first, second = cs.run(cs.gather(parse("1"), fetch("u"), return_exceptions=True))
if not isinstance(first, Exception) and not isinstance(second, Exception):
    assert_type(first, int)
    assert_type(second, bytes)
good: list[int] = [each for each in cs.run(parse.map(text=["1"], return_exceptions=True)) if isinstance(each, int)]


def unsure(flag: bool) -> tuple[int | Exception, ...]:
    return cs.gather(parse("1"), parse("2"), return_exceptions=flag)


# Scopes have all policies, and give what their expression gives.
assert_type(cs.scope(parse("1")), cs.LazyResult[int])
assert_type(cs.scope(cs.lazy(parse("1")).after(nothing())), cs.LazyResult[int])
assert_type(cs.run(cs.scope(parse("1"))), int)
assert_type(cs.run(cs.scope(parse("1")).with_timeout(60).with_retry(3).with_constraints(gpu=1)), int)
assert_type(cs.run(cs.scope([parse("1"), parse("2")]).with_retry(3, on=OSError)), list[int])
assert_type(cs.run(cs.scope(cs.gather(parse("1"), fetch("u"))).with_timeout(5)), tuple[int, bytes])
assert_type(cs.run(cs.scope(parse("1")).with_timeout(5, total=60).fallback(0)), int)
assert_type(cs.run(cs.scope(parse("1")).with_cache(cs.ResultCache(ttl=60))), int)
assert_type(cs.run(cs.scope({"a": parse("1")}).with_timeout(5)), dict[str, int])
limited: int = cs.scope(parse("1")).with_timeout(60).with_retry(3).with_constraints(gpu=1)


@cs.task
def unit(text: str) -> list[int]:
    return cs.scope([parse(text), parse(text)]).with_retry(3)


# Policies of what is no call.
channel: cs.Channel[str] = cs.Channel()
assert_type(cs.run(cs.lazy(cs.gather(parse("1"), fetch("u"))).with_retry(3).with_timeout(5)), tuple[int, bytes])
assert_type(cs.run(cs.lazy(channel.recv()).with_timeout(5)).message, str)
assert_type(cs.run(cs.lazy(parse.map(text=["1"])).with_timeout(5)), list[int])
assert_type(cs.run(cs.lazy(cs.Router("a", {"a": parse("1")})).with_retry(3)), int)
assert_type(cs.run(cs.lazy(cs.wait(5)).with_constraints(server=1)), float)

# Races.
assert_type(cs.race(parse("1"), parse("2")), int)
assert_type(cs.race(parse("1")), int)
assert_type(cs.race(parse("1"), fetch("u")), int | bytes)
assert_type(cs.race(parse("1"), fetch("u"), cs.wait(3)), int | bytes | float)
assert_type(cs.race(*[fetch(mirror) for mirror in ("a", "b")]), bytes)
assert_type(cs.race(cs.lazy(parse("1")).with_timeout(5), fetch("u")), int | bytes)
assert_type(cs.race(fetch("u"), cs.lazy(parse("1"))), bytes | int)
assert_type(cs.race(cs.lazy(parse("1")).after(nothing()), cs.lazy(parse("2")).after(nothing())), int)
assert_type(cs.run(cs.race(parse("1"), parse("2"))) + 1, int)
assert_type(cs.run(cs.lazy(cs.race(channel.recv(), cs.wait(60))).with_timeout(10)), cs.Received[str] | float)
assert_type(cs.run(cs.lazy(cs.race(fetch("a"), fetch("b"))).with_timeout(10).fallback("none")), bytes | str)
winner: int | None = cs.run(cs.race(parse("1"), nothing()))
of_any_type: int = cs.run(cs.fallback(anything(), 0))
