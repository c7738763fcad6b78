"""The type variables of public classes and functions. To a type checker they have defaults: `Run` is ``Run[Any]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, TypeVar

    P = ParamSpec("P", default=...)
    R_co = TypeVar("R_co", covariant=True, default=Any)
    M = TypeVar("M", default=Any)
else:
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R_co = TypeVar("R_co", covariant=True)
    M = TypeVar("M")

__all__ = ["M", "P", "R_co"]
