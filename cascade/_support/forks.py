"""Forks: what a child of `os.fork` must not inherit from its parent.

A child has one thread and a copy of every lock: a lock that another thread of the parent held at that moment is held in
the child for ever. So the child gets new locks for those made by `new_lock`, and the data that they guard is changed in
such an order that it is consistent between any two bytecode instructions.

An object that may be inconsistent all the same, or that refers to what the parent still uses (an event loop, a buffer
that the parent will write), resets itself before any other code runs in the child: see `reset_in_children`.
"""

from __future__ import annotations

from typing import Protocol
from weakref import WeakSet

from cascade._core.fork import in_child, new_lock

__all__ = ["ForkAware", "new_lock", "reset_in_children"]


class ForkAware(Protocol):
    """An object that cannot be used in a child as it was in the parent."""

    def _reset_after_fork(self) -> None:
        """Make the object usable in this process, a forked child. Called once, before other threads exist."""


_known: WeakSet[ForkAware] = WeakSet()


def reset_in_children(thing: ForkAware) -> None:
    """Reset an object in each forked child of this process. The object is not kept alive.

    Args:
        thing: an object that can be referred to weakly, and is compared by identity.
    """
    _known.add(thing)


def _reset_after_fork() -> None:
    failure = None
    for thing in list(_known):
        try:
            thing._reset_after_fork()  # noqa: SLF001 - the method exists for this call only
        except Exception as error:  # the other objects must be reset all the same
            failure = error
    if failure is not None:
        raise failure  # Python prints it to stderr, and the fork succeeds


in_child(_reset_after_fork)
