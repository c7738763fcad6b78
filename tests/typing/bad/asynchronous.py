"""Wrong uses of async tasks."""

from __future__ import annotations

import asyncio

import cascade as cs


@cs.task
async def fetch(url: str, *, seconds: float = 1.0) -> bytes:
    await asyncio.sleep(seconds)
    return url.encode()


@cs.task
async def size(page: bytes) -> int:
    return len(page)


@cs.task
async def wrong(url: str) -> str:
    return fetch(url)  # error


@cs.task
async def wrong_again(url: str) -> int:
    return size(url)  # error


fetch(b"u")  # error
fetch()  # error
fetch("u", 1.0)  # error
fetch("u", second=1.0)  # error
fetch("u", seconds="1")  # error
size(fetch)  # error
size(size(b""))  # error
page: str = cs.run(fetch("u"))  # error
cs.run(fetch("u")).encode()  # error
pages: list[str] = cs.run([fetch("u")])  # error


async def main() -> None:
    async with cs.Engine() as engine:
        text: str = await engine.run(fetch("u"))  # error
        length: str = await engine.run(size(fetch("u")))  # error
        (await engine.run(fetch("u"))).encode()  # error
        await engine.run(fetch(3))  # error
        await engine.run()  # error
        await engine.run(fetch("u"), parameters={})  # error
        not_awaited: bytes = engine.run(fetch("u"))  # error
        print(text, length, not_awaited)


asyncio.run(main())
