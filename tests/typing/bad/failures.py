"""Wrong uses of failures as values, scopes and races."""

from __future__ import annotations

import asyncio

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
def nothing() -> None: ...


@cs.task
def explain(error: Exception) -> str:
    return str(error)


def zero(error: Exception) -> int:
    return 0


def status(error: Rejected) -> int:
    return error.status


def of_number(error: int) -> int:
    return error


cs.recover(parse("1"))  # error
cs.recover(parse(1), zero)  # error
cs.recover(parse("1"), None)  # error
cs.recover(parse("1"), 0)  # error
cs.recover(parse("1"), "none")  # error
cs.recover(parse("1"), nothing)  # error
cs.recover(parse("1"), total)  # error
cs.recover(parse("1"), of_number)  # error
cs.recover(parse("1"), status)  # error
cs.recover(parse("1"), status, on=ValueError)  # error
cs.recover(parse("1"), lambda: 0)  # error
cs.recover(parse("1"), lambda error, other: 0)  # error
cs.recover(parse("1"), lambda error: error.status)  # error
cs.recover(parse("1"), lambda error: error.statuss, on=Rejected)  # error
cs.recover(parse("1"), lambda error: error.status, on=ValueError)  # error
cs.recover(parse("1"), zero, ValueError)  # error
cs.recover(parse("1"), zero, on="ValueError")  # error
cs.recover(parse("1"), zero, on=429)  # error
cs.recover(parse("1"), zero, on=(ValueError, "x"))  # error
cs.recover(parse("1"), zero, on=asyncio.CancelledError)  # error
cs.recover(parse("1"), zero, catch=ValueError)  # error
number: int = cs.recover(parse("1"), explain)  # error
text: str = cs.recover(parse("1"), explain)  # error
found: int = cs.run(cs.recover(fetch("u"), zero))  # error
cs.run(cs.recover(parse("1"), zero)).upper()  # error
total([cs.recover(parse("1"), explain)])  # error
parse(cs.recover(parse("1"), zero))  # error

parse("1").recover(zero)  # error
cs.lazy(parse("1")).recover()  # error
cs.lazy(parse("1")).recover(None)  # error
cs.lazy(parse("1")).recover(nothing)  # error
cs.lazy(parse("1")).recover(of_number)  # error
cs.lazy(parse("1")).recover(status)  # error
cs.lazy(parse("1")).recover(zero, on="ValueError")  # error
cs.lazy(parse("1")).recovers(zero)  # error
cs.lazy(parse("1")).with_retry(3).recovers(zero)  # error
recovered: str = cs.run(cs.lazy(parse("1")).recover(zero))  # error


@cs.task
def careless(text: str) -> int:
    return cs.recover(parse(text), explain)  # error


cs.fallback(parse("1"))  # error
cs.fallback(parse(1), 0)  # error
cs.fallback(parse("1"), 0, ValueError)  # error
cs.fallback(parse("1"), 0, on="ValueError")  # error
cs.fallback(parse("1"), 0, on=asyncio.CancelledError)  # error
cs.fallback(parse("1"), 0, default=1)  # error
instead: int = cs.fallback(parse("1"), None)  # error
other: str = cs.run(cs.fallback(parse("1"), fetch("u")))  # error
parse("1").fallback(0)  # error
cs.lazy(parse("1")).fallback()  # error
cs.lazy(parse("1")).fallback(0, on=3)  # error
total([cs.fallback(parse("1"), "none")])  # error
lazily: int = cs.run(cs.lazy(parse("1")).fallback("none"))  # error

cs.outcome()  # error
cs.outcome(parse("1"), parse("2"))  # error
cs.outcome(parse(1))  # error
value: int = cs.outcome(parse("1"))  # error
outcome: cs.Outcome[str] = cs.outcome(parse("1"))  # error
cs.run(cs.outcome(parse("1"))).unwrap().upper()  # error
cs.run(cs.outcome(parse("1"))).unwrp()  # error
cs.run(cs.outcome(parse("1"))).value.upper()  # error
cs.run(cs.outcome(parse("1"))) + 1  # error
cs.run(cs.outcome(parse("1"))).error.args  # error
cs.run(cs.lazy(parse("1")).outcome()).unwrap().upper()  # error
total([cs.outcome(parse("1"))])  # error
cs.Outcome(error="none")  # error
made: cs.Outcome[int] = cs.Outcome("none")  # error
cs.run(cs.outcome(parse("1"))).ok = False  # error

cs.gather(parse("1"), return_exception=True)  # error
cs.gather(parse("1"), return_exceptions="yes")  # error
both: tuple[int, bytes] = cs.gather(parse("1"), fetch("u"), return_exceptions=True)  # error
first: int = cs.run(cs.gather(parse("1"), fetch("u"), return_exceptions=True))[0]  # error
one, two, three = cs.run(cs.gather(parse("1"), fetch("u"), return_exceptions=True))  # error
cs.run(cs.gather(parse("1"), fetch("u"), return_exceptions=True))[1].decode()  # error
numbers: list[int] = parse.map(text=["1"], return_exceptions=True)  # error
cs.run(parse.map(text=["1"], return_exceptions=True))[0] + 1  # error
total(parse.map(text=["1"], return_exceptions=True))  # error

cs.scope()  # error
cs.scope(parse("1"), parse("2"))  # error
cs.scope(parse(1))  # error
cs.scope(parse("1")).with_tiemout(60)  # error
cs.scope(parse("1")).with_timeout(60).with_rtry(3)  # error
cs.scope(parse("1")).with_timeout("60")  # error
cs.scope(parse("1")).with_timeout(60).with_retry(max_atempts=3)  # error
cs.scope(parse("1")).with_constraints(gpu="1")  # error
cs.scope(parse("1"), timeout=60)  # error
scoped: str = cs.run(cs.scope(parse("1")).with_timeout(60))  # error
lazy: cs.LazyResult[str] = cs.scope(parse("1"))  # error
cs.run(cs.scope([parse("1")]).with_retry(3)).upper()  # error
cs.gather(parse("1")).with_retry(3)  # error
parse.map(text=["1"]).with_timeout(5)  # error
cs.Router("a", {"a": parse("1")}).with_retry(3)  # error

cs.race(parse(1), parse("2"))  # error
cs.race(parse("1"), parse("2"), timeout=3)  # error
winner: int = cs.race(parse("1"), fetch("u"))  # error
fastest: str = cs.run(cs.race(parse("1"), parse("2")))  # error
cs.run(cs.race(fetch("a"), fetch("b"))).encode()  # error
total([cs.race(parse("1"), fetch("u"))])  # error
cs.race(fetch("a"), fetch("b")).with_timeout(5)  # error
