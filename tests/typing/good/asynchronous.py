"""The value of an async task is what it returns, not a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, assert_type

import cascade as cs


@cs.task
async def fetch(url: str, *, seconds: float = 1.0) -> bytes:
    await asyncio.sleep(seconds)
    return url.encode()


@cs.task(name="twice", mode="auto")
async def fetch_twice(url: str) -> bytes:
    return fetch(url)


@cs.task
async def size(page: bytes) -> int:
    return len(page)


@cs.task
async def poll(job: str, n: int = 0) -> int | None:
    return poll(job, n + 1) if n < 3 else None


@cs.task
async def ping() -> None: ...


@cs.task
def both(url: str) -> tuple[bytes, int]:
    return cs.gather(fetch(url), size(fetch(url)))


async def plain(url: str) -> bytes:
    return url.encode()


def returns_coroutine(url: str) -> Coroutine[Any, Any, bytes]:
    return plain(url)


assert_type(fetch("u"), bytes)
assert_type(fetch("u", seconds=2), bytes)
assert_type(fetch_twice("u"), bytes)
assert_type(size(fetch("u")), int)
assert_type(poll("job"), int | None)
assert_type(ping(), None)
assert_type(cs.run(fetch("u")), bytes)
assert_type(cs.run(both("u")), tuple[bytes, int])
assert_type(cs.run([fetch(url) for url in ("a", "b")]), list[bytes])
assert_type(cs.task(plain)("u"), bytes)
assert_type(fetch.map(url=["a", "b"]), list[bytes])


class Caller:
    async def __call__(self, url: str) -> bytes:
        return url.encode()


assert_type(cs.task(Caller())("u"), bytes)


async def main() -> None:
    async with cs.Engine() as engine:
        assert_type(await engine.run(fetch("u")), bytes)
        assert_type(await engine.run(size(fetch("u"))), int)
        assert_type(await engine.run([fetch("u")]), list[bytes])
        assert_type(len(await engine.run(fetch("u"))), int)
        assert_type(await engine.run(cs.gather(size(b""), fetch("u"))), tuple[int, bytes])
        assert_type(await asyncio.wait_for(engine.run(fetch("u")), 1), bytes)
        first, second = await asyncio.gather(engine.run(fetch("u")), engine.run(size(b"")))
        assert_type(first, bytes)
        assert_type(second, int)


asyncio.run(main())
