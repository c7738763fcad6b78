"""Wrong policies."""

from __future__ import annotations

import cascade as cs


@cs.task
async def fetch(url: str, *, tries: int = 1) -> bytes:
    return url.encode()


@cs.task
def train(model: str) -> float:
    return float(len(model))


@cs.cached(ttl=60)
def square(n: int) -> int:
    return n * n


@cs.task
def size() -> int:
    return 3


def one(attempt: int) -> float:
    return attempt


def swapped(error: Exception, attempt: int) -> float:
    return attempt


fetch.with_retry(max_atempts=3)  # error
fetch.with_retry("3")  # error
fetch.with_retry(3, retry_delay=1)  # error
fetch.with_retry(delay="1")  # error
fetch.with_retry(backoff=None)  # error
fetch.with_retry(jitter="some")  # error
fetch.with_retry(jitter=True)  # error
fetch.with_retry(on="OSError")  # error
fetch.with_retry(on=3)  # error
fetch.with_retry(on=(OSError, "x"))  # error
fetch.with_retry(give_up_on=[3])  # error
fetch.with_retry(on=lambda: True)  # error
fetch.with_retry(on=lambda error, attempt: True)  # error
fetch.with_retry(on=size)  # error
fetch.with_retry(give_up_on=lambda: True)  # error
fetch.with_retry(delay=lambda attempt: 1)  # error
fetch.with_retry(delay=lambda attempt, error: "1")  # error
fetch.with_retry(delay=one)  # error
fetch.with_retry(delay=swapped)  # error
fetch.with_retry(delay=None)  # error
fetch.with_retry(max_elapsed="20")  # error
fetch.with_retry(max_elapse=20)  # error
cs.lazy(square(3)).with_retry(delay=swapped)  # error
cs.lazy(square(3)).with_retry(on=size)  # error
cs.scope(square(3)).with_retry(max_elapsed="20")  # error
fetch.with_timeout("5")  # error
fetch.with_timeout(secs=5)  # error
fetch.with_timeout(5, 60, 3)  # error
fetch.with_timeout(5, total="60")  # error
fetch.with_cache()  # error
fetch.with_cache("memory")  # error
fetch.with_cache(60)  # error
fetch.with_constraints(1)  # error
fetch.with_constraints(gpu="1")  # error
fetch.with_constraints(gpu=1, priority="high")  # error
cs.Engine().limits.rate("tokens", 90_000)  # error
cs.Engine().limits.spend(tokens="1")  # error
cs.current().settle(tokens="1")  # error
fetch.with_constraint(gpu=1)  # error
fetch.with_retries(3)  # error

fetch.with_retry(3)(3)  # error
fetch.with_retry(3)()  # error
fetch.with_timeout(5)("u", 3)  # error
fetch.with_timeout(5)("u", try_=3)  # error
page: str = fetch.with_timeout(5)("u")  # error
pages: list[str] = fetch.with_timeout(5).map(url=["u"])  # error
text: str = cs.run(fetch.with_retry(3)("u"))  # error
other: cs.Task[[int], float] = train.with_retry(3)  # error

# A call of a task is its value: policies are given to the task, or to `cs.lazy(...)` of the call.
fetch("u").with_timeout(5)  # error
train("m").with_retry(3)  # error
square(3).with_cache(None)  # error

square("3")  # error
square(n=3, m=4)  # error
square.with_retry(3)("3")  # error
digits: str = square(3)  # error
cs.cached(3)  # error


@cs.cached(tll=60)  # error
def cube(n: int) -> int:
    return n * n * n


@cs.cached(ttl="60")  # error
def fourth(n: int) -> int:
    return n * n * n * n


cs.lazy(square(3)).with_retry(max_atempts=3)  # error
cs.lazy(square(3)).with_retry(3).with_retry(max_atempts=3)  # error
cs.lazy(square(3)).with_retry(3).with_timout(3)  # error
cs.lazy(square(3)).with_timout(3)  # error
cs.lazy(square(3)).with_timeout("5")  # error
cs.lazy(square(3)).with_cache("memory")  # error
cs.lazy(square(3)).with_constraints(gpu="1")  # error
cs.lazy(square("3"))  # error
cs.lazy()  # error
cs.lazy(square(3), square(4))  # error
lazy: cs.LazyResult[str] = cs.lazy(square(3))  # error
plain: int = cs.lazy(square(3))  # error
wrong: str = cs.run(cs.lazy(square(3)).with_retry(3))  # error
cs.run(cs.lazy(square(3)).with_retry(3)).upper()  # error
print(cs.lazy(square(3)).valu)  # error
