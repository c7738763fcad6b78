"""Public names: the module in which users find a class or function, whatever file defines it.

Tracebacks, pickles and `help` then use a name such as `cascade.Engine`, which stays valid when files move.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, get_type_hints

from cascade._support.boundary import boundary

__all__ = ["public", "public_in", "shown_as"]

Thing = TypeVar("Thing")


def public(thing: Thing) -> Thing:
    """Mark a class or function as public in `cascade`. Used as the outermost decorator.

    A function becomes a `boundary`. The methods of a class are made that one by one: the engine calls some very often.
    """
    if isinstance(thing, FunctionType):
        thing = boundary(thing)
    return public_in("cascade")(thing)


def public_in(module: str) -> Callable[[Thing], Thing]:
    """Return a decorator like `public`, for another public module.

    Args:
        module: the name of the public module, such as "cascade.testing".
    """

    def mark(thing: Thing) -> Thing:
        if hasattr(thing, "__struct_fields__"):
            _resolve(thing)
        thing.__module__ = module
        return thing

    return mark


Error = TypeVar("Error", bound=type[BaseException])


def shown_as(base: type[BaseException]) -> Callable[[Error], Error]:
    """Return a decorator for an exception class that is one of its bases to users: by name, and in pickles.

    Such a class only adds another base, or tells Cascade something. No user needs its name, and files move.

    Args:
        base: the base, which is public.
    """

    def __reduce__(self: BaseException) -> tuple[Any, ...]:
        reduced: Any = base.__reduce__(self)  # the class, its arguments, and perhaps its attributes
        return base, *reduced[1:]

    def mark(kind: Error) -> Error:
        kind.__module__ = base.__module__
        kind.__name__ = base.__name__
        kind.__qualname__ = base.__qualname__
        kind.__reduce__ = __reduce__  # type: ignore[method-assign,assignment]
        return kind

    return mark


def _resolve(struct: Any) -> None:
    """Resolve the annotations of a struct: msgspec would look their names up in its `__module__`, which changes."""
    with contextlib.suppress(NameError):  # imported for type checkers only: such a struct is never decoded
        hints = get_type_hints(struct, include_extras=True)
        struct.__annotations__ = {name: hints[name] for name in struct.__annotations__}
