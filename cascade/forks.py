"""Forks: what has locks, threads or processes begins anew in a process that was forked."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["begins_anew"]


class _Forked(Protocol):
    def _begin(self) -> None:
        """Make its locks, and all that belongs to threads or processes, anew."""


_known: weakref.WeakSet[_Forked] = weakref.WeakSet()


def begins_anew(thing: _Forked) -> None:
    """Have an object begin anew in each process that is forked, while it is alive.

    Args:
        thing: its method ``_begin`` is called there, where the thread that has forked is the only one. A lock that
            another thread held is held for ever, so it must be replaced and not taken.
    """
    _known.add(thing)


def _forked() -> None:
    for thing in tuple(_known):
        thing._begin()


if hasattr(os, "register_at_fork"):  # where there is `fork`
    os.register_at_fork(after_in_child=_forked)
