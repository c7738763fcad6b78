"""Agents that send one another numbered messages, and keep account of them at both ends.

Each has two others to whom it sends in turn, and each such link numbers its messages from 1. Now and then an agent has
a clerk look at its account, of whom there are few (a limit), and enter it into a book, which takes only so many entries
a second (a rule); the book is a channel that makes its senders wait, read by plain asyncio code.
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
"""An agent goes to a clerk each time that it has sent so many."""
STRIDE = 7
"""How far the second link reaches."""

inline = cs.task(mode="inline")


class Account:
    """All messages of all links, counted at both ends."""

    def __init__(self, links: int) -> None:
        self.sent = array("Q", [0]) * links
        self.received = array("Q", [0]) * links
        """The number that came last, of each link."""
        self.astray = 0
        """Messages that came out of turn: lost ones, doubled ones, and ones that another overtook."""

    def take(self, link: int, number: int) -> None:
        self.astray += number != self.received[link] + 1
        self.received[link] = number

    def lost(self) -> int:
        """Messages sent that have not come; less than 0: more have come than were sent."""
        return sum(self.sent) - sum(self.received)


class Member:
    """What one agent knows."""

    __slots__ = ("entered", "inbox", "index", "made", "next", "peers", "read", "society", "turns")

    def __init__(self, index: int, society: Society) -> None:
        self.index = index
        self.society = society
        self.inbox = cs.Channel()
        self.peers: tuple[cs.Channel, ...] = ()
        self.next = 0.0
        """When it will send."""
        self.turns = 0
        self.made = 0
        """Entries that it set out to make."""
        self.entered = 0
        """Entries of which it knows that they were taken."""
        self.read = 0
        """Its entries that came out of the book."""

    def send(self) -> None:
        """Send the next message of the link whose turn it is."""
        society, place = self.society, self.turns % len(self.peers)
        link = self.index * len(self.peers) + place
        society.account.sent[link] += 1
        self.peers[place].send((link, society.account.sent[link]))
        self.turns += 1
        self.next = society.clock.time() + society.random.uniform(0.5, 1.5) * PERIOD


class Society:
    """All agents, their account and their book."""

    def __init__(self, size: int, clock: cs.Clock) -> None:
        self.clock = clock
        self.random = random.Random(1)
        self.account = Account(2 * size)
        self.book = cs.Channel(capacity=64, overflow="block")
        self.closing = False
        """Whether they should come to an end."""
        self.members = [Member(index, self) for index in range(size)]
        begin = clock.time()
        for member in self.members:
            member.peers = tuple(self.members[(member.index + step) % size].inbox for step in (1, STRIDE))
            member.next = begin + self.random.random() * PERIOD

    def targets(self) -> Iterator[cs.LazyResult]:
        for member in self.members:
            yield live(member)

    async def read(self) -> None:
        """Read the book: plain asyncio code at the other end of a channel."""
        while True:
            received = await self.book.receive()
            self.members[received.message].read += 1

    def settle(self) -> None:
        """Everybody has stopped: take what lies in the channels still."""
        for member in self.members:
            for link, number in member.inbox.drain():
                self.account.take(link, number)
        for index in self.book.drain():
            self.members[index].read += 1

    def misread(self) -> int:
        """Entries that were lost or doubled. Of one that was on its way when its agent was stopped, nobody can tell."""
        return sum(max(0, member.entered - member.read) + max(0, member.read - member.made) for member in self.members)


@inline
def live(me: Member) -> Any:
    """Send when it is time, and receive in between; for ever, or until all are told to come to an end."""

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
