"""What a cold process and a warm one do with the same programs; the second in another order. Runs as a program."""

from __future__ import annotations

import asyncio
import copyreg
import json
import pickle
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

import cascade as cs
from cascade.demos.fireflies import Additive, torus8
from language.descriptions import Node
from language.oracle import evaluate
from language.programs import KINDS, Rules, programs
from support.observation import assert_exact, assert_possible, equipped, observe
from support.values import Hostile, HostileKey

Program = Callable[[cs.Engine, bool], Awaitable[None]]


@cs.task(mode="inline")
def noop(value: object) -> object:
    return value


@cs.task(mode="inline")
def heavy_complex_countdown(n: int) -> object:
    """A chain of 11 tasks feeds the step, built anew in each iteration."""
    if n <= 0:
        return "end"
    value: object = n - 1
    for _ in range(11):
        value = noop(value)
    return heavy_complex_countdown(value)


def descriptions(count: int, strategy: SearchStrategy[Node]) -> list[Node]:
    """Random expressions."""
    found: list[Node] = []

    @settings(
        max_examples=count,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(node: Node) -> None:
        found.append(node)

    take()
    return found


# What hypothesis draws depends on the Python and on the modules that are loaded. So the cold process draws, and hands
# what it has drawn on to the warm one.
copyreg.pickle(Hostile, lambda value: (Hostile, (value.number,)))  # type: ignore[arg-type]
copyreg.pickle(HostileKey, lambda value: (HostileKey, (value.number,)))  # type: ignore[arg-type]
STRATEGIES: dict[str, SearchStrategy[Node]] = {
    "random_expressions": programs(Rules(failing=True, plain=True)),
    "the_whole_language": programs(Rules(failing=True), size=10),
    # Without failures: what is still met before one is a matter of chance.
    "the_whole_language_at_once": programs(Rules(KINDS, exact=False), size=10),
}
NODES: dict[str, list[Node]] = {}


def draw(path: Path, names: Sequence[str]) -> None:
    """Draw the random expressions of these programs, and write them to a file."""
    NODES.update({name: descriptions(120, STRATEGIES[name]) for name in names if name in STRATEGIES})
    path.write_bytes(pickle.dumps(NODES))


def evaluated(name: str) -> Program:
    """A program that compares random expressions with the oracle."""
    exact = name != "the_whole_language_at_once"

    async def run(engine: cs.Engine, backwards: bool) -> None:
        for node in reversed(NODES[name]) if backwards else NODES[name]:
            seen = await observe(engine, node)
            if exact:
                assert_exact(seen, evaluate(node))
            else:
                assert_possible(seen, evaluate(node, everything=True))

    return run


async def countdown(engine: cs.Engine, backwards: bool) -> None:
    for n in reversed(range(4)) if backwards else range(4):
        assert await engine.run(heavy_complex_countdown(n)) == "end"


async def fireflies(engine: cs.Engine, backwards: bool) -> None:
    """On a loop of virtual time, and so in a thread of its own; with the templates of the engine."""
    await asyncio.to_thread(_fireflies, cs.Engine(clock=cs.Clock.virtual(), templates=engine.templates), backwards)


def _fireflies(engine: cs.Engine, backwards: bool) -> None:
    async def main() -> None:
        now = engine.clock.time
        swarm = Additive(torus8(4), period=1, refractory=0.2, nudge=0.1, jitter=0.0, seed=5, now=now)
        targets = swarm.targets()
        async with engine:
            runs = [engine.start(target) for target in (reversed([*targets]) if backwards else targets)]
            while swarm.flashes < 200:
                await asyncio.sleep(1)
                assert not any(run.done() for run in runs)

    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        runner.run(main())


PROGRAMS: dict[str, Program] = {
    **{name: evaluated(name) for name in STRATEGIES},
    "countdown": countdown,
    "fireflies": fireflies,
}


def main(path: str, how: str, *names: str) -> None:
    """Run programs cold and save, or warm; print the counters."""

    drawn = Path(f"{path}.drawn")
    if how == "cold":
        draw(drawn, names)
    else:
        NODES.update(pickle.loads(drawn.read_bytes()))

    async def run() -> None:
        engine = equipped()
        if how == "warm":
            engine.templates.load(path, strict=True)
        for name in reversed(names) if how == "warm" else names:
            await PROGRAMS[name](engine, how == "warm")
        stats = engine.templates.stats
        if how == "cold":
            engine.templates.save(path)
        await engine.aclose()
        print(json.dumps({name: getattr(stats, name) for name in stats.__struct_fields__}))

    asyncio.run(run())


if __name__ == "__main__":
    main(*sys.argv[1:])
