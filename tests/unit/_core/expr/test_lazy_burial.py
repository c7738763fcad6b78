"""Lazy results are freed at once whatever the destructors of their arguments do: wait, fork, raise, make more."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable

import pytest

import cascade as cs

LONG = 60  # seconds: nobody waits for so long unless the test fails


class Token:
    """Something to be freed."""


class Last:
    """An argument whose destructor calls a function."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def __del__(self) -> None:
        self.call()


@cs.task(mode="inline")
def take(*args: object) -> object:
    return args


def drops() -> bool:
    """Whether a lazy result that is dropped now is freed now, with those in it."""
    token = Token()
    watch = weakref.ref(token)
    target = take(take(token), [take(token), {"a": take(token)}])
    del token
    del target
    return watch() is None


def test_others_are_freed_while_a_destructor_takes_its_time() -> None:
    begun, over = threading.Event(), threading.Event()
    found: list[bool] = []

    def wait() -> None:
        begun.set()
        found.append(over.wait(LONG))

    slow = threading.Thread(target=lambda: take(take(Last(wait))))
    slow.start()
    assert begun.wait(LONG)
    assert drops()
    over.set()
    slow.join()
    assert found == [True]


def test_two_destructors_may_wait_for_one_another() -> None:
    here, there = threading.Event(), threading.Event()
    found: list[bool] = []

    def meet(mine: threading.Event, other: threading.Event) -> None:
        mine.set()
        found.append(other.wait(LONG / 4))

    threads = [
        threading.Thread(target=lambda one=one, two=two: take(Last(lambda: meet(one, two)), take()))
        for one, two in [(here, there), (there, here)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True, True]


def test_more_threads_than_there_are_places() -> None:
    count = 100
    begun, over = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        begun.release()
        over.wait(LONG)

    threads = [threading.Thread(target=lambda: take(Last(wait))) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=LONG)
    assert drops()
    over.set()
    for thread in threads:
        thread.join()
    assert drops()


def test_a_destructor_makes_and_drops_more() -> None:
    made: list[int] = []

    def more(left: int) -> None:
        made.append(left)
        target = take(take(left), Last(lambda: more(left - 1))) if left else None
        del target

    more(2000)
    assert made == [*range(2000, -1, -1)]
    assert drops()


def test_a_destructor_that_raises_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda given: seen.append(given.exc_type))
    token = Token()
    watch = weakref.ref(token)
    target = take(Last(lambda: 1 / 0), take(token), Last(lambda: 1 / 0))
    del token
    del target
    assert watch() is None
    assert seen == [ZeroDivisionError, ZeroDivisionError]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.posix_only
def test_a_child_frees_what_it_drops_if_a_thread_of_its_parent_was_in_a_destructor() -> None:
    begun, over = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        over.wait(LONG)

    slow = threading.Thread(target=lambda: take(Last(wait)))
    slow.start()
    assert begun.wait(LONG)
    if (child := os.fork()) == 0:
        os._exit(0 if drops() else 1)
    _, status = os.waitpid(child, 0)
    over.set()
    slow.join()
    assert status == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_destructor_may_fork() -> None:
    children: list[int] = []
    target = take(take(Last(lambda: children.append(os.fork()))))
    del target
    if children[-1] == 0:
        os._exit(0 if drops() else 1)
    assert os.waitpid(children[-1], 0)[1] == 0
    assert drops()


@pytest.mark.parametrize("kind", ["alone", "list", "received", "closure", "struct", "partial"])
def test_a_chain_of_any_length_is_freed_on_a_small_stack(interpreter: Callable[..., str], kind: str) -> None:
    """Whatever stands between its members: some containers have no guard of their own against their depth."""
    code = f"""
        import functools, threading
        import msgspec
        import cascade as cs
        from cascade._core.run.mailbox import Received

        class Struct(msgspec.Struct, frozen=True, gc=False):
            value: object

        @cs.task(mode="inline")
        def take(value):
            return value

        def closure(value):
            @cs.task(mode="inline")
            def nested():
                return value
            return nested()

        wrap = {{
            "alone": take,
            "list": lambda value: take([value]),
            "received": lambda value: take(Received.make(value, False, 0.0, None)),
            "closure": closure,
            "struct": lambda value: take(Struct(value)),
            "partial": lambda value: take(functools.partial(print, value)),
        }}[{kind!r}]

        def go():
            target = take(0)
            for _ in range(300_000):
                target = wrap(target)
            del target
            print("freed")

        threading.stack_size(1 << 19)
        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
    """
    assert interpreter(code) == "freed\n"


def test_what_a_destructor_drops_is_freed_while_it_runs() -> None:
    """It may run a whole program."""
    freed: list[bool] = []

    def inner() -> None:
        freed.append(drops())
        lazy = take(Last(lambda: freed.append(drops())))
        del lazy
        freed.append(drops())

    lazy = take(Last(inner))
    del lazy
    assert freed == [True, True, True]


def test_a_destructor_may_wait_for_the_end_of_what_it_drops() -> None:
    ended = threading.Event()
    waited: list[bool] = []

    def inner() -> None:
        lazy = take(Last(ended.set))
        del lazy
        waited.append(ended.is_set())

    lazy = take(Last(inner))
    del lazy
    assert waited == [True]
