"""Values that are awkward to carry, and a form of any value that can be compared."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

import cascade as cs

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
_counter = itertools.count()
_NUMBERS = (bool, int, float, complex)


class HostileError(Exception):
    """What a `Hostile` raises: whoever sees it has compared, counted, hashed or iterated a user's value."""


class Hostile:
    """A value that may be carried and held by identity, and answers nothing else."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: int | None = None) -> None:
        self.number = next(_counter) if number is None else number
        """What it is told apart by, also in another process."""

    def _refuse(self, *args: object) -> object:
        raise HostileError("a user's value was asked something")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse  # type: ignore[assignment]
    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = _refuse  # type: ignore[assignment]
    __int__ = __float__ = __index__ = __call__ = __await__ = _refuse  # type: ignore[assignment]
    __enter__ = __exit__ = __reversed__ = __next__ = __reduce_ex__ = _refuse  # type: ignore[assignment]
    __copy__ = __deepcopy__ = __str__ = __format__ = _refuse  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Hostile()"


class HostileKey(Hostile):
    """A hostile value that can be a dict key or a set's member: it hashes, and compares by identity only."""

    def __hash__(self) -> int:
        return id(self) >> 4

    def __eq__(self, other: object) -> bool:
        return self is other


class Point(msgspec.Struct, frozen=True):
    """A frozen struct, which lazy results nest in."""

    x: object
    y: object


class Pair(NamedTuple):
    """A named tuple, which lazy results nest in."""

    x: object
    y: object


@dataclass(frozen=True)
class Card:
    """A frozen dataclass, which lazy results nest in."""

    x: object
    y: object


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """Like `Point`, with keyword-only fields and a default."""

    y: object
    x: object = None


def canonical(value: object, *, loose: bool = False) -> object:
    """Give a hashable form, equal for two values exactly when they are of the same types and contents.

    `loose` lets numbers that are equal be equal: which of 1 and True a set keeps depends on who came first.
    Whatever is not built from plain values and exact containers is the same as itself only.
    """
    kind = type(value)
    if loose and kind in _NUMBERS:
        return ("number", repr(complex(value)))  # type: ignore[call-overload]
    if kind in _PLAIN:
        return (kind.__name__, repr(value))
    if kind in (list, tuple):
        return (kind.__name__, tuple(canonical(item, loose=loose) for item in value))  # type: ignore[attr-defined]
    if kind in (set, frozenset):
        members = (canonical(item, loose=True) for item in value)  # type: ignore[attr-defined]
        return (kind.__name__, tuple(sorted(members, key=repr)))
    if kind is dict:
        pairs = value.items()  # type: ignore[attr-defined]
        return ("dict", tuple((canonical(key), canonical(item, loose=loose)) for key, item in pairs))
    if kind in (Point, Spot):
        fields = (getattr(value, name) for name in kind.__struct_fields__)  # type: ignore[attr-defined]
        return (kind.__name__, tuple(canonical(item, loose=loose) for item in fields))
    if kind in (Pair, Card):
        return (kind.__name__, canonical(value.x, loose=loose), canonical(value.y, loose=loose))  # type: ignore[attr-defined]
    if kind is cs.LazyResult or kind.__module__ == "language.descriptions":
        return ("LazyResult",)  # as data: what it would be evaluated to is the oracle's to say
    if isinstance(value, BaseException):
        return failure(value)
    if kind is cs.Outcome:
        error = None if value.error is None else failure(value.error)  # type: ignore[attr-defined]
        return ("Outcome", canonical(value.value) if value.ok else None, error, value.skipped)  # type: ignore[attr-defined]
    if kind in (Hostile, HostileKey):
        return (kind.__name__, value.number)  # type: ignore[attr-defined]
    if kind in (type, type(len)):
        return (kind.__name__, value.__qualname__)  # type: ignore[attr-defined]
    if value is cs.SKIPPED:
        return ("SKIPPED",)
    return ("object", id(value))


def leaves(error: BaseException) -> list[BaseException]:
    """Give the single errors in an error that may be a group."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for part in error.exceptions for leaf in leaves(part)]


def failure(error: BaseException) -> object:
    """Give what two errors must have in common to be the same: types, and the arguments of what is not Cascade's."""
    kind = type(error).__name__
    if type(error) is TypeError or isinstance(error, cs.CascadeError):
        return (kind,)  # Python words them differently from version to version
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration | StopAsyncIteration):
        return (kind, failure(error.__cause__))
    if isinstance(error, BaseExceptionGroup):
        return (kind, tuple(map(failure, error.exceptions)))
    return (kind, canonical(error.args))


# Names of tasks and arguments, with characters that a format of keys might take for its own.
NAMES = [
    "a",
    "b",
    "ab",
    "a,b",
    "a b",
    "",
    " ",
    "a=1",
    "self",
    "args",
    "é",
    "e\u0301",
    "\0",
    "a\0",
    "\n",
    "日本",
    "\ud800",
]
