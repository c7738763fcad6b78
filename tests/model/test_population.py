"""Any population under any policy does what a few lines of plain Python say."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field

import msgspec
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs

ENDS = ["done", "failed", "skipped", "parked", "interrupted"]
POLICIES = ["leave", "stop", cs.Restart(limit=0), cs.Restart(limit=1), cs.Restart(limit=3)]


class Interrupt(BaseException):
    """No `Exception`."""


class Script(list[str]):
    """How a member ends, attempt after attempt; the last one for ever."""


@dataclass
class Model:
    """What becomes of members, who have their turns one after the other; who is started again stands at the end."""

    scripts: list[Script]
    policy: object
    state: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    restarts: int = 0

    def __post_init__(self) -> None:
        limit = self.policy.limit if isinstance(self.policy, cs.Restart) else 0
        self.state = ["parked"] * len(self.scripts)
        times = [0] * len(self.scripts)
        queue = deque(range(len(self.scripts)))
        while queue:
            member = queue.popleft()
            script = self.scripts[member]
            end = script[min(times[member], len(script) - 1)]
            if end == "parked":
                continue
            if end == "failed" and times[member] < limit:
                times[member] += 1
                self.restarts += 1
                queue.append(member)
                continue
            self.state[member] = "failed" if end == "interrupted" else end
            self.ends.append(member)
            if self.state[member] == "failed":
                self.failed.append(member)
                if self.policy == "stop":
                    break
        if self.policy == "stop" and self.failed:
            self.state = ["cancelled" if state == "parked" else state for state in self.state]

    def counts(self, **instead: str) -> dict[str, int]:
        """How many are in which state; those in some in another one instead."""
        found = Counter(instead.get(state, state) for state in self.state)
        return {**found, **({"restarts": self.restarts} if self.restarts else {})}


def target(script: Script) -> cs.LazyResult:
    calls: list[None] = []

    @cs.task(mode="inline")
    def attempt() -> object:
        end = script[min(len(calls), len(script) - 1)]
        calls.append(None)
        if end == "failed":
            raise ValueError(f"attempt {len(calls)}")
        if end == "interrupted":
            raise Interrupt
        if end == "skipped":
            return attempt().run_if(None)
        return cs.wait(3600) if end == "parked" else len(calls)

    return attempt()


def nonzero(counts: cs.PopulationCounts) -> dict[str, int]:
    return {state: number for state, number in msgspec.structs.asdict(counts).items() if number}


async def check(model: Model, policy: object) -> None:
    async with cs.Engine(quantum=60) as engine:
        population = engine.start_many([target(script) for script in model.scripts], on_failure=policy)  # type: ignore[arg-type]
        completion = engine.as_completed(population)
        while population.counts().ready:
            await asyncio.sleep(0)
        assert nonzero(population.counts()) == model.counts()
        population.cancel()
        outcome = (await asyncio.gather(population, return_exceptions=True))[0]
        ends = [run async for run in completion]
    runs = population.runs
    assert nonzero(population.counts()) == model.counts(parked="cancelled")
    assert [run.state for run in runs] == [{"parked": "cancelled"}.get(state, state) for state in model.state]
    assert ends[: len(model.ends)] == [runs[member] for member in model.ends]
    assert len(ends) == len(set(ends)) == len(runs)
    assert population.failed == tuple(runs[member] for member in model.failed)
    if policy == "stop" and model.failed:
        assert outcome is runs[model.failed[0]]._failure()
    else:
        assert outcome == population.counts()


SCRIPTS = st.lists(st.sampled_from(ENDS), min_size=1, max_size=5).map(Script)


@given(st.lists(SCRIPTS, max_size=8), st.sampled_from(POLICIES))
def test_populations(scripts: list[Script], policy: object) -> None:
    asyncio.run(check(Model(scripts, policy), policy))
