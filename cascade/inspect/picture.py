"""What a picture of a template is."""

from __future__ import annotations

from msgspec import Struct

from cascade._support.public import public

__all__ = ["Picture"]


@public
class Picture(Struct, frozen=True, gc=False):
    """A picture of a template: its source text in two languages."""

    mermaid: str
    dot: str
