"""The identity of a callable: a digest of it as data, of the code that a call runs, and of the globals that this reads.

It is needed at every call of a task, and most functions are code only, which does not change. So the digest is cached
together with the objects it depends on, to find out at the next call whether it is still valid.
"""

from __future__ import annotations

import weakref
from array import array
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any

from cascade._core.expr.task import Task
from cascade.cache.fingerprint import Walk, fingerprint, home_of
from cascade.cache.functions import Codes, callable_code, description, holds_nothing
from cascade.cache.global_names import find_bound, find_globals
from cascade.cache.scalars import LEAVES, BoundFunction, Used
from cascade.cache.taught import teachings

__all__ = ["identity", "keyed_identity"]

FIXED = {BoundFunction, CodeType, FunctionType, Task, tuple}  # with parts that are visited on their own
CHANGING = (array, bytearray, memoryview)  # mutable leaves


class _TypeStandIn:
    """Stands for an object that counts by its class and cannot be weakly referenced."""

    __slots__ = ("type",)

    def __init__(self, kind: type) -> None:
        self.type = kind


class _BoundStandIn:
    """Stands for a function bound to arguments, without keeping them alive."""

    __slots__ = ("_args", "_fn")

    def __init__(self, bound: BoundFunction) -> None:
        self._fn = weakref.ref(bound.fn)
        self._args = [weakref.ref(value) for value in bound.args]

    def __call__(self) -> BoundFunction | None:
        """Return an equal bound function, or None if a part was collected, as a weak reference does."""
        args = []
        for reference in self._args:
            if (value := reference()) is None:
                return None
            args.append(value)
        return None if (fn := self._fn()) is None else BoundFunction(fn, tuple(args))

    def is_of(self, bound: BoundFunction) -> bool:
        """Whether it stands for this bound function."""
        if self._fn() is not bound.fn or len(self._args) != len(bound.args):
            return False
        return all(reference() is value for reference, value in zip(self._args, bound.args, strict=True))


# A function, alone or bound: a reference to it, one to its code, its description, and the stand-ins of the objects that
# it reads.
_Held = tuple[Any, Any, tuple[Any, ...], list[Any]]


class _Known:
    """A cached digest, with the objects it depends on.

    Attributes:
        digest: the digest.
        teachings: how many types had been taught then: one that is taught since may count otherwise.
    """

    __slots__ = ("_functions", "digest", "teachings")

    def __init__(self, digest: bytes, functions: list[_Held]) -> None:
        self._functions = functions  # the digested function first
        self.digest = digest
        self.teachings = teachings.count

    def holds(self, asked: FunctionType) -> bool:
        """Whether the digest is still valid, for a function with the same code."""
        met: FunctionType | BoundFunction | None = asked
        for fn, code, said, values in self._functions:
            if met is None and (met := fn()) is None:
                return False
            if isinstance(met, BoundFunction):
                if met.fn.__code__ is not code() or not _says(met.fn, said):
                    return False
                found = find_bound(met)
            else:
                if met.__code__ is not code() or not holds_nothing(met) or not _says(met, said):
                    return False
                found = find_globals(met)
            if len(found) != len(values):
                return False
            for (_, value), held in zip(found, values, strict=True):
                if value is not held and not _is_held(value, held):
                    return False
            met = None
        return True


def _says(fn: FunctionType, said: tuple[Any, ...]) -> bool:
    try:
        return description(fn) == said
    except Exception:  # annotations may raise anything when they are compared
        return False


def _is_held(value: Any, held: Any) -> bool:
    if type(held) is weakref.ref:
        return value is not None and held() is value  # a dead reference returns None
    if type(held) is _BoundStandIn:
        return type(value) is BoundFunction and held.is_of(value)
    return type(held) is _TypeStandIn and type(value) is held.type


_known: Codes[_Known] = Codes()


def identity(fn: Callable[..., Any], root: str) -> bytes:
    """Return the digest of a callable.

    Args:
        fn: the callable.
        root: its name in errors.

    Raises:
        CacheKeyError: it holds an object that cannot be hashed.
    """
    if not holds_nothing(fn):
        code = callable_code(fn)
        held = fingerprint(fn, root)
        return held if not code else fingerprint((held, *map(Used, code)))
    known = _known.get(fn.__code__)
    if known is not None and known.teachings == teachings.count and known.holds(fn):
        return known.digest
    walk = Walk(root)
    digest = walk.digest(fn)
    functions = _hold(fn, walk)
    if functions is not None:
        _known.add(fn.__code__, _Known(digest, functions))
    return digest


def keyed_identity(fn: Callable[..., Any], root: str) -> bytes:
    """Return the digest of a callable whose calls have a key of their own.

    Nothing that it holds is an error: an object that cannot be hashed counts by its class, and by the attributes of it
    that the code reads.

    Args:
        fn: the callable.
        root: its name in errors.
    """
    if holds_nothing(fn):
        return identity(fn, root)
    code = callable_code(fn)
    plain = code[0] if code else fn
    while not isinstance(plain, FunctionType):
        inner = getattr(plain, "__func__", None) or getattr(plain, "func", None) or getattr(plain, "fn", None)
        if inner is None:
            break
        plain = inner
    home = home_of(plain) if isinstance(plain, FunctionType) else ""
    return Walk(root, home=home).digest(Used((Used(fn), *map(Used, code))))


def _hold(asked: FunctionType, walk: Walk) -> list[_Held] | None:
    """Return the objects a digest depends on, as stand-ins; None: one may change in place."""
    if not walk.kinds <= FIXED:
        return None
    functions: list[_Held] = []
    for fn, found in walk.functions or [(asked, [])]:
        values = [_stand_in(value) for _, value in found]
        held = _stand_in(fn)
        plain = fn.fn if isinstance(fn, BoundFunction) else fn
        if held is None or None in values or not (isinstance(fn, BoundFunction) or holds_nothing(fn)):
            return None
        read = [value[0] for value in values if value]
        functions.append((held[0], weakref.ref(plain.__code__), description(plain), read))
    return functions


def _stand_in(value: Any) -> tuple[Any] | None:
    """Return a stand-in for an object, to compare it later; None: the object may change in place."""
    if type(value) in CHANGING or type(value) is tuple:  # a tuple cannot be weakly referenced
        return None
    if type(value) in LEAVES and type(value) is not ModuleType:
        return (value,)
    if type(value) is BoundFunction:
        try:
            return None if value.kwargs else (_BoundStandIn(value),)
        except TypeError:  # an argument cannot be weakly referenced
            return None
    try:
        return (weakref.ref(value),)
    except TypeError:
        return (_TypeStandIn(type(value)),)
