"""A child of `os.fork` can do all that its parent could, whatever the parent's other threads held at that moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from cascade._core.fork import new_lock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def test_a_child_meets_new_shapes_while_threads_of_its_parent_do(interpreter: Callable[..., str]) -> None:
    """The child is ended by an alarm if it hangs."""
    code = """
        import itertools, os, signal, sys, threading, warnings
        import cascade as cs
        from cascade._core.expr.symbol import call_shape

        warnings.simplefilter("ignore", DeprecationWarning)  # of forking where there are threads: this is about that
        sys.setswitchinterval(1e-6)
        numbers = itertools.count()
        over = False

        @cs.task(mode="inline")
        def take(*args, **kwargs):
            return args, kwargs

        def meet():
            while not over:
                call_shape(("module", f"task{next(numbers)}", "sync", "inline", ()), 1, ())

        threads = [threading.Thread(target=meet) for _ in range(3)]
        for thread in threads:
            thread.start()
        states = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                for name in ("a", "b"):
                    target = take(take(**{name + str(os.getpid()): 1}))
                    assert cs.run(target) == ((((), {name + str(os.getpid()): 1}),), {})
                os._exit(0)
            states.append(os.waitpid(child, 0)[1])
        over = True
        for thread in threads:
            thread.join()
        print(set(states))
    """
    assert interpreter(code) == "{0}\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_lock_that_another_thread_holds_is_free_in_the_child() -> None:
    lock = new_lock()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    if (child := os.fork()) == 0:
        os._exit(0 if lock.acquire(blocking=False) else 1)
    _, status = os.waitpid(child, 0)
    over.set()
    thread.join()
    assert status == 0


def test_a_lock_stays_with_the_thread_that_forks() -> None:
    lock = new_lock()
    with lock:
        child = os.fork()
        if child == 0:
            try:
                lock.release()
                os._exit(0)
            finally:
                os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
