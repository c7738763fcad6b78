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
    "/gone": None,
}
MIRRORS = {"near": 0.005, "far": 0.060}  # seconds that a page takes from each


@cs.task
async def pages() -> list[str]:
    await asyncio.sleep(0.001)
    return sorted(SITE)


@cs.task
async def fetch(page: str, mirror: str) -> str:
    await asyncio.sleep(MIRRORS[mirror])  # all of them at once: dataflow starts what is ready
    text = SITE[page]
    if text is None:
        raise FileNotFoundError(page)
    return text


@cs.task
def words(text: str) -> Counter[str]:
    return Counter(text.split())


@cs.task(mode="inline")
def count_all(found: list[str]) -> list[Counter[str]]:
    """How many pages there are shows only now, so the graph that reads them is made only now: a list of calls."""
    nothing = Counter[str]()
    return [
        cs.fallback(words(cs.race(*(fetch(page, mirror) for mirror in MIRRORS))), nothing, on=FileNotFoundError)
        for page in found
    ]


@cs.task(mode="inline")
def by_count(counts: list[Counter[str]]) -> list[tuple[str, int]]:
    return sum(counts, Counter[str]()).most_common()


def main(engine: cs.Engine | None = None) -> list[tuple[str, int]]:
    result = cs.run(by_count(count_all(pages()))[:2], engine=engine)  # an item of a result is a result, too
    for word, count in result:
        print(f"{count}  {word}")
    return result


if __name__ == "__main__":
    main()
