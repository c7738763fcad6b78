"""What an engine made of a description, and whether that is what the oracle says."""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter
from dataclasses import dataclass, field

import cascade as cs
from language.descriptions import LIMITS, RESOURCES, Node, params_of
from language.oracle import Journal, Outcome
from language.oracle_build import JOURNAL, build
from support.values import canonical, failure, leaves


@dataclass
class Observation:
    """One run as it was seen from outside."""

    value: object = None
    error: BaseException | None = None
    journal: Journal = field(default_factory=Journal)

    @property
    def calls(self) -> list[object]:
        """The calls that were made, in order."""
        return self.journal.calls


def equip(engine: cs.Engine) -> cs.Engine:
    """Give an engine what descriptions ask for. Its limits are given when it is made: `descriptions.LIMITS`."""
    for name, value in RESOURCES.items():
        engine.register(value, name)
    return engine


def equipped(**options: object) -> cs.Engine:
    """Make an engine that has met no expression yet and has what descriptions ask for."""
    return equip(cs.Engine(templates=cs.Templates(), limits=LIMITS, **options))


def start(engine: cs.Engine, node: Node) -> tuple[cs.Run, Observation]:
    """Start a run whose tasks record into an observation of its own, found through its own context."""
    seen = Observation()

    def begin() -> cs.Run:
        JOURNAL.set(seen.journal)
        return engine.start(build(node, seen.journal), params=params_of(node))

    return contextvars.copy_context().run(begin), seen


async def finish(run: cs.Run, seen: Observation) -> Observation:
    """Wait for the run, keeping what it gives or raises."""
    try:
        seen.value = await run
    except Exception as error:
        seen.error = error
    return seen


async def observe(engine: cs.Engine, node: Node) -> Observation:
    """Run one description."""
    return await finish(*start(engine, node))


async def observe_all(engine: cs.Engine, nodes: list[Node]) -> list[Observation]:
    """Run all of them at the same time."""
    started = [start(engine, node) for node in nodes]
    return [await finish(run, seen) for run, seen in started]


async def settle(turns: int = 5) -> None:
    """Let everything that is still on the loop have its turn."""
    for _ in range(turns):
        await asyncio.sleep(0)


def assert_exact(seen: Observation, expected: Outcome) -> None:
    """Everything inline: the same value or error after the same calls in the same order."""
    assert seen.calls == expected.calls
    if expected.errors:
        assert seen.error is not None
        assert failure(seen.error) == failure(expected.errors[0])
    else:
        assert seen.error is None
        assert canonical(seen.value) == canonical(expected.value)


def assert_possible(seen: Observation, possible: Outcome) -> None:
    """Tasks at the same time: the same value after the same calls; or errors that could be, and no call else."""
    allowed = Counter(possible.calls)
    made = Counter(seen.calls)
    if not possible.errors:
        assert seen.error is None
        assert made == allowed
        assert canonical(seen.value) == canonical(possible.value)
        return
    assert seen.error is not None
    assert not made - allowed
    could = {failure(error) for error in possible.errors}
    assert {failure(leaf) for leaf in leaves(seen.error)} <= could
