"""The template table: counters, bounds, and templates that never change once published."""

from __future__ import annotations

import asyncio
import gc

import msgspec
import pytest

import cascade as cs
from support.tasks import of_size, take


def run(engine: cs.Engine, *numbers: int) -> None:
    for number in numbers:
        assert cs.run(of_size(number), engine=engine) == (tuple(range(number)), {})


def counts(engine: cs.Engine) -> tuple[int, int, int, int]:
    stats = engine.templates.stats
    assert stats.builds == stats.solves
    return (stats.hits, stats.misses, stats.builds, stats.evictions)


# -- counters --------------------------------------------------------------------------------------------------


def test_counters(cold: cs.Engine) -> None:
    assert counts(cold) == (0, 0, 0, 0)
    run(cold, 1)
    assert counts(cold) == (0, 1, 1, 0)
    run(cold, 1, 1, 2)
    assert counts(cold) == (2, 2, 2, 0)
    assert cold.templates.stats.loaded == 0
    assert len(cold.templates) == 2


def test_child_frames_and_tail_calls_count(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def loop(n: int) -> object:
        return loop(n - 1) if n else "end"

    @cs.task(mode="inline")
    def middle(n: int) -> object:
        return take(middle(n - 1)) if n else "end"

    cs.run(loop(10), engine=cold)
    assert counts(cold) == (10, 1, 1, 0)
    cs.run(middle(10), engine=cold)
    assert counts(cold) == (10 + 9, 1 + 2, 3, 0)


def test_failed_runs_count_as_others_do(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def fail() -> None:
        raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError):
            cs.run(fail(), engine=cold)
    assert counts(cold) == (2, 1, 1, 0)


def test_stats_are_a_frozen_struct_of_numbers(cold: cs.Engine) -> None:
    stats = cold.templates.stats
    assert isinstance(stats, msgspec.Struct)
    assert set(stats.__struct_fields__) == {"hits", "misses", "builds", "solves", "evictions", "loaded"}
    assert all(type(getattr(stats, name)) is int for name in stats.__struct_fields__)
    with pytest.raises(AttributeError):
        stats.hits = 1
    run(cold, 1)
    assert stats.misses == 0  # what was read stays as it was


def test_tables_can_be_shared_or_not() -> None:
    templates = cs.Templates()
    first, second, other = (
        cs.Engine(templates=templates),
        cs.Engine(templates=templates),
        cs.Engine(templates=cs.Templates()),
    )
    run(first, 1)
    run(second, 1)
    run(other, 1)
    assert counts(first) == counts(second) == (1, 1, 1, 0)
    assert counts(other) == (0, 1, 1, 0)
    assert first.templates is templates


async def test_runs_at_the_same_time_build_once(cold: cs.Engine) -> None:
    await asyncio.gather(*(cold.run(take(take(cs.wait(0)), number)) for number in range(100)))
    assert counts(cold) == (99, 1, 1, 0)


# -- bounds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max_entries", "max_bytes"])
def test_bounds_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be an int >= 1, got 0$"):
        cs.Templates(**{name: 0})


def test_entries_are_bounded() -> None:
    engine = cs.Engine(templates=cs.Templates(max_entries=16))
    for _ in range(3):
        run(engine, *range(100))
        assert len(engine.templates) <= 16
    hits, misses, builds, evictions = counts(engine)
    assert builds == misses == 300
    assert hits == 0
    assert evictions == builds - len(engine.templates)


def test_what_was_used_longest_ago_goes_first() -> None:
    engine = cs.Engine(templates=cs.Templates(max_entries=16))
    run(engine, *range(8))
    for other in range(100, 200):
        run(engine, 3, other)
    hits, _, builds, _ = counts(engine)
    assert hits == 100  # the one in use never went
    assert builds == 8 + 100
    run(engine, 199)
    assert counts(engine)[2] == builds
    run(engine, 100)
    assert counts(engine)[2] == builds + 1


def test_a_table_that_just_fits_evicts_nothing() -> None:
    engine = cs.Engine(templates=cs.Templates(max_entries=16))
    for _ in range(3):
        run(engine, *range(16))
    assert counts(engine) == (32, 16, 16, 0)


@pytest.mark.parametrize("entries", [1, 2, 3])
def test_tiny_tables_work(entries: int) -> None:
    engine = cs.Engine(templates=cs.Templates(max_entries=entries))
    for _ in range(3):
        run(engine, *range(10), 9, 9)
        assert len(engine.templates) <= entries
    assert counts(engine)[0] >= 6


def test_bytes_are_bounded() -> None:
    engine = cs.Engine(templates=cs.Templates(max_bytes=100_000))
    for number in range(300):
        cs.run(take(*[take(other) for other in range(number)]), engine=engine)
    stats = engine.templates.stats
    assert stats.builds == 300
    assert stats.evictions > 100
    assert len(engine.templates) < 200


def test_one_template_larger_than_the_table() -> None:
    engine = cs.Engine(templates=cs.Templates(max_bytes=1000))
    for _ in range(2):
        found = cs.run(take(*[take(number) for number in range(1000)]), engine=engine)
        assert found == (tuple(((number,), {}) for number in range(1000)), {})


async def test_an_evicted_template_lives_while_a_run_uses_it() -> None:
    engine = cs.Engine(templates=cs.Templates(max_entries=1))
    channel = cs.Channel()

    @cs.task(mode="inline")
    def agent(received: cs.Received, n: int) -> object:
        return agent(channel.recv(), n - 1) if n else received.message

    runs = [engine.start(agent(channel.recv(), 3)) for _ in range(10)]
    for number in range(40):
        assert await engine.run(take(*range(number))) == (tuple(range(number)), {})
        if number % 10 == 0:
            gc.collect()
        channel.send(number)
    assert len(await asyncio.gather(*runs)) == 10
    assert engine.templates.stats.evictions >= 40


@pytest.mark.parametrize("bounds", [{"max_entries": 0}, {"max_bytes": 0}, {"max_entries": -1}, {"size": 1}])
def test_bounds_are_checked(bounds: dict[str, int]) -> None:
    with pytest.raises((TypeError, ValueError)):
        cs.Templates(**bounds)


def test_many_shapes_and_names_do_not_grow_a_bounded_table_for_ever() -> None:
    """Names made up on the way are forgotten with their templates."""
    engine = cs.Engine(templates=cs.Templates(max_entries=8))
    for number in range(2000):
        task = cs.task(lambda **kwargs: kwargs, name=f"task {number}", mode="inline")
        assert cs.run(task(**{f"name {number}": number}), engine=engine) == {f"name {number}": number}
    assert len(engine.templates) <= 8


# -- what reads them -------------------------------------------------------------------------------------------


def test_a_solver_of_ones_own_is_asked() -> None:
    from cascade.graph.solver import NativeSolver

    asked = []

    class Solver:
        def resolve(self, graph: object) -> object:
            asked.append(graph)
            return NativeSolver().resolve(graph)

    engine = cs.Engine(solver=Solver())
    run(engine, 1, 1, 2)
    assert len(asked) == 2
