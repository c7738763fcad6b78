"""Fireflies by hand: the agents of the demo as asyncio tasks with queues, and as bare coroutines on a heap.

The arithmetic is that of `cascade.demos.fireflies.additive`, operation by operation, so each flash on the heap has the
same instant as under Cascade's virtual clock, to the last bit. `task` and `coroutine` repeat the same lines on purpose:
a shared function would be one more call for each event, and the baseline slower than such code is usually written.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Generator, Iterator
from heapq import heappop, heappush
from typing import Any


class Insect:
    """The state of one firefly."""

    __slots__ = ("blind_until", "due", "flashed", "inbox", "listening", "neighbours", "send", "timer")

    def __init__(self, due: float) -> None:
        self.due = due
        self.flashed = -float("inf")
        self.blind_until = -float("inf")
        self.inbox: Any = None
        self.neighbours: tuple[Callable[[float], object], ...] = ()
        self.listening = False
        """Whether a message resumes the coroutine. On the heap only."""
        self.timer = 0
        """The number of the current timer; an older timer in the heap is void. On the heap only."""
        self.send: Callable[[float | None], int]
        """Resumes the coroutine with a message, or with None for its timer. On the heap only."""


class Crowd:
    """All fireflies, with the first phases of `cascade.demos.fireflies.Additive` at the same seed."""

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
        """Connect each firefly to those that see it; `reach` makes the function that sends to a firefly."""
        reaches = [reach(insect) for insect in self.fireflies]
        for index, insect in enumerate(self.fireflies):
            insect.neighbours = tuple(reaches[other] for other in self.seen(index))

    def flash(self, insect: Insect, instant: float) -> None:
        insect.flashed = instant
        self.flashes += 1
        for send in insect.neighbours:
            send(instant)

    def begin(self) -> Iterator[tuple[Insect, float, float]]:
        """Each firefly with its phase, and the instant of that phase."""
        for insect in self.fireflies:
            at = self.now()
            yield insect, (1.0 - (insect.due - at) / self.period) % 1.0, at


# ------------------------------------------------------------------------------------------------------- asyncio


def queues(crowd: Crowd) -> None:
    """Make a queue for each firefly."""
    for insect in crowd.fireflies:
        insect.inbox = asyncio.Queue()
    crowd.meet(lambda insect: insect.inbox.put_nowait)


async def task(crowd: Crowd, me: Insect, phase: float, at: float) -> None:
    """A firefly as an asyncio task, as such code is usually written."""
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
    """Virtual time, and bare coroutines (as generators) that wait on it.

    A coroutine yields its deadline in nanoseconds, and is sent the message that arrived, or None at the deadline. A
    void timer stays in the heap until its time: with `heapq` that is the cheapest way.
    """

    def __init__(self) -> None:
        self.instant = 0
        self.now = 0.0
        """The instant in seconds."""
        self.order = 0
        self.timers: list[tuple[int, int, Insect]] = []
        self.ready: deque[tuple[Insect, float | None]] = deque()

    def deadline(self, left: float) -> int:
        return self.instant + int(left * 1e9 + 0.5) if left > 0.0 else self.instant

    def settle(self) -> None:
        """Resume all ready coroutines until every coroutine waits."""
        ready, timers = self.ready, self.timers
        while ready:
            insect, message = ready.popleft()
            deadline = insect.send(message)
            self.order += 1
            insect.timer = self.order
            heappush(timers, (deadline, self.order, insect))

    def run(self, until: float) -> None:
        """Advance time to an instant, in seconds."""
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
        """Start the coroutines of a crowd."""
        for insect, phase, at in crowd.begin():
            insect.send = coroutine(self, crowd, insect, phase, at).send
            self.ready.append((insect, None))
        self.settle()

    def reach(self, insect: Insect) -> Callable[[float], object]:
        """Make the function that sends a message to a firefly."""
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
