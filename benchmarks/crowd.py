"""Fireflies by hand: the demo's agents as asyncio tasks with queues, and as bare coroutines on a heap.

The arithmetic is that of `cascade.demos.fireflies.additive`, operation by operation, so that on the heap every flash
comes at the same instant as under Cascade's virtual clock, to the last bit. What the two have in common is written out
in each: a call for it would make them slower than people write them.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Generator, Iterator
from heapq import heappop, heappush
from typing import Any


class Insect:
    """What is known of one firefly."""

    __slots__ = ("blind_until", "due", "flashed", "inbox", "listening", "neighbours", "send", "timer")

    def __init__(self, due: float) -> None:
        self.due = due
        self.flashed = -float("inf")
        self.blind_until = -float("inf")
        self.inbox: Any = None
        self.neighbours: tuple[Callable[[float], object], ...] = ()
        self.listening = False
        """Whether a message wakes it. On the heap only."""
        self.timer = 0
        """The number of its timer; another one in the heap is void. On the heap only."""
        self.send: Callable[[float | None], int]
        """Resumes it with what woke it. On the heap only."""


class Crowd:
    """All of them, with the first phases of `cascade.demos.fireflies.Additive` at the same seed."""

    def __init__(
        self,
        seen: Callable[[int], tuple[int, ...]],
        size: int,
        *,
        period: float,
        refractory: float,
        nudge: float,
        seed: int,
        now: Callable[[], float],
    ) -> None:
        self.period = period
        self.blind = refractory / period
        self.awake = period - refractory
        self.nudge = nudge
        self.now = now
        self.seen = seen
        self.events = 0
        self.flashes = 0
        begin = now()
        draw = random.Random(seed).random
        self.fireflies = tuple(Insect(begin + (1.0 - draw()) * period) for _ in range(size))

    def meet(self, reach: Callable[[Insect], Callable[[float], object]]) -> None:
        """Tell each who sees it, by the function that `reach` gives for each."""
        reaches = [reach(insect) for insect in self.fireflies]
        for index, insect in enumerate(self.fireflies):
            insect.neighbours = tuple(reaches[other] for other in self.seen(index))

    def flash(self, insect: Insect, instant: float) -> None:
        insect.flashed = instant
        self.flashes += 1
        for send in insect.neighbours:
            send(instant)

    def begin(self) -> Iterator[tuple[Insect, float, float]]:
        """Each with its phase, and the instant at which it has it."""
        for insect in self.fireflies:
            at = self.now()
            yield insect, (1.0 - (insect.due - at) / self.period) % 1.0, at


# ------------------------------------------------------------------------------------------------------- asyncio


def queues(crowd: Crowd) -> None:
    """Give each a queue."""
    for insect in crowd.fireflies:
        insect.inbox = asyncio.Queue()
    crowd.meet(lambda insect: insect.inbox.put_nowait)


async def task(crowd: Crowd, me: Insect, phase: float, at: float) -> None:
    """A firefly as an asyncio task, as people write it."""
    queue: asyncio.Queue[float] = me.inbox
    while True:
        due = me.due = at + (1.0 - phase) * crowd.period
        if phase < crowd.blind:
            me.blind_until = due - crowd.awake
            await asyncio.sleep(max(0.0, me.blind_until - crowd.now()))
            crowd.events += 1
            while not queue.empty():
                queue.get_nowait()
            phase, at = crowd.blind, me.blind_until
            continue
        message: float | None
        if not queue.empty():
            message = queue.get_nowait()
        else:
            try:
                message = await asyncio.wait_for(queue.get(), max(0.0, due - crowd.now()))
            except TimeoutError:
                message = None
        crowd.events += 1
        if message is None or message >= due:
            at, phase = due, 1.0
        elif message > me.blind_until:
            at = message
            phase = 1.0 - (due - at) / crowd.period + crowd.nudge
        if phase >= 1.0:
            crowd.flash(me, at)
            me.blind_until = at
            phase = 0.0


# ---------------------------------------------------------------------------------------------------- on a heap


class Heap:
    """Time that jumps, and bare coroutines (in their oldest form, generators) that wait on it.

    A coroutine yields the instant up to which it waits, in nanoseconds, and is sent the message that came, or None.
    A timer that is not needed any more stays in the heap until it comes up: with `heapq` that is the cheapest way.
    """

    def __init__(self) -> None:
        self.instant = 0
        self.now = 0.0
        """The same in seconds."""
        self.order = 0
        self.timers: list[tuple[int, int, Insect]] = []
        self.ready: deque[tuple[Insect, float | None]] = deque()

    def deadline(self, left: float) -> int:
        return self.instant + int(left * 1e9 + 0.5) if left > 0.0 else self.instant

    def settle(self) -> None:
        """Have them all go on until everybody waits."""
        ready, timers = self.ready, self.timers
        while ready:
            insect, message = ready.popleft()
            deadline = insect.send(message)
            self.order += 1
            insect.timer = self.order
            heappush(timers, (deadline, self.order, insect))

    def run(self, until: float) -> None:
        """Let time pass up to an instant, in seconds."""
        timers, ready, end = self.timers, self.ready, int(until * 1e9 + 0.5)
        while timers and timers[0][0] < end:
            instant = timers[0][0]
            self.instant, self.now = instant, instant / 1e9
            while timers and timers[0][0] <= instant:
                _, order, insect = heappop(timers)
                if order == insect.timer:
                    insect.timer = 0
                    insect.listening = False
                    ready.append((insect, None))
            self.settle()
        self.instant, self.now = end, end / 1e9

    def start(self, crowd: Crowd) -> None:
        """Begin all the coroutines of a crowd."""
        for insect, phase, at in crowd.begin():
            insect.send = coroutine(self, crowd, insect, phase, at).send
            self.ready.append((insect, None))
        self.settle()

    def reach(self, insect: Insect) -> Callable[[float], object]:
        """How to send a message to one."""
        inbox = insect.inbox = []
        wake = self.ready.append

        def send(instant: float) -> None:
            if insect.listening:
                insect.listening = False
                insect.timer = 0
                wake((insect, instant))
            else:
                inbox.append(instant)

        return send


def coroutine(heap: Heap, crowd: Crowd, me: Insect, phase: float, at: float) -> Generator[int, float | None, None]:
    """A firefly as a bare coroutine."""
    inbox: list[float] = me.inbox
    while True:
        due = me.due = at + (1.0 - phase) * crowd.period
        if phase < crowd.blind:
            me.blind_until = due - crowd.awake
            yield heap.deadline(me.blind_until - heap.now)
            crowd.events += 1
            inbox.clear()
            phase, at = crowd.blind, me.blind_until
            continue
        if inbox:
            message: float | None = inbox.pop(0)
        else:
            me.listening = True
            message = yield heap.deadline(due - heap.now)
        crowd.events += 1
        if message is None or message >= due:
            at, phase = due, 1.0
        elif message > me.blind_until:
            at = message
            phase = 1.0 - (due - at) / crowd.period + crowd.nudge
        if phase >= 1.0:
            crowd.flash(me, at)
            me.blind_until = at
            phase = 0.0
