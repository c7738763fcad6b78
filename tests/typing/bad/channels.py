"""Wrong uses of channels."""

from __future__ import annotations

import asyncio

import cascade as cs
from cascade.testing import FakeChannel


@cs.task
def length(received: cs.Received[str]) -> int:
    return len(received.message)


@cs.task
def wrong(received: cs.Received[str]) -> int:
    return received.message  # error


@cs.task
def produce(out: cs.Channel[int], n: int) -> None:
    out.send(str(n))  # error


inbox: cs.Channel[str] = cs.Channel()
numbers: cs.Channel[int] = cs.Channel(capacity=3)

inbox.send(3)  # error
numbers.send("a")  # error
numbers.send()  # error
inbox.unreceive(3)  # error
texts: list[int] = inbox.drain()  # error
inbox.recv("1")  # error
inbox.recv(time=1)  # error
inbox.recv().mesage  # error
inbox.recv().message + 1  # error
length(numbers.recv())  # error
length("a")  # error
length(inbox)  # error
length(inbox.recv().message)  # error
produce(inbox, 3)  # error
message: int = cs.run(inbox.recv()).message  # error
received: cs.Received[int] = inbox.recv()  # error
selected: cs.Received[int] = cs.select([inbox])  # error
length(cs.select([numbers]))  # error
cs.select(inbox)  # error
cs.select([inbox], 5)  # error
cs.select([inbox], timeout="5")  # error
cs.select([3])  # error

cs.wait("1")  # error
cs.wait()  # error
cs.wait(seconds=None)  # error
waited: str = cs.wait(1)  # error
cs.wait(1).after(cs.wait(2))  # error

cs.Channel(capacity="3")  # error
cs.Channel(overflow="drop")  # error
cs.Channel[int]().send("a")  # error
other: cs.Channel[int] = inbox  # error


FakeChannel[int]("a")  # error
FakeChannel(1).send("a")  # error
length(FakeChannel(1).recv())  # error


class Inbox(cs.Channel[bytes]):
    """A channel with a type of its own."""


Inbox().send("a")  # error


async def main() -> None:
    (await inbox.receive()).message + 1  # error
    await numbers.put("a")  # error
    await inbox.receive("1")  # error
    async with cs.Engine() as engine:
        print((await engine.run(inbox.recv())).message + 1)  # error


asyncio.run(main())
