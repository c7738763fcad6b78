"""A spy: the events of an engine in a list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade.engine import Engine

__all__ = ["spy"]


@contextmanager
def spy(engine: Engine, *types: type[Any]) -> Iterator[list[Any]]:
    """Collect the events of an engine while the context lasts.

    Args:
        engine: whose events.
        types: which ones, with all below them, such as `cascade.events.NodeEvent`; none given: all.

    Returns:
        A context manager that gives a list, to which events are added in the order in which they are emitted. An event
        comes once, also if several of the types fit.

    Raises:
        TypeError: one of ``types`` is no class of events.

    >>> import asyncio, cascade as cs
    >>> from cascade.events import TailCall
    >>> @cs.task(mode="inline")
    ... def countdown(n):
    ...     return countdown(n - 1) if n else "lift-off"
    >>> async def main():
    ...     async with cs.Engine() as engine:
    ...         with spy(engine, TailCall) as seen:
    ...             await engine.run(countdown(2))
    ...         return [event.iteration for event in seen]
    >>> asyncio.run(main())
    [1, 2]
    """
    from cascade.events import Event

    seen: list[Any] = []
    with engine.events.subscribe(types or (Event,), seen.append):
        yield seen
