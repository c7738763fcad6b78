"""Expressions whose digest must be the same in every process, on every Python; prints them as a program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import combinations

import msgspec

import cascade as cs

# What golden files and digests name, wherever this file is and also when it is the program.
MODULE = "shapes"
Point = msgspec.defstruct("Point", ["x", "y"], frozen=True, module="values")


def define(name: str, *, kind: str = "sync", mode: str = "inline") -> cs.Task:
    """Make a task whose identity does not depend on where it was made."""

    def sync(*args: object, **kwargs: object) -> None: ...

    async def later(*args: object, **kwargs: object) -> None: ...

    function = later if kind == "async" else sync
    function.__module__ = MODULE
    return cs.task(function, name=name) if kind == "async" else cs.task(function, name=name, mode=mode)


def expressions() -> Iterator[cs.LazyResult]:
    """Give one expression for everything that a key can hold."""
    f, g, later = define("f"), define("g"), define("later", kind="async")
    shared = g(1)
    yield f()
    yield f(1, "x", None, [1, 2], a={"k": 1}, b=2)
    yield f(shared, shared, g(1), x=[shared])
    yield f([g()], (g(),), {g()}, frozenset({g()}), Point(g(), 1))
    yield f({"one", "two", "three", f(), g(), later(), g(f())})
    yield f(frozenset({(g(), 1), (f(), 2), "a", "b", 3.5, None}))
    yield f({Point(g(), 1), Point(f(), 2), frozenset({later()}), frozenset({(g(), f())}), (1, Point(f(1), 3))})
    yield f({None: g(), False: 1, 2: 1, -(2**70): 1, 1.5: 1, "s": 1, "\ud800": 1, b"b": 1, ("t", (1,)): 1})
    yield f({"b": g(), "a": g(), frozenset({1}): g()})
    yield f(**{"": 3, "\0": 4, "a": 1, "b": g(), "é": 2})
    yield define("names with\0anything é日本\ud800")(later(g()))
    yield define("auto", mode="auto")(define("thread", mode="thread")())
    yield cs.gather(f(), g(f()), later())
    yield f(cs.wait(1.0), cs.Channel().recv(), cs.Channel().recv(timeout=2.0))
    deep = f()
    for _ in range(2000):
        deep = f(deep, [g()])
    yield deep


def language() -> Iterator[cs.LazyResult]:
    """Give expressions with all words of the graph language, and with all that a call can have beside its arguments."""
    f, g, later, start = define("f"), define("g"), define("later", kind="async"), define("start")
    work = define("work", mode="thread")  # which, unlike an inline task, can be given up

    def injected(value: object, db: object = cs.inject("db"), bus: object = cs.inject("bus")) -> None: ...

    injected.__module__, injected.__qualname__ = MODULE, "injected"
    shared = g(1)
    yield f(cs.Router(g(), {((1,), ()): g("a"), 7: 1, None: f(g())}, default=g("b")), cs.Router(1, {1: g()}))
    yield f(g(1).run_if(g(), otherwise=g(3)), [f().run_if(True)], shared.run_if(shared))
    yield f(shared).after(later(2), shared)
    yield cs.sequence([f(), g(), f()])
    yield cs.pipeline(1, [f, later, g])
    yield f.map(x=g(), y=[g(), 1], k=cs.const(7), concurrency=3).after(shared)
    yield f.map(x=[1, 2], k=cs.const(g()))
    yield f(cs.Param("n", type=int, default=1), cs.Param("m", default=None), cs.Env("HOME", default=""))
    yield cs.task(injected, name="injected", mode="inline")(cs.inject("db"))
    extras: dict[str, Callable[[cs.LazyResult], cs.LazyResult]] = {
        "retry": lambda call: call.with_retry(3),
        "timeout": lambda call: call.with_timeout(1),
        "cache": lambda call: call.with_cache(cs.ResultCache()),
        "constraints": lambda call: call.with_constraints(gpu=1),
        "demanded": lambda call: call.with_constraints(mem=g()),
        "after": lambda call: call.after(start()),
    }
    for count in range(1, len(extras) + 1):
        for names in combinations(extras, count):
            for call in (work(1, x=g()), later(), work.map(x=[1])):
                for name in names:
                    call = extras[name](call)
                yield call


def digests() -> list[str]:
    """Give their digests."""
    return [cs.structural_hash(target)[0] for target in expressions()]


if __name__ == "__main__":
    sys.stdout.write("\n".join(digests()))
