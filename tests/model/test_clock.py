"""What comes first under a virtual clock, against a slow, obvious simulation of the rules in docs/guide/clock.md."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.testing import VirtualTime

CHANNELS = 3

TIMEOUTS = st.sampled_from([None, 0, 1, 2, 3])
OPERATIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 3)),
    st.tuples(st.just("send"), st.integers(0, CHANNELS - 1)),
    st.tuples(st.just("recv"), st.lists(st.integers(0, CHANNELS - 1), min_size=1, max_size=1), TIMEOUTS),
    st.tuples(st.just("select"), st.lists(st.integers(0, CHANNELS - 1), min_size=1, max_size=3), TIMEOUTS),
)
SCRIPTS = st.lists(st.lists(OPERATIONS, max_size=6), min_size=1, max_size=6)

Entry = tuple[float, int, int, object]  # time, agent, place in its script, what it was woken with


@dataclass
class Simulation:
    """Agents that follow scripts, by the rules and nothing else."""

    scripts: list[list[tuple[object, ...]]]
    now: int = 0
    trace: list[Entry] = field(default_factory=list)
    outcomes: dict[int, str] = field(default_factory=dict)

    def run(self) -> None:
        self.at = [0] * len(self.scripts)
        self.ready = deque((agent, None) for agent in range(len(self.scripts)))
        self.timers: list[tuple[int, int, int]] = []  # deadline, order of setting, agent
        self.order = 0
        self.pending: dict[int, tuple[int, int, list[int]]] = {}  # agent -> order of its timer, since, its lines
        self.queues: list[deque[object]] = [deque() for _ in range(CHANNELS)]
        self.lines: list[list[int]] = [[] for _ in range(CHANNELS)]
        while True:
            while self.ready:
                self.step(*self.ready.popleft())
            while self.timers and self.pending.get(self.timers[0][2], (None,))[0] != self.timers[0][1]:
                heapq.heappop(self.timers)  # of one that was woken by something else
            if not self.timers:
                break
            self.now = max(self.now, self.timers[0][0])
            while self.timers and self.timers[0][0] <= self.now:
                _, order, agent = heapq.heappop(self.timers)
                if self.pending.get(agent, (None,))[0] == order:
                    since, lines = self.pending[agent][1:]
                    self.wake(agent, ("timed out", self.now - since) if lines else self.now - since)
        for agent in self.pending:
            self.outcomes[agent] = "deadlock"

    def wake(self, agent: int, result: object) -> None:
        for channel in self.pending.pop(agent)[2]:
            self.lines[channel].remove(agent)
        self.ready.append((agent, result))

    def park(self, agent: int, timeout: int | None, lines: list[int]) -> None:
        self.order += 1
        self.pending[agent] = (self.order, self.now, lines)
        if timeout is not None:
            heapq.heappush(self.timers, (self.now + timeout, self.order, agent))
        for channel in lines:
            self.lines[channel].append(agent)

    def step(self, agent: int, result: object) -> None:
        script = self.scripts[agent]
        while True:
            self.trace.append((self.now, agent, self.at[agent], result))
            while self.at[agent] < len(script) and script[self.at[agent]][0] == "send":
                self.send(script[self.at[agent]][1], (agent, self.at[agent]))
                self.at[agent] += 1
            if self.at[agent] == len(script):
                self.outcomes[agent] = "done"
                return
            operation = script[self.at[agent]]
            self.at[agent] += 1
            if operation[0] == "wait":
                return self.park(agent, operation[1], [])
            _, channels, timeout = operation
            holding = [channel for channel in channels if self.queues[channel]]
            if not holding:
                return self.park(agent, timeout, list(channels))
            result = (self.queues[holding[0]].popleft(), 0, holding[0])

    def send(self, channel: int, message: object) -> None:
        if self.lines[channel]:
            receiver = self.lines[channel][0]
            self.wake(receiver, (message, self.now - self.pending[receiver][1], channel))
        else:
            self.queues[channel].append(message)


def play(scripts: list[list[tuple[object, ...]]], quantum: float) -> tuple[list[Entry], dict[int, str]]:
    """The same by agents."""
    trace: list[Entry] = []
    channels = [cs.Channel() for _ in range(CHANNELS)]
    virtual = VirtualTime(quantum=quantum)

    @cs.task(mode="inline")
    def agent(me: int, at: int, woken: object) -> object:
        if isinstance(woken, cs.Received):
            elapsed = woken.elapsed
            result = ("timed out", elapsed) if woken.timed_out else (
                woken.message, elapsed, channels.index(woken.channel)
            )  # fmt: skip
        else:
            result = woken
        trace.append((virtual.time, me, at, result))
        script = scripts[me]
        while at < len(script) and script[at][0] == "send":
            channels[script[at][1]].send((me, at))
            at += 1
        if at == len(script):
            return "done"
        match script[at]:
            case "wait", seconds:
                return agent(me, at + 1, cs.wait(seconds))
            case "recv", [channel], timeout:
                return agent(me, at + 1, channels[channel].recv(timeout=timeout))
            case _, chosen, timeout:
                return agent(me, at + 1, cs.select([channels[channel] for channel in chosen], timeout=timeout))

    async def main() -> dict[int, str]:
        runs = [virtual.engine.start(agent(me, 0, None)) for me in range(len(scripts))]
        outcomes = {}
        for me, run in enumerate(runs):
            try:
                outcomes[me] = await run
            except cs.DeadlockError:
                outcomes[me] = "deadlock"
        return outcomes

    outcomes = virtual.run(main())
    virtual.close()
    return trace, outcomes


@given(SCRIPTS)
def test_any_agents_follow_the_rules(scripts: list[list[tuple[object, ...]]]) -> None:
    expected = Simulation(scripts)
    expected.run()
    assert play(scripts, 0.001) == (expected.trace, expected.outcomes)


@given(SCRIPTS)
def test_any_agents_give_the_same_trace_again_whatever_the_quantum(scripts: list[list[tuple[object, ...]]]) -> None:
    assert play(scripts, 0.001) == play(scripts, 1e-9)
    assert play(scripts, 0) == play(scripts, 0)


@pytest.mark.parametrize(("nodes", "steps"), [(1, 2), (2, 3), (3, 4), (12, 13)])
def test_a_run_goes_on_for_4096_calls_and_tail_calls(nodes: int, steps: int) -> None:
    """Two endless loops take turns, and plain code goes in between."""
    virtual = VirtualTime()
    course: list[str] = []

    @cs.task(mode="inline")
    def give(*_: object) -> None: ...

    @cs.task(mode="inline")
    def loop(name: str, left: int, *_: object) -> object:
        course.append(name)
        return loop(name, left - 1, *(give() for _ in range(nodes - 1))) if left else None

    async def main() -> None:
        runs = [virtual.engine.start(loop(name, 20_000)) for name in ("first", "second")]
        for _ in range(4):
            await asyncio.sleep(0)
            course.append("plain")
        for run in runs:
            run.cancel()

    virtual.run(main())
    virtual.close()
    turns = [(name, len(list(same))) for name, same in itertools.groupby(course)]
    assert [name for name, _ in turns[:5]] == ["first", "plain", "second", "plain", "first"]
    for name, calls in turns[:5]:
        if name != "plain":
            assert abs(calls - 4096 / steps) < 2
