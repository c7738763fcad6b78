"""Loops of millions of iterations: constant memory, one template."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import cascade as cs

MEMORY = """
    import json, resource, sys

    def peak_kb():
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size // 1024 if sys.platform == "darwin" else size
"""


def test_ten_million_tail_calls_in_flat_memory(interpreter: Callable[..., str]) -> None:
    code = (
        MEMORY
        + """
    import cascade as cs

    TOTAL = 10_000_000
    marks = {TOTAL - done: done for done in (1_000, 1_000_000, TOTAL)}
    peaks = {}

    @cs.task(mode="inline")
    def countdown(n):
        if n in marks:
            peaks[marks[n]] = peak_kb()
        return countdown(n - 1) if n else "end"

    engine = cs.Engine(templates=cs.Templates())
    value = cs.run(countdown(TOTAL), engine=engine)
    print(json.dumps({"value": value, "peaks": list(peaks.values()), "builds": engine.templates.stats.builds}))
    """
    )
    found = json.loads(interpreter(code, timeout=240))
    assert found["value"] == "end"
    assert found["builds"] == 1
    first, middle, last = found["peaks"]
    assert middle - first < 2048
    assert last - first < 2048


@pytest.mark.parametrize("kind", ["closures", "async", "chain", "thread", "wait", "recv", "middle"])
def test_loops_of_every_kind_in_flat_memory(interpreter: Callable[..., str], kind: str) -> None:
    code = (
        MEMORY
        + """
    import cascade as cs

    kind = KIND
    channel = cs.Channel()

    def inline(n):
        return step(n - 1) if n else "end"

    def closures(n):
        data = list(range(100))

        @cs.task(mode="inline")
        def nested(other):
            return step(n - 1) if n and data else "end"

        @cs.task(mode="inline")
        def inner():
            return data

        return nested(inner())

    def chain(n):
        node = n - 1
        for _ in range(5):
            node = same(node)
        return step(node) if n else "end"

    def wait(n):
        return after(cs.wait(0), n) if n else "end"

    def recv(n):
        channel.send(n)
        return after(channel.recv(timeout=1), n) if n else "end"

    def middle(n):
        return after(less(n), n) if n else "end"

    async def later(n):
        return step(n - 1) if n else "end"

    @cs.task(mode="inline")
    def same(value):
        return value

    @cs.task(mode="inline")
    def less(n):
        return same(same(n))

    @cs.task(mode="inline")
    def after(waited, n):
        return step(n - 1)

    body = {"closures": closures, "chain": chain, "thread": inline, "wait": wait, "recv": recv, "async": later,
            "middle": middle}[kind]
    step = cs.task(body) if kind == "async" else cs.task(body, mode="thread" if kind == "thread" else "inline")
    count = 20_000 if kind in ("thread", "wait", "async") else 100_000
    engine = cs.Engine(templates=cs.Templates())
    peaks = []
    for total in (count // 10, count):
        assert cs.run(step(total), engine=engine) == "end"
        peaks.append(peak_kb())
    print(json.dumps({"grown": peaks[1] - peaks[0], "builds": engine.templates.stats.builds}))
    """
    ).replace("KIND", repr(kind))
    found = json.loads(interpreter(code))
    assert found["grown"] < 1024
    assert found["builds"] <= 3


def test_a_million_iterations_build_once(cold: cs.Engine) -> None:
    def agent(n: int, phase: object) -> cs.LazyResult:
        @cs.task(mode="inline")
        def step(given: object) -> object:
            return agent(n - 1, given) if n else given

        return step(phase)

    assert cs.run(agent(1_000_000, "phase"), engine=cold) == "phase"
    stats = cold.templates.stats
    assert (stats.builds, stats.solves, stats.misses) == (1, 1, 1)
    assert stats.hits == 1_000_000


def test_iterations_are_counted(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def countdown(n: int) -> object:
        return countdown(n - 1) if n else "end"

    async def main() -> int:
        run = cold.start(countdown(12_345))
        await run
        return run.iterations

    import asyncio

    assert asyncio.run(main()) == 12_345
