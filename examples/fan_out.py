"""Fetch many pages at once, count their words, and put the counts together: a graph made by a task.

python examples/fan_out.py
"""

from __future__ import annotations

import asyncio
from collections import Counter

import cascade as cs

SITE = {
    "/": "every firefly waits and every firefly looks",
    "/wait": "a firefly waits in the dark",
    "/look": "a firefly looks and sees a firefly",
}


@cs.task
async def pages() -> list[str]:
    await asyncio.sleep(0.001)
    return sorted(SITE)


@cs.task
async def fetch(page: str) -> str:
    await asyncio.sleep(0.005)  # all of them at once: dataflow starts what is ready
    return SITE[page]


@cs.task
def words(text: str) -> Counter[str]:
    return Counter(text.split())


@cs.task(mode="inline")
def count_all(found: list[str]) -> tuple[Counter[str], ...]:
    """How many pages there are shows only now, so the graph that reads them is made only now."""
    return cs.gather(*(words(fetch(page)) for page in found))


@cs.task(mode="inline")
def most_common(counts: tuple[Counter[str], ...], how_many: int) -> list[tuple[str, int]]:
    return sum(counts, Counter[str]()).most_common(how_many)


def main(engine: cs.Engine | None = None) -> list[tuple[str, int]]:
    result = cs.run(most_common(count_all(pages()), how_many=2), engine=engine)
    for word, count in result:
        print(f"{count}  {word}")
    return result


if __name__ == "__main__":
    main()
