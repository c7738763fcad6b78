"""What the engine asks of a cache policy, and a policy of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from cascade._support.public import public, public_in

if TYPE_CHECKING:
    from cascade._core.expr.task import Task

__all__ = ["CachePolicy", "CacheStore", "Hit", "NoResult"]


@public
class Hit(msgspec.Struct, frozen=True):
    """A result that was found. It is what tells a stored `None` from nothing stored.

    Attributes:
        value: the result.

    >>> Hit(None)
    Hit(value=None)
    """

    value: Any


@public_in("cascade.protocols")
class NoResult(Exception):
    """Raised by `CachePolicy.save`: what the call has done is no result, so it has failed. All else is no failure."""


@public
@runtime_checkable
class CachePolicy(Protocol):
    """Decides under which key the result of a call is kept, where, and for how long.

    The engine calls `key` once a call and then, with no equal call in flight, `load`; after a miss the task runs, and
    `save` is given its result. A task that fails saves nothing. Of policies that have an attribute ``place``, those
    whose place is the same object share flights: equal keys of theirs mean the same result.

    A policy whose `load` or `save` raises is none: the log says so once, the call is made, and its result is passed on
    and not kept. Only `NoResult` fails the call.

    A policy may have one method more, ``begin(key)``. It is called after a miss, before the first attempt, and gives a
    function for the end, which is called once with whether `save` was given a result that is whole: after `save`, or
    after a failure; not before a call that was given up has ended in its worker.

    Attributes:
        blocking: whether `load` and `save` may take long; the engine then calls them in a worker thread.
    """

    @property
    def blocking(self) -> bool:
        """Whether calls may take long."""
        ...

    def key(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Return the key of a call, the settings of the policy included.

        Raises:
            CacheKeyError: something that the result may depend on has no sound key.
        """
        ...

    def load(self, key: bytes, now: float) -> Hit | None:
        """Return the result under a key, or None if there is none that holds at ``now`` (seconds since 1970)."""
        ...

    def save(self, key: bytes, value: Any, now: float) -> Hit | None:
        """Keep a result. Return None, or a `Hit` whose value stands for the result from now on.

        Raises:
            NoResult: there is no result.
        """
        ...

    def check(self, task: Task) -> None:
        """Raise `CacheKeyError` if no call of this task can have a key; asked when the policy is given to it."""
        ...


@public
@runtime_checkable
class CacheStore(Protocol):
    """Where results lie, by key. Several threads may call it at the same time.

    Attributes:
        blocking: whether a call may take long, as when there is a disk behind it.
    """

    @property
    def blocking(self) -> bool:
        """Whether calls may take long."""
        ...

    def get(self, key: bytes, now: float) -> Hit | None:
        """Return what is under the key, or None if there is nothing or it has expired at ``now``."""
        ...

    def set(self, key: bytes, value: Any, expires: float | None, now: float) -> None:
        """Put a value under the key, up to ``expires`` (seconds since 1970; None: for ever)."""
        ...

    def delete(self, key: bytes) -> None:
        """Forget the key, if it is there."""
        ...

    def clear(self) -> None:
        """Forget all."""
        ...

    def close(self) -> None:
        """Let go of files and connections. A later call may open them again."""
        ...

    def __len__(self) -> int: ...
