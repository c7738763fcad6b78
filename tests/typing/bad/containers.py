"""Wrong containers as arguments, in what a task returns, and in what is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import cascade as cs


class Pair(NamedTuple):
    left: int
    right: str


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
def fan(n: int) -> list[str]:
    return [add(i, i) for i in range(n)]  # error


@cs.task
def no_list(n: int) -> int:
    return [add(n, n)]  # error


@cs.task
def report(n: int) -> Report:
    return {"n": n, "sums": [name(i) for i in range(n)]}  # error


@cs.task
def missing(n: int) -> Report:
    return {"n": n}  # error


@cs.task
def nested(n: int) -> dict[str, list[tuple[int, str]]]:
    return {"pairs": [(name(n), name(n))]}  # error


@cs.task
def pair(n: int) -> Pair:
    return Pair(name(n), name(n))  # error


@cs.task
def order(n: int) -> Order:
    return Order(add(n, 1), add(n, 1))  # error


@cs.task
async def tuples(n: int) -> tuple[int, str]:
    return name(n), add(n, 1)  # error


text: str = cs.run(5)  # error
numbers: list[str] = cs.run([add(1, 2), 3])  # error
swapped: tuple[str, int] = cs.run((add(1, 2), name(3)))  # error
keyed: dict[str, str] = cs.run({"a": add(1, 2), "b": 3})  # error
lists: list[list[str]] = cs.run([[add(1, 2)], [3]])  # error
as_tuple: tuple[int, int] = cs.run([add(1, 2), 3])  # error
as_list: list[int] = cs.run((add(1, 2), 3))  # error
cs.run((add(1, 2), name(3)))[2]  # error
cs.run({"a": add(1, 2)})["a"].upper()  # error
cs.run({"a": add(1, 2)})[0]  # error
cs.run([[add(1, 2)]])[0][0].upper()  # error
cs.run(Pair(add(1, 2), name(3))).middle  # error
cs.run([add("1", 2)])  # error
cs.run({"a": add(1)})  # error

total([name(1)])  # error
total({"a": add(1, 2)})  # error
total_of([add(1, 2)])  # error
total_of({"a": name(1)})  # error
total_of({1: add(1, 2)})  # error
pay(Order(add(1, 2), name(1)))  # error
pay(pair(3))  # error
total(cs.gather(add(1, 2), name(3)))  # error
total([cs.lazy(add(1, 2)), name(1)])  # error

lazy = cs.lazy(add(1, 2))
later = cs.lazy(add(1, 2)).after(name(1))
lazies: list[str] = cs.run([lazy, lazy])  # error
lazy_tuple: list[int] = cs.run((lazy, lazy))  # error
lazy_dict: dict[str, str] = cs.run({"a": lazy})  # error
cs.run([later, later])[0].upper()  # error
cs.run((later, later))[0].upper()  # error
cs.run({"a": later})["a"].upper()  # error


async def main() -> None:
    async with cs.Engine() as engine:
        one: dict[str, str] = await engine.run({"a": add(1, 2)})  # error
        two: tuple[str, int] = await engine.run((add(1, 2), name(3)))  # error
        (await engine.run([[add(1, 2)]]))[0][0].upper()  # error
        run: cs.Run[list[int]] = engine.start((lazy, lazy))  # error
        print(one, two, run)
