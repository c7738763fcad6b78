"""What a child of `os.fork` must do before it can continue.

A child has one thread, and a copy of every lock. A lock that another thread of the parent held at that moment stays
held in the child for ever. So locks made here are renewed in the child, and what they guard is changed in such an order
that it is consistent between any two steps of Python.
"""

import os as _os
import threading as _threading
import weakref as _weakref

cdef object _locks = _weakref.WeakSet()


def new_lock():
    """Make a lock that is free in a child of a fork, unless the thread that forks holds it.

    It is reentrant: a destructor that runs while it is held may need it.
    """
    made = _threading.RLock()
    _locks.add(made)
    return made


def in_child(function):
    """Register a function that is called in every child of a fork, before anything else continues there."""
    if hasattr(_os, "register_at_fork"):
        _os.register_at_fork(after_in_child=function)


def _renew():
    for lock in _locks:
        if not lock._is_owned():
            lock._at_fork_reinit()


in_child(_renew)
