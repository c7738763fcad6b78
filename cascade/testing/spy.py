"""A spy: the events of an engine in a list."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from cascade._support.public import public_in

if TYPE_CHECKING:
    from cascade.engine.engine import Engine

__all__ = ["spy"]


class _Spy(AbstractContextManager[list[Any]]):
    """The context manager of `spy`.

    Not a generator with `contextlib`: that sets attributes of exceptions, and some exceptions refuse it.
    """

    def __init__(self, engine: Engine, types: tuple[type[Any], ...]) -> None:
        self._engine = engine
        self._types = types
        self._stack = ExitStack()

    def __enter__(self) -> list[Any]:
        from cascade.events import Event

        seen: list[Any] = []
        self._stack.enter_context(self._engine.events.subscribe(self._types or (Event,), seen.append))
        return seen

    def __exit__(self, *exc: object) -> None:
        self._stack.close()


@public_in("cascade.testing")
def spy(engine: Engine, *types: type[Any]) -> AbstractContextManager[list[Any]]:
    """Collect the events of an engine while a `with` block lasts.

    Args:
        engine: the engine.
        types: classes of events, subclasses included, such as `cascade.events.NodeEvent`; none: all events.

    Returns:
        A context manager whose value is a list. Events are appended in the order in which they are emitted, each once,
        also if it is an instance of several of the types.

    Raises:
        TypeError: one of ``types`` is not a class of events. Raised when the block is entered.

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
    return _Spy(engine, types)
