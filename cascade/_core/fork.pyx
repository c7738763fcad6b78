"""What a child of a fork must do before it can go on.

A child of `os.fork` has one thread, and a copy of every lock. What another thread of the parent held at that moment is
held in the child for ever. So what is guarded by a lock from here is changed in such an order that it is whole between
any two steps of Python, and the child gets the lock anew.
"""

import os as _os
import threading as _threading
import weakref as _weakref

cdef object _locks = _weakref.WeakSet()


def new_lock():
    """Make a lock that is free in a child of a fork, unless the very thread that forks holds it.

    It may be taken again by the thread that has it: memory that is freed under it may run anybody's code.
    """
    made = _threading.RLock()
    _locks.add(made)
    return made


def in_child(function):
    """Have a function called in every child of a fork, before anything else goes on there."""
    if hasattr(_os, "register_at_fork"):
        _os.register_at_fork(after_in_child=function)


def _renew():
    for lock in _locks:
        if not lock._is_owned():
            lock._at_fork_reinit()


in_child(_renew)
