"""Calls of tasks stand for their values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, assert_type

import cascade as cs


@cs.task
def add(a: int, b: int) -> int:
    return a + b


@cs.task
def loop(n: int) -> int:
    return loop(n - 1) if n else 0


@cs.task(mode="inline")
def even(n: int) -> bool:
    return odd(n - 1) if n else True


@cs.task(mode="inline")
def odd(n: int) -> bool:
    return even(n - 1) if n else False


@cs.task(name="greeting", mode="thread")
def greet(name: str, greeting: str = "hello", *, mark: str = "!") -> str:
    return f"{greeting} {name}{mark}"


@cs.task()
def join(separator: str, /, *words: str, limit: int | None = None, **more: float) -> str:
    return separator.join(words[:limit])


@cs.task
def find(words: Sequence[str], word: str | None = None) -> int | None:
    return list(words).index(word) if word else None


@cs.task
def nothing(n: int) -> None: ...


@cs.task
def anything(n: Any = None) -> Any:
    return n


@cs.task
def fan(n: int) -> list[int]:
    return [add(i, i) for i in range(n)]


@cs.task
def total(numbers: list[int], names: dict[str, int] | None = None) -> int:
    return sum(numbers) + sum((names or {}).values())


assert_type(add(1, 2), int)
assert_type(add(1, add(1, 2)), int)
assert_type(add(a=1, b=add(b=1, a=2)), int)
assert_type(loop(3), int)
assert_type(even(3), bool)
assert_type(greet("you"), str)
assert_type(greet("you", mark="?", greeting=greet("me")), str)
assert_type(join(", ", "a", greet("b"), limit=add(1, 1), x=0.5, y=1), str)
assert_type(find(["a"], word=greet("a")), int | None)
assert_type(find(["a"]), int | None)
assert_type(total([add(1, 2), 3], {"a": add(1, 2)}), int)
assert_type(total(fan(3), names=None), int)
assert_type(anything(), Any)

# A run of it gives the value.
assert_type(cs.run(add(1, 2)), int)
assert_type(cs.run(add(1, 2)) + 1, int)
assert_type(cs.run(nothing(1)), None)
assert_type(cs.run([add(1, 2), loop(3)]), list[int])
assert_type(cs.run(find(["a"])), int | None)
assert_type(cs.run({"a": add(1, 2)}), dict[str, int])
assert_type(cs.run([fan(3)]), list[list[int]])
answer: float = cs.run(add(1, 2))
answers: list[int] = cs.run([add(1, n) for n in range(3)])

# Other ways to make a task.
function_form = cs.task(len)
assert_type(cs.task(add.fn)(1, 2), Any)
of_partial = cs.task(functools.partial(int, base=2))
assert_type(of_partial("101"), int)


class Adder:
    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self, n: int) -> int:
        return n + self.by


of_object = cs.task(Adder(3))
assert_type(of_object(4), int)
of_class = cs.task(Adder)
assert_type(of_class(4).by, int)


def plain(n: int, *, twice: bool = False) -> str:
    return str(n * (1 + twice))


functional = cs.task(plain, mode="thread")
assert_type(functional(3, twice=True), str)


def make(phase: float) -> cs.Task[[int], float]:
    @cs.task(mode="inline")
    def shifted(n: int) -> float:
        return n + phase

    return shifted


assert_type(make(0.5)(3), float)

# Tasks are values.
states: dict[str, cs.Task[[int], bool]] = {"even": even, "odd": odd}
assert_type(states["even"](3), bool)


def call(task: Callable[[int, int], int]) -> int:
    return cs.run(task(1, 2))


def names(*tasks: cs.Task) -> list[str]:
    return [task.name for task in tasks]


call(add)
names(add, greet, join, find, even)
assert_type(add.name, str)
assert_type(add.mode == "inline", bool)
assert_type(add.is_async, bool)
