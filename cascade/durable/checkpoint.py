"""The state of a run at a tail call."""

from __future__ import annotations

from typing import Any

import msgspec

from cascade._support.public import public_in

__all__ = ["Boundary"]


@public_in("cascade.protocols")
class Boundary(msgspec.Struct, frozen=True):
    """The state of a run between two iterations: the expression that a tail call has returned.

    Attributes:
        run: the number of the run.
        iteration: the number of the iteration that begins here; the first tail call begins iteration 1.
        digest: the digest of the expression's template, in hexadecimal: it identifies the shape.
        slots: the data of the expression, in the order of the slots of the template.
    """

    run: int
    iteration: int
    digest: str
    slots: tuple[Any, ...]
