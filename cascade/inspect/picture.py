"""The class of pictures, apart from the code that draws them."""

from __future__ import annotations

from msgspec import Struct

from cascade._support.public import public

__all__ = ["Picture"]


@public
class Picture(Struct, frozen=True, gc=False):
    """A picture of a template: its source text in two languages.

    Attributes:
        mermaid: the text for Mermaid, which Markdown pages show.
        dot: the text for Graphviz.
    """

    mermaid: str
    dot: str
