"""What does a loop of tail calls cost against the hand-written loop that makes the same Python calls?

The imperative loop calls the same functions as the graph (`task.fn`), in the same order, with the same arguments. The
one exception is the step itself: its last line either builds the next expression or returns the number to a loop, so it
exists twice, with the same comparison and subtraction an iteration on both sides. The loops look alike, and stay
written out: a shared loop would call the step through one more function on the imperative side.

At "quantum 0" the engine yields to the event loop at each tail call; the baseline awaits `asyncio.sleep(0)` once an
iteration. At the default quantum the engine yields once a millisecond; the baseline never yields.
"""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import cascade as cs
from benchmarks.harness.row import Budget, Comparison
from benchmarks.harness.timing import awaiting, running

Kind: TypeAlias = Literal["inline", "auto"]
KINDS: tuple[Kind, ...] = ("inline", "auto")
Imperative: TypeAlias = Callable[[int], Coroutine[Any, Any, object]]


class Subject(NamedTuple):
    """One shape: its target, and its two hand-written loops."""

    start: Callable[[int], Any]
    with_yield: Imperative
    without: Imperative
    task: Any
    """The task that steps."""


def simple(kind: Kind) -> Subject:
    """One task, one tail call."""

    @cs.task(mode=kind)
    def countdown(n: int) -> Any:
        if n <= 0:
            return n
        return countdown(n - 1)

    def step(n: int) -> int:
        return n - 1

    async def with_yield(n: int) -> int:
        while n > 0:
            n = step(n)
            await sleep(0)
        return n

    async def without(n: int) -> int:
        while n > 0:
            n = step(n)
        return n

    return Subject(countdown, with_yield, without, countdown)


def complex_(kind: Kind) -> Subject:
    """Two nodes: a task feeds the step."""

    @cs.task(mode=kind)
    def decrement(n: int) -> int:
        return n - 1

    @cs.task(mode=kind)
    def countdown(n: int) -> Any:
        if n <= 0:
            return n
        return countdown(decrement(n))

    less = decrement.fn

    def step(n: int) -> int:
        return n

    async def with_yield(n: int) -> int:
        while n > 0:
            n = step(less(n))
            await sleep(0)
        return n

    async def without(n: int) -> int:
        while n > 0:
            n = step(less(n))
        return n

    return Subject(countdown, with_yield, without, countdown)


def heavy(kind: Kind) -> Subject:
    """A chain of 11 no-op tasks, built anew in each iteration, feeds the step: 12 nodes, 11 edges."""

    @cs.task(mode=kind)
    def noop(value: Any) -> Any:
        return value

    @cs.task(mode=kind)
    def countdown(n: int, fed: Any) -> Any:
        if n <= 0:
            return fed
        n -= 1
        return countdown(n, noop(noop(noop(noop(noop(noop(noop(noop(noop(noop(noop(n))))))))))))

    same = noop.fn

    def step(n: int, fed: Any) -> Any:
        return fed

    async def with_yield(n: int) -> Any:
        fed: Any = None
        while n > 0:
            n -= 1
            fed = step(n, same(same(same(same(same(same(same(same(same(same(same(n))))))))))))
            await sleep(0)
        return fed

    async def without(n: int) -> Any:
        fed: Any = None
        while n > 0:
            n -= 1
            fed = step(n, same(same(same(same(same(same(same(same(same(same(same(n))))))))))))
        return fed

    return Subject(lambda n: countdown(n, None), with_yield, without, countdown)


def heavy_keywords(kind: Kind) -> Subject:
    """The same chain with each argument passed by name, as calls with more than one argument are usually written."""

    @cs.task(mode=kind)
    def noop(value: Any) -> Any:
        return value

    @cs.task(mode=kind)
    def countdown(n: int, fed: Any) -> Any:
        if n <= 0:
            return fed
        n -= 1
        fed = noop(value=noop(value=noop(value=noop(value=noop(value=noop(value=n))))))
        return countdown(n=n, fed=noop(value=noop(value=noop(value=noop(value=noop(value=fed))))))

    same = noop.fn

    def step(n: int, fed: Any) -> Any:
        return fed

    async def with_yield(n: int) -> Any:
        fed: Any = None
        while n > 0:
            n -= 1
            fed = same(value=same(value=same(value=same(value=same(value=same(value=n))))))
            fed = step(n=n, fed=same(value=same(value=same(value=same(value=same(value=fed))))))
            await sleep(0)
        return fed

    async def without(n: int) -> Any:
        fed: Any = None
        while n > 0:
            n -= 1
            fed = same(value=same(value=same(value=same(value=same(value=same(value=n))))))
            fed = step(n=n, fed=same(value=same(value=same(value=same(value=same(value=fed))))))
        return fed

    return Subject(lambda n: countdown(n=n, fed=None), with_yield, without, countdown)


def both_quanta(
    name: str,
    make: Callable[[], Subject],
    *,
    zero: float | None = None,
    default: float | None = None,
) -> Iterator[Comparison]:
    """One subject at quantum 0 and at the default quantum, each against its own loop; the budgets are ratios."""
    yield Comparison(
        f"{name}, quantum 0",
        lambda: running(make().start, quantum=0),
        lambda: awaiting(make().with_yield),
        Budget(zero) if zero else None,
    )
    yield Comparison(
        f"{name}, default quantum",
        lambda: running(make().start),
        lambda: awaiting(make().without),
        Budget(default) if default else None,
    )


def benchmarks() -> Iterator[Comparison]:
    for kind in KINDS:
        yield from both_quanta(f"simple_countdown, {kind}", partial(simple, kind), zero=1.1)
        yield from both_quanta(f"complex_countdown, {kind}", partial(complex_, kind))
        yield from both_quanta(f"heavy_complex_countdown, {kind}", partial(heavy, kind), zero=1.5, default=3.5)
        yield from both_quanta(f"heavy_complex_countdown by keyword, {kind}", partial(heavy_keywords, kind))
