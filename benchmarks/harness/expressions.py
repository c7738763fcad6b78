"""Expressions of a given number of nodes, made of tasks that do nothing."""

from __future__ import annotations

from typing import Any

import cascade as cs


@cs.task(mode="inline")
def noop(value: Any) -> Any:
    return value


@cs.task(mode="inline")
def join(*values: Any) -> int:
    return len(values)


@cs.task(mode="inline")
def gathering(values: Any, settings: Any = None) -> int:
    return len(values)


def chain(nodes: int) -> Any:
    """`noop(noop(...))`: each call is an argument of the next."""
    target = noop(0)
    for _ in range(nodes - 1):
        target = noop(target)
    return target


def wide(nodes: int) -> Any:
    """One call whose arguments are all the other calls."""
    return join(*[noop(item) for item in range(nodes - 1)])


def with_containers(nodes: int) -> Any:
    """Calls in a list, each with a dict and a list of literals, as configuration is passed on.

    A container without a lazy result inside is one slot whatever it holds; the one that holds the calls is
    a node.
    """
    settings = {"retries": 3, "names": ["a", "b", "c"], "limits": {"cpu": 1.0, "memory": [1, 2, 3]}}
    neighbours = list(range(8))
    return gathering([noop(neighbours) for _ in range(nodes - 2)], settings)


SHAPES = {"chain": chain, "wide": wide, "containers": with_containers}
