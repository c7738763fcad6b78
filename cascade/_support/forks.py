"""Forks: what a child of `os.fork` must not take over from its parent.

A child has one thread, and a copy of every lock. What another thread of the parent held at that moment is held in the
child for ever. So what is guarded by a lock from here is changed in such an order that it is whole between any two
steps of Python, and the child gets the lock anew.

What is not whole all the same, or belongs to the parent alone (an event loop, a buffer that it will write), is renewed
by its owner, before any other code runs in the child.
"""

from __future__ import annotations

from typing import Protocol
from weakref import WeakSet

from cascade._core.fork import in_child, new_lock

__all__ = ["ForkAware", "new_lock", "reset_in_children"]


class ForkAware(Protocol):
    """An object that cannot be used in a child as it was in the parent."""

    def _reset_after_fork(self) -> None:
        """Be usable in this process, which is a child of the one before. Called once, with no other thread there."""


_known: WeakSet[ForkAware] = WeakSet()


def reset_in_children(thing: ForkAware) -> None:
    """Have an object renewed in each child of this process. It is not kept alive.

    Args:
        thing: can be referred to weakly, and equals itself only.
    """
    _known.add(thing)


def _reset_after_fork() -> None:
    failure = None
    for thing in list(_known):
        try:
            thing._reset_after_fork()  # noqa: SLF001 - what classes give for this, and for nobody else
        except Exception as error:  # the others are to be renewed all the same
            failure = error
    if failure is not None:
        raise failure  # Python tells of it, and goes on


in_child(_reset_after_fork)
