"""Wrong calls of tasks."""

from __future__ import annotations

from collections.abc import Callable

import cascade as cs


@cs.task
def add(a: int, b: int) -> int:
    return a + b


@cs.task
def loop(n: int) -> int:
    return loop(str(n)) if n else 0  # error


@cs.task
def wrong(n: int) -> str:
    return add(n, 1)  # error


@cs.task
def wrong_text(n: int) -> int:
    return "three" if n else add(1, 2)  # error


@cs.task(mode="inline")
def greet(name: str, greeting: str = "hello", *, mark: str = "!") -> str:
    return f"{greeting} {name}{mark}"


@cs.task
def join(separator: str, /, *words: str, limit: int | None = None, **more: float) -> str:
    return separator.join(words[:limit])


@cs.task
def find(word: str | None = None) -> int | None:
    return len(word) if word else None


@cs.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@cs.task
def nothing() -> None: ...


add("one", 2)  # error
add(1, "two")  # error
add(1, b="two")  # error
add()  # error
add(1)  # error
add(1, 2, 3)  # error
add(1, c=3)  # error
add(1, 2, c=3)  # error
add(1, a=2)  # error
add(1, greet("you"))  # error
add(1, add("one", 2))  # error
add(1, find("a"))  # error
add(1, add)  # error
add(1, None)  # error
add(1, [add(1, 2)])  # error

greet()  # error
greet(3)  # error
greet("you", "hi", "!")  # error
greet("you", marks="!")  # error
greet("you", mark=3)  # error
greet(nothing())  # error

join(separator=", ")  # error
join(", ", 3)  # error
join(", ", "a", limit="1")  # error
join(", ", "a", x="1")  # error

find(3)  # error
total([greet("you")])  # error
total([add])  # error
total(add(1, 2))  # error
total({"a": add(1, 2)})  # error

answer: str = cs.run(add(1, 2))  # error
answers: list[str] = cs.run([add(1, 2)])  # error
number: int = cs.run(find("a"))  # error
none: int = cs.run(nothing())  # error
text: str = add(1, 2)  # error
cs.run(add(1, 2)).upper()  # error
cs.run(add(1, 2)) + "1"  # error
cs.run(greet("you")) + 1  # error
cs.run()  # error
cs.run(add(1, 2), engines=None)  # error
cs.run(add(1, 2), params=3)  # error

cs.task(3)  # error
cs.task(add.fn, mode="threads")  # error
cs.task(add.fn, name=3)  # error
cs.task(mode="inline", naem="x")  # error


@cs.task(mode="fast")  # error
def fast() -> None: ...


def takes(task: cs.Task[[int], str]) -> None: ...


def calls(function: Callable[[int], int]) -> None: ...


takes(add)  # error
takes(greet)  # error
takes(loop)  # error
calls(add)  # error
calls(greet)  # error
takes(loop.fn)  # error
states: dict[str, cs.Task[[int], int]] = {"loop": loop, "add": add}  # error
print(add.nmae)  # error
add.name = "other"  # error
