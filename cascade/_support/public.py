"""Public names: where users find a class or function, whatever file it is written in.

A traceback, a pickle and `help` then say `cascade.Engine`, which stays when files move.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

__all__ = ["public", "public_in"]

Thing = TypeVar("Thing")


def public(thing: Thing) -> Thing:
    """Mark a class or function as found in `cascade`. Used as a decorator, outermost."""
    return public_in("cascade")(thing)


def public_in(module: str) -> Callable[[Thing], Thing]:
    """Return a decorator like `public`, for what is found in another module.

    Args:
        module: its name, such as "cascade.testing".
    """

    def mark(thing: Thing) -> Thing:
        if hasattr(thing, "__struct_fields__"):
            _resolve(thing)
        thing.__module__ = module
        return thing

    return mark


def _resolve(struct: Any) -> None:
    """Make types of the annotations of a struct: msgspec looks names up in its `__module__`, when it first decodes."""
    with contextlib.suppress(NameError):  # names for type checkers only: it is never decoded
        hints = get_type_hints(struct, include_extras=True)
        struct.__annotations__ = {name: hints[name] for name in struct.__annotations__}
