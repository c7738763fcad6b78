"""Agents of a swarm taken step by step under a clock made of a heap: what they decide, without any waiting."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

import cascade as cs
from cascade.demos.fireflies import Swarm

_S = TypeVar("_S", bound=Swarm[Any])

MOST = 100_000
"""Steps that no test takes: then they flash at one instant for ever."""


class Stepper(Generic[_S]):
    """Calls the tasks that the agents return, and does their waiting for them.

    Timers come up to `lateness` seconds late, as in a loop that has other things to do; how late is drawn from `seed`.
    """

    def __init__(self, make: Callable[[Callable[[], float]], _S], *, lateness: float = 0.0, seed: int = 1) -> None:
        self.now = 0.0
        self.swarm = make(lambda: self.now)
        self.lateness = lateness
        self.random = random.Random(seed)
        self.timers: list[tuple[float, int, int]] = []
        self.parked: dict[int, tuple[cs.LazyResult, cs.LazyResult, int]] = {}
        self.ready: deque[int] = deque()
        self.serial = 0

    def start(self) -> Stepper[_S]:
        for firefly, target in zip(self.swarm.fireflies, self.swarm.targets(), strict=True):
            self.go_on(firefly.index, target)
        return self

    def until(self, end: float) -> Stepper[_S]:
        while self.timers and self.timers[0][0] <= end:
            deadline, serial, index = heapq.heappop(self.timers)
            if self.parked[index][2] != serial:
                continue  # a signal came first
            self.now = max(self.now, deadline) + self.random.random() * self.lateness
            self.wake(index, None)
            self.deliver()
        self.now = max(self.now, end)
        return self

    def signal(self, index: int, *instants: float) -> None:
        for instant in instants:
            self.swarm.fireflies[index].channel.send(instant)
        self.ready.append(index)
        self.deliver()

    def deliver(self) -> None:
        while self.ready:
            index = self.ready.popleft()
            if self.hears(index):
                first, *others = self.swarm.fireflies[index].channel.drain()
                for message in others:
                    self.swarm.fireflies[index].channel.send(message)
                self.wake(index, first)

    def wake(self, index: int, message: object) -> None:
        then, waits, _ = self.parked[index]
        value = (
            0.0
            if waits.task.name == "wait"
            else SimpleNamespace(message=message, timed_out=message is None, elapsed=0.0)
        )
        self.go_on(index, then.task.fn(*then.args[:-1], value))
        self.ready.extend(self.swarm.topology.neighbours(index))

    def go_on(self, index: int, step: cs.LazyResult) -> None:
        while not isinstance(step.args[-1], cs.LazyResult):  # the agent itself, not what waits for something
            step = step.task.fn(*step.args)
        waits = step.args[-1]
        (seconds,) = (value for value in (*waits.args, *waits.kwargs.values()) if isinstance(value, float))
        assert seconds >= 0.0
        self.serial += 1
        assert self.serial < MOST
        self.parked[index] = (step, waits, self.serial)
        heapq.heappush(self.timers, (self.now + seconds, self.serial, index))
        if self.hears(index):
            self.ready.append(index)

    def hears(self, index: int) -> bool:
        return self.parked[index][1].task.name != "wait" and len(self.swarm.fireflies[index].channel) > 0

    def phases(self) -> list[float]:
        return [self.swarm.phase(firefly, self.now) for firefly in self.swarm.fireflies]
