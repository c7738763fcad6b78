"""Containers stand for containers of values: as arguments, in what a task returns, and in what is run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, assert_type

import cascade as cs


class Pair(NamedTuple):
    left: int
    right: str


class Entry(NamedTuple):
    key: Any
    value: Any


@dataclass(frozen=True)
class Order:
    item: str
    price: int


class Report(TypedDict):
    n: int
    sums: list[int]


@cs.task
def add(a: int, b: int) -> int:
    return a + b


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@cs.task
def name(n: int) -> str:
    return str(n)


@cs.task
def total(numbers: Sequence[int]) -> int:
    return sum(numbers)


@cs.task
def total_of(numbers: Mapping[str, int]) -> int:
    return sum(numbers.values())


@cs.task
def pay(order: Order) -> int:
    return order.price


@cs.task
def document() -> Mapping[str, Any]:
    return {}


@cs.task
def in_order() -> OrderedDict[str, Any]:
    return OrderedDict()


@cs.task
def entries() -> Entry:
    return Entry(1, 2)


@cs.task
def row() -> tuple[Any, ...]:
    return ()


@cs.task
def rows() -> Sequence[Any]:
    return []


# What a task returns.
@cs.task
def fan(n: int) -> list[int]:
    return [add(i, i) for i in range(n)]


@cs.task
def report(n: int) -> Report:
    return {"n": n, "sums": [add(i, i) for i in range(n)]}


@cs.task
def nested(n: int) -> dict[str, list[tuple[int, str]]]:
    return {"pairs": [(add(n, 1), name(n)), (n, "n")]}


@cs.task
def unique(n: int) -> set[int]:
    return {add(n, 1), add(n, 2)}


@cs.task
def pair(n: int) -> Pair:
    return Pair(add(n, 1), name(n))


@cs.task
def order(n: int) -> Order:
    return Order(name(n), add(n, 1))


@cs.task
async def pages(urls: list[str]) -> dict[str, bytes]:
    return {url: fetch(url) for url in urls}


@cs.task
def tuples(n: int) -> tuple[int, str]:
    return add(n, 1), name(n)


@cs.task
def any_length(n: int) -> tuple[int, ...]:
    return (*[add(i, 1) for i in range(n)], 3)


@cs.task
def in_time(n: int) -> list[int]:
    return [add(n, 1), cs.lazy(add(n, 2)).with_timeout(5), cs.fallback(add(n, 3), 0)]


@cs.task
def kept(n: int) -> list[int]:
    return cs.data([1, 2, 3])


# What is run.
assert_type(cs.run(5), int)
assert_type(cs.run("text"), str)
assert_type(cs.run([add(1, 2), 3]), list[int])
assert_type(cs.run((add(1, 2), name(3))), tuple[int, str])
three: tuple[int, str, None] = cs.run((add(1, 2), "x", None))
assert_type(cs.run({"a": add(1, 2), "b": 3}), dict[str, int])
assert_type(cs.run({add(1, 2), 3}), set[int])
assert_type(cs.run([[add(1, 2)], [3]]), list[list[int]])
assert_type(cs.run({"a": [add(1, 2)], "b": []}), dict[str, list[int]])
assert_type(cs.run([(add(1, 2), name(1)), (3, "x")]), list[tuple[int, str]])
assert_type(cs.run(Pair(add(1, 2), name(3))), Pair)
assert_type(cs.run(Order(name(1), add(1, 2))).price, int)
assert_type(cs.run([fan(2), [add(1, 2)]]), list[list[int]])
mixed: list[list[int] | int] = cs.run([[add(1, 2)], 2])
either: dict[str, int | str] = cs.run({"a": add(1, 2), "b": name(3)})
assert_type(cs.run(fan(3)), list[int])
assert_type(cs.run(report(3))["sums"][0] + 1, int)
assert_type(cs.run(nested(3)), dict[str, list[tuple[int, str]]])
assert_type(cs.run(pair(3)).left, int)
assert_type(cs.run(pages(["u"])), dict[str, bytes])

# What is of any type inside keeps its own.
assert_type(cs.run(document()), Mapping[str, Any])
ordered: OrderedDict[str, Any] = cs.run(in_order())
entry: Entry = cs.run(entries())
assert_type(cs.run(row()), tuple[Any, ...])
assert_type(cs.run(rows()), Sequence[Any])
assert_type(cs.run([document()]), list[Mapping[str, Any]])


def whole() -> Mapping[str, Any]:
    return cs.run(document())


# As arguments.
assert_type(total([add(1, 2), 3]), int)
assert_type(total((add(1, 2), 3)), int)
assert_type(total(fan(3)), int)
assert_type(total_of({"a": add(1, 2), "b": 3}), int)
assert_type(pay(Order(name(1), add(1, 2))), int)
assert_type(pay(order(3)), int)
assert_type(total([cs.lazy(add(1, 2)).after(name(1)), 3]), int)
assert_type(total_of({"a": cs.lazy(add(1, 2)).with_retry(3), "b": add(1, 2)}), int)
assert_type(total(cs.gather(add(1, 2), add(3, 4))), int)

# With lazy results by their own type.
lazy = cs.lazy(add(1, 2))
later = cs.lazy(add(1, 2)).after(name(1))
assert_type(cs.run([lazy, lazy]), list[int])
assert_type(cs.run((lazy, lazy)), tuple[int, ...])
assert_type(cs.run({"a": lazy, "b": lazy}), dict[str, int])
assert_type(cs.run([later, later]), list[int])
assert_type(cs.run((later, later)), tuple[int, ...])
assert_type(cs.run({"a": later}), dict[str, int])
later_list = [later, later]
assert_type(cs.run(later_list), list[int])
with_values: list[int] = [later, add(1, 2), 3]
assert_type(cs.run(with_values), list[int])
keyed: dict[str, int] = {"a": later, "b": 3}
assert_type(cs.run(keyed), dict[str, int])


async def main() -> None:
    async with cs.Engine() as engine:
        assert_type(await engine.run({"a": add(1, 2)}), dict[str, int])
        assert_type(await engine.run((add(1, 2), name(3))), tuple[int, str])
        assert_type(await engine.run([[add(1, 2)]]), list[list[int]])
        assert_type(await engine.run({"a": lazy}), dict[str, int])
        assert_type(await engine.run((later, later)), tuple[int, ...])
        assert_type(await engine.start({"a": lazy}), dict[str, int])
        assert_type(await engine.start((lazy, later)), tuple[int, ...])
        assert_type(await engine.start([lazy]), list[int])
        assert_type(await engine.run(3), int)
        assert_type(engine.start_many([[add(1, 2)], [add(3, 4)]]), cs.Population[list[int]])
        assert_type(engine.start_many([lazy, lazy]), cs.Population[int])
