"""Policies are given to tasks, keyword by keyword, and leave their signature as it is."""

from __future__ import annotations

from typing import Any, assert_type

import cascade as cs


@cs.task
async def fetch(url: str, *, tries: int = 1) -> bytes:
    return url.encode()


@cs.task
def train(model: str) -> float:
    return float(len(model))


@cs.task
def size() -> int:
    return 3


assert_type(fetch.with_timeout(5)("u"), bytes)
assert_type(fetch.with_timeout(5, total=60)("u", tries=2), bytes)
assert_type(fetch.with_timeout(total=60)("u"), bytes)
assert_type(fetch.with_retry()("u"), bytes)
assert_type(fetch.with_retry(3)("u"), bytes)
careful = fetch.with_retry(
    max_attempts=8,
    delay=0.5,
    backoff=1.5,
    max_delay=30,
    jitter="full",
    on=(ConnectionError, TimeoutError),
    give_up_on=PermissionError,
)
assert_type(careful("u", tries=3), bytes)
assert_type(fetch.with_retry(on=OSError).with_timeout(5).with_retry(on=[OSError])("u"), bytes)
assert_type(train.with_constraints(gpu=1, memory=0.5)("m"), float)
assert_type(train.with_constraints(gpu=size())("m"), float)
assert_type(train.with_constraints(gpu=1, priority=-2.5)("m"), float)
asked: float = cs.lazy(train("m")).with_constraints(tokens=1200, priority=size())

limited_engine = cs.Engine(limits={"gpu": 2, "tokens": "90_000/m"})
limited_engine.limits.rate("tokens", "90_000/m", burst=10_000)
limited_engine.limits.spend(tokens=630)
limited_engine.limits.set("tag:tier=gold", priority=10)
limited_engine.limits.set(train, concurrency=2)
limited_engine.limits.pause(train, ttl=30)
assert_type(limited_engine.limits.resume(train), bool)
assert_type(limited_engine.limits.remove(train), bool)
assert_type(cs.current().settle(tokens=1830), None)
assert_type(train.with_cache(cs.ResultCache(ttl=60))("m"), float)
assert_type(train.with_cache(cs.FileExists("model.txt"))("m"), Any)  # a path
assert_type(train.with_constraints(gpu=1).map(model=["a", "b"]), list[float])
assert_type(cs.run(careful("u")), bytes)


# Functions in place of numbers and types.
class StatusError(Exception):
    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers or {}


def is_busy(error: Exception) -> bool:
    return isinstance(error, StatusError) and error.status in (429, 503)


def of_status(error: StatusError) -> bool:
    return error.status == 429


def retry_after(attempt: int, error: Exception) -> float:
    return float(error.headers.get("Retry-After", 1)) if isinstance(error, StatusError) else 2.0**attempt


def whole(attempt: int, error: StatusError) -> int:
    return attempt


assert_type(fetch.with_retry(on=is_busy)("u"), bytes)
assert_type(fetch.with_retry(on=of_status)("u"), bytes)
assert_type(fetch.with_retry(on=lambda error: error.status >= 500)("u"), bytes)
assert_type(fetch.with_retry(give_up_on=is_busy)("u"), bytes)
assert_type(fetch.with_retry(on=OSError, give_up_on=lambda error: isinstance(error, ConnectionError))("u"), bytes)
assert_type(fetch.with_retry(5, delay=retry_after, max_delay=60, jitter="full", on=is_busy)("u"), bytes)
assert_type(fetch.with_retry(delay=whole)("u"), bytes)
assert_type(fetch.with_retry(delay=lambda attempt, error: float(error.headers.get("Retry-After", 1)))("u"), bytes)
assert_type(fetch.with_retry(delay=lambda attempt, _: 2**attempt)("u"), bytes)
assert_type(fetch.with_retry(100, delay=1, max_elapsed=20)("u"), bytes)
assert_type(fetch.with_retry(max_elapsed=None)("u"), bytes)
assert_type(cs.run(cs.lazy(fetch("u")).with_retry(on=is_busy, delay=retry_after, max_elapsed=20.5)), bytes)
assert_type(cs.run(cs.scope(fetch("u")).with_retry(on=lambda error: error.status == 429, delay=whole)), bytes)

patient: cs.Task[[str], float] = train.with_retry(5)
stubborn = {"train": train, "retrain": train.with_retry(3)}
assert_type(stubborn["train"]("m"), float)


@cs.cached
def square(n: int) -> int:
    return n * n


@cs.cached(ttl=60, version=2)
async def download(url: str, *, strict: bool = True) -> bytes:
    return url.encode()


@cs.cached(store=cs.MemoryStore())
@cs.task(mode="thread")
def parse(text: str) -> list[int]:
    return [int(text)]


@cs.cached
@cs.task
async def load(path: str) -> str:
    return path


assert_type(square(3), int)
assert_type(download("u", strict=False), bytes)
assert_type(parse("3"), list[int])
assert_type(load("p"), str)
assert_type(square.with_retry(3)(square(2)), int)


# Of a result, and not of a task.
def stop(n: int) -> cs.LazyResult[int]:
    return cs.lazy(square(n)).with_retry(3, delay=1, on=OSError).with_timeout(5).with_constraints(gpu=1)


assert_type(cs.lazy(square(3)), cs.LazyResult[int])
assert_type(cs.run(cs.lazy(square(3)).with_retry(3)), int)
assert_type(cs.run(cs.lazy(square(3)).with_retry(3).with_timeout(5).with_cache(cs.ResultCache())), int)
limited: int = cs.lazy(square(3)).with_constraints(gpu=1)
assert_type(square(limited), int)


# Types that caches are taught.
class Connection:
    def __init__(self, host: str) -> None:
        self.host = host

    @cs.cached
    def ask(self, query: str) -> int:
        return len(query)


@cs.register_key(Connection)
def host_of(connection: Connection) -> str:
    return connection.host


cs.register_key(Connection, lambda connection: connection.host)
assert_type(host_of(Connection("h")), str)
assert_type(Connection("h").ask("q"), int)
