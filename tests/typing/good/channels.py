"""Channels carry messages of one type."""

from __future__ import annotations

import asyncio
from typing import assert_type

import cascade as cs
from cascade.testing import FakeChannel


@cs.task
def listen(received: cs.Received[str], heard: list[str]) -> list[str]:
    if received.timed_out:
        return heard
    return listen(inbox.recv(timeout=0.01), [*heard, received.message.upper()])


@cs.task
def length(received: cs.Received[str]) -> int:
    return len(received.message)


@cs.task
def produce(out: cs.Channel[int], n: int, sent: object = None) -> str:
    return produce(out, n - 1, out.send(n)) if n else "all sent"


@cs.task
def seconds(n: int) -> float:
    return n / 2


@cs.task
def rested(waited: float) -> bool:
    return waited > 1


@cs.task
def pair(one: cs.Received[str], other: cs.Received[int]) -> tuple[str, int]:
    return one.message, other.message


inbox: cs.Channel[str] = cs.Channel()
bare = cs.Channel()
bare.send("anything")
numbers = cs.Channel[int](capacity=3, overflow="block", name="numbers")
anything = cs.Channel[object]()
untyped: cs.Channel = cs.Channel()

inbox.send("a")
numbers.send(3)
anything.send("a")
untyped.send(None)
inbox.unreceive("a")
assert_type(inbox.drain(), list[str])
assert_type(inbox.recv(), cs.Received[str])
assert_type(inbox.recv(timeout=1), cs.Received[str])
assert_type(inbox.recv(seconds(2)), cs.Received[str])
assert_type(inbox.recv().message, str)
assert_type(length(inbox.recv()), int)
assert_type(listen(inbox.recv(timeout=1), []), list[str])
assert_type(pair(inbox.recv(), numbers.recv()), tuple[str, int])
assert_type(produce(numbers, 3), str)
assert_type(cs.run(inbox.recv()).message, str)
assert_type(cs.run(inbox.recv()).elapsed, float)
assert_type(cs.run(cs.gather(inbox.recv(), numbers.recv()))[1].message, int)
assert_type(cs.select([inbox, inbox]), cs.Received[str])
assert_type(cs.select((inbox,), timeout=5).message, str)
assert_type(length(cs.select([inbox])), int)
first: cs.Received[str | int] = cs.select([inbox, numbers])
wide: cs.Received[object] = inbox.recv()

assert_type(cs.wait(1), float)
assert_type(cs.wait(seconds(3)), float)
assert_type(rested(cs.wait(0.5)), bool)
assert_type(cs.run(cs.wait(1)), float)
assert_type(cs.run(cs.lazy(rested(1)).after(cs.wait(1))), bool)


assert_type(FakeChannel("a", "b").recv().message, str)
fake = FakeChannel[int](1, 2)
fake.send(3)
assert_type(fake.sent, list[int])
assert_type(produce(fake, 3), str)


class Inbox(cs.Channel[bytes]):
    """A channel with a type of its own."""


assert_type(Inbox(capacity=1).recv().message, bytes)


async def main() -> None:
    assert_type(await inbox.receive(), cs.Received[str])
    assert_type((await numbers.receive(timeout=1)).message, int)
    await numbers.put(3)
    async with cs.Engine() as engine:
        assert_type((await engine.run(cs.select([inbox]))).message, str)
        match await engine.run(inbox.recv()):
            case cs.Received(message=text):
                assert_type(text, str)


asyncio.run(main())
