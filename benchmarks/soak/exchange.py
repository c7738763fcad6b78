"""Agents that send each other numbered messages, which are counted at both ends.

Each agent sends to two others in turn, and each such link numbers its messages from 1. After some messages an agent
calls an async task, the clerk, under a limit and a rate; then it sends an entry to the book, a channel that blocks its
senders and is read by plain asyncio code.
"""

from __future__ import annotations

import asyncio
import random
from array import array
from collections.abc import Iterator
from typing import Any

import cascade as cs

PERIOD = 2.0
"""Seconds between two messages of an agent, on average."""
AUDIT = 20
"""Messages of an agent between two calls of the clerk."""
STRIDE = 7
"""Distance of the second peer of an agent, in the order of the agents; the first peer is the next agent."""

inline = cs.task(mode="inline")


class Account:
    """The messages of all links, counted at both ends."""

    def __init__(self, links: int) -> None:
        self.sent = array("Q", [0]) * links
        self.received = array("Q", [0]) * links
        """The last number received, of each link."""
        self.out_of_order = 0
        """Messages whose number was not the next: each loss, duplicate or reordering makes at least one."""

    def take(self, link: int, number: int) -> None:
        self.out_of_order += number != self.received[link] + 1
        self.received[link] = number

    def lost(self) -> int:
        """Messages sent and not received; negative if more were received than sent."""
        return sum(self.sent) - sum(self.received)


class Member:
    """The state of one agent."""

    __slots__ = ("entered", "inbox", "index", "made", "next", "peers", "read", "society", "turns")

    def __init__(self, index: int, society: Society) -> None:
        self.index = index
        self.society = society
        self.inbox = cs.Channel()
        self.peers: tuple[cs.Channel, ...] = ()
        self.next = 0.0
        """Instant at which the agent sends its next message."""
        self.turns = 0
        self.made = 0
        """Entries for which the agent called `send`."""
        self.entered = 0
        """Entries whose `send` has completed."""
        self.read = 0
        """Entries of the agent that were read from the book."""

    def send(self) -> None:
        """Send one message; the two links take turns."""
        society, place = self.society, self.turns % len(self.peers)
        link = self.index * len(self.peers) + place
        society.account.sent[link] += 1
        self.peers[place].send((link, society.account.sent[link]))
        self.turns += 1
        self.next = society.clock.time() + society.random.uniform(0.5, 1.5) * PERIOD


class Society:
    """All agents, the account of their messages, and the book."""

    def __init__(self, size: int, clock: cs.Clock) -> None:
        self.clock = clock
        self.random = random.Random(1)
        self.account = Account(2 * size)
        self.book = cs.Channel(capacity=64, overflow="block")
        self.closing = False
        """Whether the agents should end."""
        self.members = [Member(index, self) for index in range(size)]
        begin = clock.time()
        for member in self.members:
            member.peers = tuple(self.members[(member.index + step) % size].inbox for step in (1, STRIDE))
            member.next = begin + self.random.random() * PERIOD

    def targets(self) -> Iterator[cs.LazyResult]:
        for member in self.members:
            yield live(member)

    async def read(self) -> None:
        """Read the book, as plain asyncio code."""
        while True:
            received = await self.book.receive()
            self.members[received.message].read += 1

    def settle(self) -> None:
        """Count the messages that are still in channels, once all agents have ended."""
        for member in self.members:
            for link, number in member.inbox.drain():
                self.account.take(link, number)
        for index in self.book.drain():
            self.members[index].read += 1

    def misread(self) -> int:
        """Entries lost or duplicated. An entry that was being sent when its agent was cancelled counts as neither."""
        return sum(max(0, member.entered - member.read) + max(0, member.read - member.made) for member in self.members)


@inline
def live(me: Member) -> Any:
    """Send when it is time, and receive in between; until the society is closing."""

    @inline
    def act(seen: cs.Received) -> Any:
        society = me.society
        if not seen.timed_out:
            society.account.take(*seen.message)
            return live(me)
        if society.closing:
            return me.turns
        me.send()
        if (me.turns + me.index) % AUDIT:
            return live(me)
        return entered(me, enter(me, audit(me)))

    return act(me.inbox.recv(timeout=max(0.0, me.next - me.society.clock.time())))


@inline
def entered(me: Member, entry: None) -> Any:
    me.entered += 1
    return live(me)


@cs.task
async def clerk(me: Member) -> int:
    await asyncio.sleep(0.002)
    return me.index


audit = clerk.with_constraints(clerks=1)


@inline
def enter(me: Member, index: int) -> Any:
    me.made += 1
    return me.society.book.send(index)


@inline
def visit(number: int) -> int:
    return number
