"""Garbage may be collected wherever the table of templates makes something, and its finalizers may use the table."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Iterator

import pytest

import cascade as cs
from support.tasks import take


class Garbage:
    """Something that only the collector frees, and that looks shapes up when it does."""

    def __init__(self, templates: cs.Templates, shapes: Iterator[int], left: int = 12) -> None:
        self.itself = self
        self.left = left
        self.templates = templates
        self.shapes = shapes

    def __del__(self) -> None:
        if self.left:
            Garbage(self.templates, self.shapes, self.left - 1)
        self.templates.lookup(shape(next(self.shapes)))


def shape(number: int) -> cs.LazyResult:
    """One of very many shapes, each of which comes again."""
    return take(*range(number % 13), **{f"name{number // 13 % 17}": 1})


@pytest.mark.parametrize("bounds", [{"max_entries": 5}, {"max_bytes": 5000}, {}], ids=["entries", "bytes", "wide"])
def test_the_table_is_whole_whatever_is_collected_in_it(bounds: dict[str, int]) -> None:
    templates = cs.Templates(**bounds)
    shapes = itertools.count()
    threshold = gc.get_threshold()
    try:
        for number in range(40):
            Garbage(templates, shapes)
            gc.set_threshold(1, 1, 1)
            found = templates.lookup(shape(3 * number))
            gc.set_threshold(*threshold)
            kept = list(templates)
            assert len(kept) == len(templates) == templates.entries
            assert len({template.structure_key for template in kept}) == len(kept)
            assert templates.size == sum(template.size for template in kept)
            assert found.structure_key == templates.lookup(shape(3 * number)).structure_key
    finally:
        gc.set_threshold(*threshold)


def test_a_destructor_may_steer_the_run_that_lets_go_of_its_argument() -> None:
    """What a frame held is let go of while the next expression is bound to it."""
    seen: list[int] = []

    class Last:
        def __init__(self, number: int) -> None:
            self.number = number

        def __del__(self) -> None:
            seen.append(self.number)
            cs.structural_hash(take(self.number, [take()]))
            gc.collect()
            if self.number == 3:
                run.cancel()

    @cs.task(mode="inline")
    def loop(last: Last, *more: object) -> cs.LazyResult:
        following = Last(last.number - 1)
        return loop(following, *more, take(last.number)) if last.number % 2 else again(following)

    @cs.task(mode="inline")
    def again(last: Last) -> cs.LazyResult:
        return loop(Last(last.number - 1), take(1)) if last.number else again(last)

    async def main() -> None:
        nonlocal run
        async with cs.Engine() as engine:
            run = engine.start(loop(Last(20)))
            with pytest.raises(BaseException):  # noqa: B017 - a cancellation
                await run

    run: cs.Run
    asyncio.run(main())
    assert {*range(4, 21)} <= {*seen}
