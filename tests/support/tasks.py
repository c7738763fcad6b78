"""Tasks for tests to which neither module nor name of the task matters, and what tests ask of expressions and loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import cascade as cs


@cs.task(mode="inline")
def keep(*args: object) -> object:
    """Give the arguments."""
    return args


@cs.task(mode="inline")
def take(*args: object, **kwargs: object) -> object:
    """Give the arguments, and those by name."""
    return args, kwargs


@cs.task(mode="inline")
def echo(*args: object) -> object:
    """Give the arguments as a list."""
    return list(args)


@cs.task(mode="inline")
def give(value: object) -> object:
    """Give the argument itself."""
    return value


@cs.task(mode="inline")
def leaf(value: object = "leaf") -> object:
    """Give the argument, or the task's name."""
    return value


@cs.task(mode="inline")
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@cs.task
async def forever(*args: object) -> None:
    """Hold the arguments until the run is cancelled."""
    await asyncio.Event().wait()


def of_size(number: int) -> cs.LazyResult:
    """Give an expression with so many arguments: each number is a shape of its own."""
    return take(*range(number))


def digest(target: cs.LazyResult) -> str:
    """Give the digest of an expression's shape."""
    return cs.structural_hash(target)[0]


async def holds(condition: Callable[[], object]) -> None:
    """Give the event loop turns until a condition is true."""
    while not condition():
        await asyncio.sleep(0)
