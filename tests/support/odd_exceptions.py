"""Exceptions that are unlike others, and tasks that raise them: for the loop, for threads, and for worker processes."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cascade as cs


class ApiError(Exception):
    """What most failures here are at least."""


class Empty(ApiError):
    def __init__(self, *problems: object) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __len__(self) -> int:
        return len(self.problems)


class NoTruth(ApiError):
    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


class Unhashable(ApiError):
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")


class EqualToAll(ApiError):
    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 1


@dataclass(frozen=True)
class Frozen(ApiError):
    code: int = 7


class Keyword(ApiError):
    def __init__(self, status: int, *, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status


class TwoArguments(ApiError):
    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status


class Doubled(ApiError):
    """Unpickled it would have another text."""

    def __init__(self, status: str, body: str = "none") -> None:
        super().__init__(f"{status}: {body}")


class Holds(ApiError):
    """Not picklable as it is."""

    def __init__(self, text: str = "it holds a lock") -> None:
        super().__init__(text)
        self.lock = threading.Lock()
        self.status = 404


class Lock:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __repr__(self) -> str:
        return "a lock"


class HoldsInArgs(ApiError):
    def __init__(self) -> None:
        super().__init__(Lock())


class Slots(ApiError):
    __slots__ = ("__hidden", "status")

    def __init__(self) -> None:
        super().__init__("in slots")
        self.status = 404
        self.__hidden = "found"

    @property
    def hidden(self) -> str:
        return self.__hidden


class RefusesAttributes(ApiError):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("no attributes")


class RefusesNotes(ApiError):
    def add_note(self, note: str) -> None:
        raise RuntimeError("no notes")


class ExitsAtNotes(ApiError):
    def add_note(self, note: str) -> None:
        sys.exit("at a note")


class NotesNoList(ApiError):
    __notes__ = None  # type: ignore[assignment]


class NotesTuple(ApiError):
    def __init__(self) -> None:
        super().__init__()
        self.__notes__ = ("own",)  # type: ignore[assignment]


class Mute(ApiError):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class ExitsAsText(ApiError):
    def __str__(self) -> str:
        sys.exit("as text")


class Garbage(ApiError):
    def __reduce__(self) -> Any:
        return (dict, ())


class GarbageText(ApiError):
    def __reduce__(self) -> Any:
        return "nowhere"


class ReduceRaises(ApiError):
    def __reduce__(self) -> Any:
        raise RuntimeError("not pickled")


class ReduceExits(ApiError):
    def __reduce__(self) -> Any:
        return (sys.exit, ("unpickled",))


class SetStateRaises(ApiError):
    def __setstate__(self, state: object) -> None:
        raise RuntimeError("no state")

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.status = 404


class NewRaises(ApiError):
    def __new__(cls, *args: object, made: bool = False) -> NewRaises:
        if not made:
            raise RuntimeError("not made so")
        return super().__new__(cls, *args)

    def __init__(self, *args: object, made: bool = False) -> None:
        super().__init__(*args)


class Stop(ApiError, StopIteration):
    """What a coroutine cannot let out as itself."""


class WithOs(OSError, ApiError):
    def __init__(self, path: str) -> None:
        super().__init__(2, "no such thing", path)


class Group(ExceptionGroup[Exception]):
    def __new__(cls, message: str, errors: list[Exception], *, extra: int = 0) -> Group:
        found = super().__new__(cls, message, errors)
        found.extra = extra
        return found

    def __init__(self, *args: object, extra: int = 0) -> None:
        super().__init__(*args)

    def derive(self, errors: Any) -> Any:
        raise RuntimeError("not derived")


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def new_raises() -> BaseException:
    return NewRaises("made", made=True)


def local() -> BaseException:
    class Local(TwoArguments):
        pass

    return Local(404, "local")


def local_os() -> BaseException:
    class LocalOs(OSError):
        pass

    return LocalOs(2, "local")


def chain() -> BaseException:
    error: BaseException = Empty()
    for _ in range(105):
        error = caused(Keyword(1, body="x"), error)
    return error


class NoAttributes(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("no attributes")


class OwnTraceback(Exception):
    @property
    def __traceback__(self) -> Any:
        raise AttributeError("of what it wraps")


MAKE: dict[str, Callable[[], BaseException]] = {
    "empty": Empty,
    "no truth": NoTruth,
    "unhashable": Unhashable,
    "equal to all": EqualToAll,
    "frozen": Frozen,
    "keyword": lambda: Keyword(429, body="slow down"),
    "two arguments": lambda: TwoArguments(404, "no such thing"),
    "doubled": lambda: Doubled("404", "gone"),
    "holds": Holds,
    "holds in args": HoldsInArgs,
    "slots": Slots,
    "refuses attributes": RefusesAttributes,
    "refuses notes": RefusesNotes,
    "exits at notes": ExitsAtNotes,
    "notes no list": NotesNoList,
    "notes tuple": NotesTuple,
    "mute": Mute,
    "exits as text": ExitsAsText,
    "garbage": Garbage,
    "garbage text": lambda: GarbageText("x"),
    "reduce raises": lambda: ReduceRaises("x"),
    "reduce exits": lambda: ReduceExits("x"),
    "set state raises": lambda: SetStateRaises("x"),
    "new raises": new_raises,
    "os": lambda: WithOs("/nowhere"),
    "cause": lambda: caused(Empty(), Keyword(1, body="cause")),
    "chain": chain,
    "huge": lambda: ApiError("x" * 3_000_000),
}

GROUPS: dict[str, Callable[[], BaseException]] = {
    "group": lambda: ExceptionGroup("several", [Empty(), Holds(), Frozen(), Keyword(1, body="x")]),
    "own group": lambda: Group("own", [Mute(), ExceptionGroup("inner", [Unhashable(), Garbage()])], extra=3),
}


# What is no `Exception`.
ENDS: dict[str, Callable[[], BaseException]] = {
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "cancelled": asyncio.CancelledError,
    "mute to the end": lambda: MuteToTheEnd(),  # its class is below
}


def odd(name: str) -> None:
    raise {**MAKE, **GROUPS, "local": local, "local os": local_os, "stop": Stop, **ENDS}[name]()


@cs.task
async def odd_async(name: str) -> None:
    odd(name)


@cs.task(mode="inline")
def odd_coroutine(name: str) -> Any:
    return odd_async.fn(name)


@cs.task(mode="thread")
def odd_thread_coroutine(name: str) -> Any:
    return odd_async.fn(name)


odd_inline = cs.task(odd, mode="inline")
odd_thread = cs.task(odd, mode="thread")
odd_auto = cs.task(odd, mode="auto")
odd_process = cs.task(odd, mode="process")

EVERYWHERE = {
    "inline": odd_inline,
    "thread": odd_thread,
    "auto": odd_auto,
    "async": odd_async,
    "coroutine": odd_coroutine,
    "thread coroutine": odd_thread_coroutine,
    "process": odd_process,
}


# -- values of worker processes --------------------------------------------------------------------------------


class UnpicklingRaises:
    def __reduce__(self) -> Any:
        return (raise_mute, ())


class UnpicklingExits:
    def __reduce__(self) -> Any:
        return (sys.exit, ("unpickled",))


class PicklingExits:
    def __reduce__(self) -> Any:
        sys.exit("pickled")


def raise_mute() -> None:
    raise Mute


class MuteToTheEnd(BaseException):
    """Also Ctrl-C in its text is no more than a failure of a call."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


def raise_mute_to_the_end() -> None:
    raise MuteToTheEnd


class Unpickling:
    """What calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


class StateExits:
    def __setstate__(self, state: object) -> None:
        sys.exit("state set")

    def __getstate__(self) -> object:
        return {"some": "state"}


class StateInterrupts:
    def __getstate__(self) -> object:
        raise KeyboardInterrupt


class Nonsense:
    def __reduce_ex__(self, protocol: Any) -> Any:
        return (1, 2, 3, 4, 5, 6, 7)


class Named(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        sys.exit("named")


class NameExits(metaclass=Named):
    def __reduce__(self) -> Any:
        raise ValueError("not pickled")


def begun_coroutine() -> Any:
    @types.coroutine
    def stubborn() -> Any:
        try:
            yield
        finally:
            sys.exit("closed")

    async def begun() -> None:
        await stubborn()

    coroutine = begun()
    coroutine.send(None)
    return coroutine


VALUES: dict[str, Callable[[], object]] = {
    "unpickling raises": UnpicklingRaises,
    "unpickling exits": UnpicklingExits,
    "pickling exits": PicklingExits,
    "state exits": StateExits,
    "state interrupts": StateInterrupts,
    "nonsense": Nonsense,
    "name exits": NameExits,
    "mute to the end": lambda: Unpickling(raise_mute_to_the_end),
    "begun coroutine": begun_coroutine,
    "lock": threading.Lock,
    "local": lambda: lambda: None,
    "coroutine": lambda: odd_async.fn("empty"),
}


@cs.task(mode="process")
def give(name: str) -> object:
    return VALUES[name]()


ARGUMENTS: dict[str, Callable[[], object]] = {
    "exit": lambda: Arrives("exit"),
    "interrupt": lambda: Arrives("interrupt"),
    "cancelled": lambda: Arrives("cancelled"),
    "mute to the end": lambda: Arrives("mute to the end"),
    "state exits": StateExits,
    "pickling exits": PicklingExits,
}


class Arrives:
    """An argument that cannot be unpickled in a worker."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        return (arrive, (self.how, os.getpid()))


def arrive(how: str, pid: int) -> Arrives:
    if pid != os.getpid():
        odd(how)
    return Arrives(how)


@cs.task(mode="process")
def take(given: object) -> object:
    return given


class LeavesAtOnce(ApiError):
    """To unpickle it ends the process, and so does the trial of that in the worker."""

    def __reduce__(self) -> Any:
        return (os._exit, (7,))


class HoldsAnEnd(ApiError):
    """It cannot be pickled whole, and a part of it not be unpickled."""

    def __init__(self, end: Callable[..., Any] = sys.exit) -> None:
        super().__init__("held")
        self.status = 404
        self.end = Unpickling(end, 7)
        self.lock = threading.Lock()


@cs.task(mode="process")
def leave(how: str) -> None:
    raise {"whole": LeavesAtOnce, "part": lambda: HoldsAnEnd(os._exit), "exit": HoldsAnEnd}[how]()


@cs.task(mode="process")
def wait_for_file(path: str, begun: str | None = None) -> str:
    """Until there is a file, or the directory in which it would be is gone."""
    import time
    from pathlib import Path

    if begun is not None:
        Path(begun).touch()

    while not Path(path).exists() and Path(path).parent.exists():
        time.sleep(0.002)
    return "held"
