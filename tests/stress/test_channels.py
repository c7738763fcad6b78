"""Messages of several threads to receivers that time out and are cancelled all the while: none lost, none twice."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

import cascade as cs

SENDERS, MESSAGES, AGENTS, PLAIN = 3, 1000, 5, 2


@pytest.fixture(autouse=True)
def hurried() -> Iterator[None]:
    """Let threads change as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


class Crowd:
    """Receivers of one channel, of both kinds, any of which can be replaced by a new one."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.channel = cs.Channel()
        self.engine = cs.Engine(quantum=self.random.choice([0, 0.001]))
        self.got: list[object] = []
        self.waiting: list[cs.Run | asyncio.Task[None]] = []

    def timeout(self) -> float:
        return self.random.choice([0, 0.00001, 0.0001, 0.001])

    def agent(self) -> cs.Run:
        @cs.task(mode="inline")
        def listen(received: cs.Received) -> cs.LazyResult:
            if not received.timed_out:
                self.got.append(received.message)
            return listen(self.channel.recv(timeout=self.timeout()))

        return self.engine.start(listen(self.channel.recv(timeout=self.timeout())))

    async def plain(self) -> None:
        while True:
            received = await self.channel.receive(timeout=self.timeout())
            if not received.timed_out:
                self.got.append(received.message)

    def new(self, place: int) -> cs.Run | asyncio.Task[None]:
        return self.agent() if place < AGENTS else asyncio.ensure_future(self.plain())

    async def replace_until_silent(self, senders: list[threading.Thread]) -> None:
        self.waiting = [self.new(place) for place in range(AGENTS + PLAIN)]
        while any(sender.is_alive() for sender in senders):
            place = self.random.randrange(AGENTS + PLAIN)
            self.waiting[place].cancel()
            await asyncio.gather(self.waiting[place], return_exceptions=True)
            self.waiting[place] = self.new(place)
            await asyncio.sleep(0)
        for one in self.waiting:
            one.cancel()
        await asyncio.gather(*self.waiting, return_exceptions=True)


@pytest.mark.parametrize("seed", range(4))
async def test_none_lost_and_none_twice(seed: int) -> None:
    crowd = Crowd(seed)

    def send(sender: int) -> None:
        for number in range(MESSAGES):
            crowd.channel.send((sender, number))
            time.sleep(0)  # lets the others go on

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    for sender in senders:
        sender.start()
    await crowd.replace_until_silent(senders)
    await crowd.engine.aclose()
    counts = Counter(crowd.got + crowd.channel.drain())
    assert set(counts.values()) == {1}
    assert len(counts) == SENDERS * MESSAGES
