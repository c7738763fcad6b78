"""Values whose end calls a function: one of every kind of destructor that Python has.

Each function takes a call without arguments and returns a value. The call is made once, when the value goes.
"""

from __future__ import annotations

import contextlib
import threading
import types
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

Call = Callable[[], None]


class Thing:
    """Something that can be referred to weakly, and holds anything."""

    def __init__(self, *held: object) -> None:
        self.held: tuple[object, ...] = held


class _Deleted(Thing):
    call: Call

    def __del__(self) -> None:
        self.call()


def deleted(call: Call) -> object:
    """`__del__`."""
    value = _Deleted()
    value.call = call
    return value


def finalized(call: Call) -> object:
    """`weakref.finalize`."""
    value = Thing()
    weakref.finalize(value, call).atexit = False
    return value


_references = set[weakref.ref[Thing]]()


def referred(call: Call) -> object:
    """The callback of a weak reference."""

    def gone(reference: weakref.ref[Thing]) -> None:
        _references.discard(reference)
        call()

    value = Thing()
    _references.add(weakref.ref(value, gone))
    return value


def generator(call: Call) -> object:
    """The `finally` of a suspended generator."""

    def suspended() -> Iterator[None]:
        try:
            yield
        finally:
            call()

    value = suspended()
    next(value)
    return value


@types.coroutine
def _suspend() -> Generator[None, None, None]:
    yield


def coroutine(call: Call) -> object:
    """The `finally` of a suspended coroutine: not by itself, as a coroutine that a task returns is awaited."""

    async def suspended() -> None:
        try:
            await _suspend()
        finally:
            call()

    value = suspended()
    value.send(None)
    return Thing(value)


def async_generator(call: Call) -> object:
    """The `finally` of a suspended asynchronous generator, which its event loop may close, or else its end does."""

    async def suspended() -> AsyncIterator[None]:
        holder = deleted(call)
        yield
        del holder

    value = suspended()
    with contextlib.suppress(StopIteration):
        value.__anext__().__await__().send(None)  # type: ignore[attr-defined]
    return value


def cycle(call: Call) -> object:
    """A cycle, which the garbage collector finds in any allocation."""
    value = _Deleted()
    value.call = call
    value.held = (value,)
    return value


class _Manager:
    def __init__(self, call: Call) -> None:
        self.stack = contextlib.ExitStack()
        self.stack.callback(call)

    def __del__(self) -> None:
        self.stack.close()


def manager(call: Call) -> object:
    """The exit of a context manager."""
    return _Manager(call)


class _Iterator:
    def __init__(self, call: Call) -> None:
        self.call: Call | None = call
        self.left = 3

    def __iter__(self) -> _Iterator:
        return self

    def __next__(self) -> int:
        if self.left == 0:
            self.end()
            raise StopIteration
        self.left -= 1
        return self.left

    def end(self) -> None:
        call, self.call = self.call, None
        if call is not None:
            call()

    __del__ = end


def iterator(call: Call) -> Iterator[int]:
    """The end of an iterator, for the inputs of a map: after three items, or when it goes."""
    return _Iterator(call)


def error(call: Call) -> object:
    """The local variable of a frame in the traceback of an exception."""

    def fail(holder: object) -> None:
        raise ValueError("kept with its traceback")

    try:
        fail(deleted(call))
    except ValueError as kept:
        return kept
    raise AssertionError


def local(call: Call) -> object:
    """A thread-local variable, gone with the thread."""
    data = threading.local()
    data.value = deleted(call)
    return data


class _Owner:
    def __init__(self, value: object) -> None:
        self.values = {1: [value], 2: {"deep": (value,)}}


def deep(call: Call) -> object:
    """Far inside of other containers."""
    return _Owner(deleted(call))


def slice_(call: Call) -> Any:
    """Inside of a builtin object that the collector does not know by name."""
    return slice(deleted(call), None, None)


KINDS: list[Callable[[Call], object]] = [
    deleted, finalized, referred, generator, coroutine, async_generator, cycle, manager, iterator, error, local, deep,
    slice_,
]  # fmt: skip
