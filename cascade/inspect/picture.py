"""The class of pictures, apart from the code that draws them."""

from __future__ import annotations

from msgspec import Struct

from cascade._support.notebooks import Types
from cascade._support.public import public
from cascade.inspect.mime import LONGEST, picture_bundle

__all__ = ["Picture"]


@public
class Picture(Struct, frozen=True, gc=False):
    """A picture of a template: its source text in two languages. A notebook shows it as a picture.

    Attributes:
        mermaid: the text for Mermaid, which Markdown pages show.
        dot: the text for Graphviz.
    """

    mermaid: str
    dot: str

    def _repr_mimebundle_(self, include: Types = None, exclude: Types = None) -> dict[str, str]:
        """What a notebook shows."""
        return picture_bundle(self._text, lambda: self, include, exclude)

    def _text(self) -> str:
        return self.mermaid if len(self.mermaid) <= LONGEST else f"<Picture of {len(self.mermaid):,} characters>"
