"""What a cold process and a warm one do with the same programs; the second in another order. Runs as a program."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings
from observation import assert_exact, observe
from oracle import Node, evaluate
from strategies import expressions

import cascade as cs
from cascade.fireflies.grid import Grid
from cascade.fireflies.population import Population


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


def descriptions(count: int) -> list[Node]:
    """Random expressions, the same in every process."""
    found: list[Node] = []

    @settings(
        max_examples=count, database=None, derandomize=True, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(expressions(failing=True))
    def draw(node: Node) -> None:
        found.append(node)

    draw()
    return found


# Drawn before anything is loaded: hypothesis draws from the constants of whatever modules there are.
NODES = descriptions(150)


async def random_expressions(engine: cs.Engine, backwards: bool) -> None:
    for node in reversed(NODES) if backwards else NODES:
        assert_exact(await observe(engine, node), evaluate(node))


async def countdown(engine: cs.Engine, backwards: bool) -> None:
    for n in reversed(range(4)) if backwards else range(4):
        assert await engine.run(heavy_complex_countdown(n)) == "end"


async def fireflies(engine: cs.Engine, backwards: bool) -> None:
    loop = asyncio.get_running_loop()
    population = Population(
        Grid(4), period=0.02, refractory=0.004, nudge=0.1, jitter=0.0, seed=5, now=loop.time
    )
    targets = population.targets()
    runs = [engine.start(target) for target in (reversed([*targets]) if backwards else targets)]
    while population.flashes < 200:
        await asyncio.sleep(0.005)
        for run in runs:
            assert not run.done()
    for run in runs:
        run.cancel()
    await asyncio.gather(*runs, return_exceptions=True)


PROGRAMS: dict[str, Callable[[cs.Engine, bool], object]] = {
    "random_expressions": random_expressions,
    "countdown": countdown,
    "fireflies": fireflies,
}


def main(path: str, how: str, *names: str) -> None:
    """Run programs cold and save, or warm; print the counters."""

    async def run() -> None:
        engine = cs.Engine(templates=cs.Templates())
        if how == "warm":
            engine.templates.load(path, strict=True)
        for name in reversed(names) if how == "warm" else names:
            await PROGRAMS[name](engine, how == "warm")  # type: ignore[misc]
        stats = engine.templates.stats
        if how == "cold":
            engine.templates.save(path)
        await engine.aclose()
        print(json.dumps({name: getattr(stats, name) for name in stats.__struct_fields__}))

    asyncio.run(run())


if __name__ == "__main__":
    main(*sys.argv[1:])
