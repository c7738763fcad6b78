"""Wrong uses of `await` in tasks, and of the call that code is a part of."""

from __future__ import annotations

import asyncio

import cascade as cs


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@cs.task
def words(page: bytes) -> list[bytes]:
    return page.split()


@cs.task
async def wrong(url: str) -> str:
    await fetch(url)  # error
    await words(b"")  # error
    await cs.gather(fetch(url), words(b""))  # error
    await cs.lazy(fetch(3))  # error
    await cs.lazy(fetch(url)).with_timout(5)  # error
    await asyncio.gather(fetch(url), fetch(url))  # error
    await asyncio.wait_for(fetch(url), 5)  # error
    text: str = await cs.lazy(fetch(url))  # error
    page: bytes = await cs.lazy(fetch(url)).fallback(None)  # error
    pages: list[str] = await cs.lazy(fetch.map(url=["a"]))  # error
    one, two = await asyncio.gather(cs.lazy(fetch(url)), cs.lazy(words(b"")))
    one.encode()  # error
    two.decode()  # error
    (await cs.lazy(fetch(url)).with_timeout(5)).encode()  # error
    print(text, page, pages)
    return await cs.lazy(fetch(url))  # error


@cs.task
def not_async(url: str) -> bytes:
    return await cs.lazy(fetch(url))  # error


@cs.task
def work(n: int) -> str:
    cs.current(n)  # error
    cs.current().iterations  # error
    cs.current().run.ids  # error
    cs.current().engine.start(fetch(n))  # error
    number: int = cs.current().path  # error
    print(number)
    return cs.current().iteration  # error
