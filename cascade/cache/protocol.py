"""The protocols of cache policies, which the engine calls, and of stores, which policies call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from cascade._support.public import public, public_in

if TYPE_CHECKING:
    from cascade._core.expr.task import Task

__all__ = ["CachePolicy", "CacheStore", "Hit", "NoResult"]


@public
class Hit(msgspec.Struct, frozen=True):
    """A result that was found. It distinguishes a stored `None` from no result.

    Attributes:
        value: the result.

    >>> Hit(None)
    Hit(value=None)
    """

    value: Any


@public_in("cascade.protocols")
class NoResult(Exception):
    """Raised by `CachePolicy.save` if the call has produced no result: the call fails. No other exception fails it."""


@public
@runtime_checkable
class CachePolicy(Protocol):
    """Decides under which key the result of a call is stored, where, and for how long.

    The engine calls `key` once for each call and then, if no equal call is running, `load`; after a miss the task runs,
    and the engine calls `save` with its result. The result of a task that fails is not saved. Policies may have an
    attribute ``place``: equal keys of policies with the same object as place mean the same result, and such calls are
    equal.

    If `load` or `save` raises, the log says so once, the call runs, and its result is used but not stored. Only
    `NoResult` fails the call, and a `KeyboardInterrupt` in the main thread, which may be that of the keyboard.

    A policy may have another method, ``begin(key)``. The engine calls it after a miss, before the first attempt. It
    returns a function which is called once at the end, with whether `save` got a complete result: after `save`, or
    after a failure; but not before calls that were given up have ended in their workers.

    Attributes:
        blocking: whether `load` and `save` may block; the engine then calls them in a worker thread.
    """

    @property
    def blocking(self) -> bool:
        """Whether calls may block."""
        ...

    def key(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Return the key of a call, the settings of the policy included.

        Raises:
            CacheKeyError: data on which the result may depend cannot be hashed.
        """
        ...

    def load(self, key: bytes, now: float) -> Hit | None:
        """Return the result of a key, or None if there is none that is valid at ``now`` (seconds since 1970)."""
        ...

    def save(self, key: bytes, value: Any, now: float) -> Hit | None:
        """Store a result. Return None, or a `Hit` whose value replaces the result.

        Raises:
            NoResult: there is no result.
        """
        ...

    def check(self, task: Task) -> None:
        """Raise `CacheKeyError` if no call of this task can have a key. Called when a task gets the policy."""
        ...


@public
@runtime_checkable
class CacheStore(Protocol):
    """Stores results by key. Several threads may call it at the same time.

    Attributes:
        blocking: whether calls may block, as those of a store on disk.
    """

    @property
    def blocking(self) -> bool:
        """Whether calls may block."""
        ...

    def get(self, key: bytes, now: float) -> Hit | None:
        """Return the result of a key, or None if there is none or it has expired at ``now``."""
        ...

    def set(self, key: bytes, value: Any, expires: float | None, now: float) -> None:
        """Store a value under a key until ``expires`` (seconds since 1970; None: without end)."""
        ...

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        ...

    def clear(self) -> None:
        """Remove all keys."""
        ...

    def close(self) -> None:
        """Close files and connections. A later call may open them again."""
        ...

    def __len__(self) -> int: ...
