"""Async tasks that await lazy results, and code that asks for its call.

A call is its value to a type checker, and a value cannot be awaited: `cs.lazy(...)` of the call can.
"""

from __future__ import annotations

import asyncio
from typing import assert_type

import cascade as cs


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@cs.task
def words(page: bytes) -> list[bytes]:
    return page.split()


@cs.task
def nothing() -> None: ...


@cs.task
async def summary(first: str, second: str) -> str:
    found = await cs.lazy(words(fetch(first)))
    assert_type(found, list[bytes])
    if len(found) < 2:
        return "too short"
    one, two = await asyncio.gather(cs.lazy(fetch(first)), cs.lazy(words(fetch(second))))
    assert_type(one, bytes)
    assert_type(two, list[bytes])
    return one.decode()


@cs.task
async def patient(url: str) -> bytes | None:
    assert_type(await cs.lazy(fetch.with_timeout(5)(url)), bytes)
    assert_type(await cs.lazy(fetch(url)).with_timeout(5).with_retry(3), bytes)
    assert_type(await cs.lazy(fetch(url)).fallback(None), bytes | None)
    assert_type(await cs.lazy(cs.fallback(fetch(url), None)), bytes | None)
    assert_type(await cs.scope([fetch(url), fetch(url)]).with_timeout(5), list[bytes])
    assert_type(await cs.lazy(cs.gather(fetch(url), words(fetch(url)))), tuple[bytes, list[bytes]])
    assert_type(await cs.lazy(fetch.map(url=["a", "b"])), list[bytes])
    assert_type(await cs.lazy(cs.wait(5)), float)
    assert_type(await cs.lazy(cs.outcome(fetch(url))), cs.Outcome[bytes])
    assert_type(await cs.lazy(nothing()), None)
    assert_type(await asyncio.wait_for(cs.lazy(fetch(url)), 5), bytes)
    async with asyncio.timeout(5):
        return await cs.lazy(fetch(url))


@cs.task
async def cares(url: str) -> bytes:
    try:
        return await cs.lazy(fetch(url))
    except ConnectionError:
        return fetch("other")


@cs.task
async def of_another_run(url: str) -> bytes:
    async with cs.Engine() as engine:
        return await engine.run(fetch(url))


class Agent:
    inbox: cs.Channel[str] = cs.Channel()

    @cs.task
    async def answer(self, question: str) -> str:
        received = await cs.lazy(self.inbox.recv(timeout=5))
        assert_type(received.message, str)
        return await cs.lazy(self.answer(received.message))


assert_type(cs.run(summary("a", "b")), str)
assert_type(cs.run(patient("a")), bytes | None)
assert_type(Agent().answer("a"), str)


@cs.task
def work(n: int) -> tuple[str, int, int]:
    call = cs.current()
    assert_type(call, cs.CurrentCall)
    assert_type(call.engine, cs.Engine)
    assert_type(call.run.id, int)
    assert_type(call.engine.random.random(), float)
    call.run.cancel()
    return call.path, call.iteration, call.attempt


def starts_another(n: int) -> cs.Run[bytes]:
    return cs.current().engine.start(fetch("u"))
