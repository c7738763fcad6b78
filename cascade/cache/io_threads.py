"""The threads in which stores are read and written: one pool for loads and one for saves, shared by all engines.

They are none of asyncio's: the default executor of an event loop may be full of other work. They end with the last
engine that has used them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from cascade._support.forks import reset_in_children
from cascade._support.threads import call_in_executor

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["IOThreads", "io_threads"]

THREADS = 8  # of each pool


class IOThreads:
    """Pools of threads by name, while an engine uses them."""

    def __init__(self) -> None:
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._users: WeakSet[Any] = WeakSet()
        self._lock = threading.RLock()  # garbage collection may run a destructor meanwhile, which uses a store
        reset_in_children(self)

    def call(
        self, user: Any, loop: asyncio.AbstractEventLoop, pool: str, function: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        """Call a function in a thread of a pool.

        Args:
            user: the engine, which calls `leave` when it is closed.
            loop: the event loop that is running in this thread.
            pool: the name of the pool.
            function: called with ``arguments``. It must catch exceptions and return them.
            arguments: its positional arguments.
        """
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:  # also for the call: it must not meet the end of the pool
            self._users.add(user)
            threads = self._pools.get(pool)
            if threads is None:
                threads = self._pools[pool] = ThreadPoolExecutor(THREADS, thread_name_prefix=f"cascade-cache-{pool}")
            return call_in_executor(loop, threads, function, *arguments)

    def leave(self, user: Any) -> None:
        """End the threads once their calls have ended, unless another engine uses them. They can be made anew."""
        if not self._pools:
            return
        with self._lock:
            self._users.discard(user)
            if self._users:
                return
            pools, self._pools = self._pools, {}
            for threads in pools.values():
                threads.shutdown(wait=False)

    def _reset_after_fork(self) -> None:
        """Forget the threads of the parent."""
        self._pools, self._users, self._lock = {}, WeakSet(), threading.RLock()


io_threads = IOThreads()
