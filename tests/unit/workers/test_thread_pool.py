"""Threads in which a call can be given up."""

from __future__ import annotations

import concurrent.futures
import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.workers.thread_pool import ThreadPool

PATIENCE = 60


class Held:
    """Calls that last until they are let go, by number, with the order in which they have begun."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._gates: dict[int, threading.Event] = {}
        self._changed = threading.Condition()

    def call(self, number: int) -> int:
        with self._changed:
            self.begun.append(number)
            self._changed.notify_all()
        assert self.gate(number).wait(PATIENCE)
        return number

    def gate(self, number: int) -> threading.Event:
        with self._changed:
            return self._gates.setdefault(number, threading.Event())

    def wait(self, count: int) -> None:
        """Wait until so many calls have begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, PATIENCE), self.begun


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    for number in range(100):
        held.gate(number).set()


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(max_threads=1)
    yield pool
    pool.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    waiting = threading.Event()
    for _ in range(PATIENCE * 200):
        if condition():
            return
        waiting.wait(0.005)
    raise AssertionError("it never came")


def test_it_calls_and_gives_what_comes(pool: ThreadPool) -> None:
    assert pool.submit(divmod, 7, 2).result(PATIENCE) == (3, 1)
    assert pool.submit(dict, a=1).result(PATIENCE) == {"a": 1}
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result(PATIENCE)
    with pytest.raises(KeyboardInterrupt):
        pool.submit(raises, KeyboardInterrupt()).result(PATIENCE)
    assert pool.submit(threading.get_ident).result(PATIENCE) != threading.get_ident()
    assert pool.threads == 1


def raises(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("max_threads", [0, -1, 1.5, True, "2"])
def test_what_is_no_number_of_threads_is_refused(max_threads: Any) -> None:
    with pytest.raises(ValueError, match="max_threads must be None or an int >= 1"):
        ThreadPool(max_threads)


def test_threads_are_started_when_they_are_needed() -> None:
    pool = ThreadPool(max_threads=8)
    assert pool.threads == 0
    for _ in range(20):
        pool.submit(int).result(PATIENCE)
        until(lambda: pool.idle == pool.threads)
    assert pool.threads == 1  # the idle one is used again
    pool.close()
    assert pool.threads == 0


def test_threads_are_daemons_with_names(pool: ThreadPool) -> None:
    thread = pool.submit(threading.current_thread).result(PATIENCE)
    assert thread.daemon
    assert thread.name == "cascade_0"


def test_calls_begin_in_order(pool: ThreadPool, held: Held) -> None:
    futures = [pool.submit(held.call, number) for number in range(10)]
    for number in range(10):
        held.wait(number + 1)
        held.gate(number).set()
    assert [future.result(PATIENCE) for future in futures] == list(range(10))
    assert held.begun == list(range(10))


def test_a_cancelled_call_is_never_made(pool: ThreadPool, held: Held) -> None:
    pool.submit(held.call, 0)
    dropped, kept = pool.submit(held.call, 1), pool.submit(held.call, 2)
    assert dropped.cancel()
    held.gate(0).set()
    held.gate(2).set()
    assert kept.result(PATIENCE) == 2
    assert held.begun == [0, 2]


def test_an_abandoned_call_has_its_thread_replaced(pool: ThreadPool, held: Held) -> None:
    stuck = pool.submit(held.call, 0)
    held.wait(1)
    waiting = pool.submit(held.call, 1)
    assert held.begun == [0]
    pool.abandon(stuck)
    held.gate(1).set()
    assert waiting.result(PATIENCE) == 1
    assert pool.submit(int).result(PATIENCE) == 0
    assert pool.threads == 1
    assert not stuck.done()
    held.gate(0).set()
    assert stuck.result(PATIENCE) == 0  # whoever should care


def test_the_thread_of_an_abandoned_call_ends_with_it(pool: ThreadPool, held: Held) -> None:
    inside: list[threading.Thread] = []

    def call() -> None:
        inside.append(threading.current_thread())
        held.call(0)

    stuck = pool.submit(call)
    held.wait(1)
    pool.abandon(stuck)
    held.gate(0).set()
    inside[0].join(PATIENCE)
    assert not inside[0].is_alive()
    assert pool.threads == 0


def test_abandoning_what_has_not_begun_cancels_it(pool: ThreadPool, held: Held) -> None:
    pool.submit(held.call, 0)
    held.wait(1)
    waiting = pool.submit(held.call, 1)
    pool.abandon(waiting)
    assert waiting.cancelled()
    held.gate(0).set()
    assert pool.submit(int).result(PATIENCE) == 0
    assert held.begun == [0]


def test_abandoning_again_or_too_late_does_nothing(pool: ThreadPool, held: Held) -> None:
    done = pool.submit(int)
    done.result(PATIENCE)
    pool.abandon(done)
    stuck = pool.submit(held.call, 0)
    held.wait(1)
    pool.abandon(stuck)
    pool.abandon(stuck)
    pool.abandon(Future())
    assert pool.submit(int).result(PATIENCE) == 0
    assert pool.threads == 1


def test_closing_waits_for_calls_at_work_and_cancels_the_others(held: Held) -> None:
    pool = ThreadPool(max_threads=1)
    working, waiting = pool.submit(held.call, 0), pool.submit(held.call, 1)
    held.wait(1)
    closing = threading.Thread(target=pool.close)
    closing.start()
    assert concurrent.futures.wait([waiting], PATIENCE).done  # also for those who wait for several
    assert waiting.cancelled()
    assert closing.is_alive()
    held.gate(0).set()
    closing.join(PATIENCE)
    assert working.result(0) == 0
    assert held.begun == [0]
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(int)


def test_closing_does_not_wait_for_abandoned_calls(held: Held) -> None:
    pool = ThreadPool(max_threads=2)
    before, meanwhile = pool.submit(held.call, 0), pool.submit(held.call, 1)
    held.wait(2)
    pool.abandon(before)
    closing = threading.Thread(target=pool.close)
    closing.start()
    with pytest.raises(RuntimeError):
        while True:  # until it is being closed
            pool.submit(int)
    pool.abandon(meanwhile)
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert not before.done() and not meanwhile.done()
    assert pool.threads == 0


def test_closing_need_not_wait(held: Held) -> None:
    pool = ThreadPool(max_threads=1)
    working = pool.submit(held.call, 0)
    held.wait(1)
    pool.close(wait=False)
    assert not working.done()
    held.gate(0).set()
    assert working.result(PATIENCE) == 0


def test_closing_twice_and_from_one_of_its_own_threads() -> None:
    pool = ThreadPool(max_threads=2)
    pool.submit(pool.close).result(PATIENCE)
    pool.close()
    pool.close()
    assert pool.threads == 0


def test_after_closing_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    pool = ThreadPool(max_threads=4)
    barrier = threading.Barrier(4)
    for future in [pool.submit(barrier.wait, PATIENCE) for _ in range(4)]:
        future.result(PATIENCE)
    started = set(threading.enumerate()) - before
    assert len(started) == 4
    pool.close()
    assert not started & set(threading.enumerate())


def test_a_forgotten_pool_lets_its_threads_go(held: Held) -> None:
    pool = ThreadPool(max_threads=3)
    threads: set[threading.Thread] = set()

    def call(number: int) -> None:
        threads.add(threading.current_thread())
        held.call(number)

    futures = [pool.submit(call, number) for number in range(5)]
    held.wait(3)
    forgotten = weakref.ref(pool)
    del pool
    gc.collect()
    assert forgotten() is None
    for number in range(5):
        held.gate(number).set()
    assert [future.result(PATIENCE) for future in futures] == [None] * 5  # what it had is done
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_nothing_of_a_call_is_kept() -> None:
    class Thing:
        pass

    def call(thing: Thing, fails: bool) -> Thing:
        if fails:
            raise ValueError(thing)
        return thing

    pool = ThreadPool(max_threads=1)
    for fails in (False, True):
        thing = Thing()
        kept = weakref.ref(thing)
        future = pool.submit(call, thing, fails)
        concurrent.futures.wait([future], PATIENCE)
        pool.submit(int).result(PATIENCE)
        del thing, future
        assert kept() is None  # without the collector: there was no cycle
    pool.close()


def test_a_callback_that_breaks_a_thread_does_not_break_the_pool(pool: ThreadPool) -> None:
    heard: list[Any] = []
    before, threading.excepthook = threading.excepthook, heard.append
    try:
        gate = threading.Event()
        future = pool.submit(gate.wait, PATIENCE)
        future.add_done_callback(lambda _: raises(SystemExit()))
        gate.set()
        future.result(PATIENCE)
        until(lambda: pool.threads == 0)
    finally:
        threading.excepthook = before
    assert pool.submit(int).result(PATIENCE) == 0


def test_when_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch, held: Held) -> None:
    pool = ThreadPool(max_threads=2)

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            pool.submit(int)
    working = pool.submit(held.call, 0)
    held.wait(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        waiting = pool.submit(int)  # there is a thread, which will come to it
        assert not waiting.done()
        pool.abandon(working)  # now there is none
        with pytest.raises(RuntimeError, match="can't start"):
            waiting.result(PATIENCE)
    assert pool.submit(int).result(PATIENCE) == 0
    pool.close()


def test_submitting_from_many_threads() -> None:
    pool = ThreadPool(max_threads=3)
    results: list[int] = []

    def submit(first: int) -> None:
        futures = [pool.submit(abs, -number) for number in range(first, first + 200)]
        results.extend(future.result(PATIENCE) for future in futures)

    threads = [threading.Thread(target=submit, args=(200 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(results) == list(range(800))
    assert pool.threads <= 3
    pool.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.posix_only
def test_a_forked_process_begins_anew(interpreter: Callable[..., str]) -> None:
    printed = interpreter(
        """
        import os, threading, warnings
        warnings.simplefilter("ignore")  # Python 3.12 warns of what this is about
        from cascade.workers.thread_pool import ThreadPool
        pool, gate = ThreadPool(max_threads=1), threading.Event()
        pool.submit(int).result(60)
        future = pool.submit(gate.wait, 60)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert pool.threads == 0
                assert pool.submit(abs, -3).result(60) == 3
                pool.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        gate.set()
        assert future.result(60)
        pool.close()
        print("fine")
        """
    )
    assert printed == "fine\n"


@pytest.mark.parametrize("end", ["", "pool.abandon(future)", "del pool", "pool.close(wait=False)"])
def test_a_program_ends_although_a_call_is_at_work(interpreter: Callable[..., str], end: str) -> None:
    printed = interpreter(
        f"""
        import threading
        from cascade.workers.thread_pool import ThreadPool
        pool, begun = ThreadPool(), threading.Event()
        future = pool.submit(lambda: (begun.set(), threading.Event().wait()))
        begun.wait()
        {end}
        print("end")
        """
    )
    assert printed == "end\n"


class Model:
    """What a pool should do: plain lists instead of threads."""

    def __init__(self, max_threads: int) -> None:
        self.max_threads = max_threads
        self.waiting: list[int] = []
        self.working: list[int] = []
        self.lost: list[int] = []  # abandoned and still at work
        self.begun: list[int] = []

    def go_on(self) -> None:
        while self.waiting and len(self.working) < self.max_threads:
            number = self.waiting.pop(0)
            self.working.append(number)
            self.begun.append(number)


STEPS = st.lists(st.tuples(st.sampled_from(["submit", "submit", "end", "abandon", "cancel"]), st.integers(0, 30)))


@given(st.integers(1, 3), STEPS)
def test_as_a_model_has_it(max_threads: int, steps: list[tuple[str, int]]) -> None:
    pool, held, model = ThreadPool(max_threads), Held(), Model(max_threads)
    futures: list[Future[int]] = []
    for step, which in steps:
        if step == "submit":
            model.waiting.append(len(futures))
            futures.append(pool.submit(held.call, len(futures)))
        elif step == "end" and (model.working or model.lost):
            number = (model.working + model.lost)[which % len(model.working + model.lost)]
            held.gate(number).set()
            assert futures[number].result(PATIENCE) == number
            (model.working if number in model.working else model.lost).remove(number)
        elif step == "abandon" and futures:
            number = which % len(futures)
            pool.abandon(futures[number])
            if number in model.waiting:
                model.waiting.remove(number)
            elif number in model.working:
                model.working.remove(number)
                model.lost.append(number)
        elif step == "cancel" and futures:
            number = which % len(futures)
            futures[number].cancel()
            if number in model.waiting:
                model.waiting.remove(number)
        model.go_on()
        held.wait(len(model.begun))
        assert sorted(held.begun) == sorted(model.begun)
        assert pool.threads <= max_threads
    until(lambda: pool.threads - pool.idle == len(model.working))
    pool.close(wait=False)  # first, or else a thread whose call ends would take one that waits
    for number in model.working:
        held.gate(number).set()
    pool.close()
    assert pool.threads == pool.idle == 0
    assert sorted(held.begun) == sorted(model.begun)
    for number, future in enumerate(futures):
        if number in model.lost:
            assert not future.done()
            held.gate(number).set()
        elif number in model.begun:
            assert future.result(0) == number
        else:
            with pytest.raises(CancelledError):
                future.result(0)


def test_an_idle_thread_keeps_nothing_of_the_context_that_it_was_started_in(interpreter: Callable[..., str]) -> None:
    """Also where Python hands that on to threads: an option from 3.14 on, the default of free-threaded builds."""
    printed = interpreter(
        """
        import contextvars, gc, weakref
        import cascade as cs
        from cascade.workers.executors import ProcessExecutor, ThreadExecutor

        class Thing: ...

        positive = cs.task(abs)

        if __name__ == "__main__":
            variable = contextvars.ContextVar("variable")
            for executor in ThreadExecutor(max_threads=1), ProcessExecutor(max_processes=1):
                thing = Thing()
                kept = weakref.ref(thing)
                token = variable.set(thing)
                executor.submit(positive, (-1,), {}).result(60)
                variable.reset(token)
                del thing, token
                gc.collect()
                print(kept())
                executor.close()
        """,
        PYTHON_THREAD_INHERIT_CONTEXT="1",
    )
    assert printed == "None\nNone\n"
