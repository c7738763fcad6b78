"""What can be put in place of parts of Cascade: protocols, which a class fulfils by having their methods.

    Solver          makes plans of graphs                       `Engine(solver=...)`, `Templates(solver=...)`
    Executor        calls sync tasks off the event loop         `Engine(executors={"thread": ..., "process": ...})`
    CachePolicy     decides under which key a result is kept    `LazyResult.with_cache(...)`
    CacheStore      keeps results                               `ResultCache(store=...)`, `cached(store=...)`
    Connector       carries messages, by topic                  `Engine.register(...)`
    StateBackend    sees what a run would need to go on         `Engine(state=...)`

`cascade.testing.conformance` has a check for each, which takes a stranger's implementation through every sentence here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cascade.graph.solver import Solver

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade._core.expr.task import Task
    from cascade.cache.protocol import CachePolicy, CacheStore
    from cascade.durable.memory import Boundary

__all__ = ["CachePolicy", "CacheStore", "Connector", "Executor", "Solver", "StateBackend"]

_CACHE = ("CachePolicy", "CacheStore")


def __getattr__(name: str) -> Any:
    if name not in _CACHE:
        raise AttributeError(f"module 'cascade.protocols' has no attribute {name!r}")
    from cascade.cache import protocol  # who caches nothing needs none of it

    value = globals()[name] = getattr(protocol, name)
    return value


@runtime_checkable
class Executor(Protocol):
    """Calls sync tasks somewhere else than in the event loop's thread. It belongs to one engine.

    The engine calls it from its event loop's thread; futures may end in any thread. An executor whose calls are made in
    this process should make each in a copy of the context in which it was submitted.

    >>> from cascade.workers.executors import ThreadExecutor
    >>> isinstance(ThreadExecutor(), Executor)
    True
    """

    def submit(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have ``task.fn(*arguments, **keywords)`` called once, and return without waiting for it.

        Args:
            task: whose callable is to be called. ``task.module`` and ``task.name`` say what it is called.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Returns:
            A future that ends with what the call returns or raises. Cancelled before the call begins, it is never made.

        Raises:
            Exception: the call cannot be made; the task fails with it.
        """
        ...

    def abandon(self, future: Future[Any]) -> None:
        """Give up a call whose time is over: nobody looks at its future any more.

        If it has not begun, its future is cancelled and it is never made. If it is at work, it no longer keeps other
        calls from being made, nor `close` from returning. If it has ended, nothing happens.

        Args:
            future: what `submit` has returned for it.
        """
        ...

    def close(self) -> None:
        """Cancel the calls that have not begun, wait for those at work, save abandoned ones, and let go of workers.

        Called when the engine is left or closed. A later `submit` begins anew: an engine can be used again.
        """
        ...


@runtime_checkable
class Connector(Protocol):
    """Carries messages between whoever is connected to the same place, by topic.

    Registered with `Engine.register`, it is a resource of the engine: connected before the first task that it is
    injected into, closed with the engine.

    >>> from cascade.messaging.local_connector import LocalConnector
    >>> isinstance(LocalConnector(), Connector)
    True
    """

    async def connect(self) -> None:
        """Make it ready. It may be called again, by another engine that shares it: each call is answered by a `close`.

        After the last `close`, it may be connected again.
        """
        ...

    async def close(self) -> None:
        """Undo one `connect`. With the last, iterations of what `subscribe` gave end. One too many does nothing."""
        ...

    async def publish(self, topic: str, message: bytes) -> None:
        """Send a message to every subscription whose glob matches the topic. Nobody listening is no error.

        Args:
            topic: what the message is about.
            message: any bytes, also none.

        Raises:
            Exception: it is not connected, or the message cannot be sent.
        """
        ...

    def subscribe(self, topics: str, /) -> AsyncIterator[tuple[str, bytes]]:
        """Listen to topics, at the latest from when the first message is awaited.

        Of what one publisher publishes, each subscription gets all that matches, in order, whatever other subscriptions
        there are.

        Args:
            topics: a glob: ``*`` is any text, ``?`` any character, ``[abc]`` one of these; nothing else is special.

        Returns:
            An asynchronous iterator of topics and messages, which ends when the connector is closed.

        Raises:
            Exception: it is not connected; raised here or when the first message is awaited.
        """
        ...


@runtime_checkable
class StateBackend(Protocol):
    """Sees each tail call of the runs of engines: between two iterations, a run is a template digest and slots.

    Its methods are called from the event loop's thread, which waits for them: a slow one should only take note.
    Tail calls in the middle of a graph are none of its business; those of the target are.

    >>> from cascade.durable.memory import MemoryState
    >>> isinstance(MemoryState(), StateBackend)
    True
    """

    def boundary(self, run: int, iteration: int, digest: str, slots: Sequence[Any]) -> None:
        """Take note of a tail call.

        Args:
            run: the number of the run.
            iteration: of the iteration that begins; greater than any before of this run.
            digest: of the template of the next expression, in hexadecimal.
            slots: its data. The sequence is the engine's own and changes after the call; what is to be kept is copied.
        """
        ...

    def clear(self, run: int, before: int) -> None:
        """Let go of what a boundary has made dead: all iterations of the run before one.

        Args:
            run: the number of the run; one that is not known is no error.
            before: the number of the first iteration to keep.
        """
        ...

    def forget(self, run: int) -> None:
        """Let go of all of a run: it has ended.

        Args:
            run: the number of the run; one that is not known is no error.
        """
        ...

    def latest(self, run: int) -> Boundary | None:
        """Return the latest boundary of a run that has not been let go of; None if there is none.

        Args:
            run: the number of the run.
        """
        ...
