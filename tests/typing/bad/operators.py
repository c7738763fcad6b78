"""Wrong operators and items of values, attributes, and data."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import cascade as cs


class Point(NamedTuple):
    x: int
    y: float


class Settings(TypedDict):
    name: str
    size: int


@cs.task
def add(a: int, b: int) -> int:
    return a + b


@cs.task
def shout(word: str) -> str:
    return word.upper()


@cs.task
def words(text: str) -> list[str]:
    return text.split()


@cs.task
def ages() -> dict[str, int]:
    return {"a": 1}


@cs.task
def settings() -> Settings:
    return {"name": "a", "size": 1}


@cs.task
def point() -> Point:
    return Point(1, 2)


@cs.task
def find(word: str) -> int | None:
    return len(word)


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


class Thing: ...


@cs.task
def thing() -> Thing:
    return Thing()


add(1, 2) + "1"  # error
"1" + add(1, 2)  # error
add(1, 2) + shout("a")  # error
add(1, 2)[0]  # error
-shout("a")  # error
~cs.run(add.map(a=[1], b=[2]))  # error
abs(words("a"))  # error
print(add(1, 2) < "3")  # error
shout("a") * 0.5  # error
shout("a")["b"]  # error
words("a b")["a"]  # error
ages()[0]  # error
ages()["a"] + "1"  # error
settings()["nam"]  # error
settings()["size"] + "1"  # error
point()[2]  # error
fetch("u") + "!"  # error
find("a") + 1  # error
thing() + thing()  # error
thing()[0]  # error
add(1, 2) @ add(3, 4)  # error
cs.gather(add(1, 2), shout("a"))[2]  # error
cs.gather(add(1, 2), shout("a"))[1] + 1  # error
text: str = add(1, 2) + 1  # error
number: int = words("a b")[0]  # error
letter: int = cs.run(words("a b")[0])  # error
shout(words("a b"))  # error
shout(ages()["a"])  # error
add(shout("a")[0], 1)  # error
total: str = cs.run(add(1, 2) + 1)  # error
cs.lazy(shout("a")[0] + 1)  # error
cs.Param("n", type=int) + "1"  # error


@cs.task
def first(text: str) -> int:
    return words(text)[0]  # error


@cs.task
def all_of(text: str) -> str:
    return words(text)[1:]  # error


# Python must know these at once.
lazy = cs.lazy(words("a b"))
len(lazy)  # error
int(cs.lazy(add(1, 2)))  # error
float(cs.lazy(add(1, 2)))  # error
rounded: int = round(cs.lazy(add(1, 2)))  # error
range(cs.lazy(add(1, 2)))  # error
[1, 2][cs.lazy(add(1, 2))]  # error
one, two = lazy  # error
print([*lazy])  # error
print("a" in lazy)  # error
sorted(lazy)  # error
sum(cs.lazy(add.map(a=[1], b=[2])))  # error
for _word in lazy:  # error
    pass
if lazy:  # error: pyright
    pass
while not lazy:  # error: pyright
    pass
lazy.sort()  # error
lazy[0].sorted()  # error
lazy[0].with_rtry(3)  # error
(cs.lazy(add(1, 2)) + 1).with_rtry(3)  # error
(cs.lazy(add(1, 2)) + 1).with_retry(max_atempts=3)  # error

cs.attr(point())  # error
cs.attr(point(), 3)  # error
cs.attr(point(), name="x", default=0)  # error
cs.data()  # error
cs.data(1, 2)  # error
add(cs.data("1"), 2)  # error
items: list[str] = cs.data([1])  # error


@cs.task
def evaluate(later: cs.LazyResult[int]) -> int:
    return cs.run(later)


evaluate(cs.data(cs.lazy(shout("a"))))  # error
evaluate(add(1, 2))  # error
