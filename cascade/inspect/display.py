"""What lazy results and templates show themselves as in notebooks: pictures.

The core calls `display` through `cascade._core.expr.lazy.displayed_by`: it knows no pictures.
"""

from __future__ import annotations

from cascade._core.expr.lazy import LazyResult
from cascade._core.shape.extract import structure
from cascade._core.shape.template import Template
from cascade._support.notebooks import Types
from cascade.inspect.api import visualize
from cascade.inspect.mime import NODES, picture_bundle, too_many
from cascade.inspect.picture import Picture
from cascade.templates.cache import default_templates

__all__ = ["display"]

# Of a longer structure key no template is built: a node takes at least one token, and mostly eight.
TOKENS = 100 * NODES


def display(shown: LazyResult | Template, include: Types, exclude: Types) -> dict[str, str]:
    """Return what a notebook shows of a lazy result or of a template, by MIME type.

    Args:
        shown: the value of a cell.
        include: the types that are asked for; None, or empty: all.
        exclude: the types that are not; None: none.
    """
    return picture_bundle(lambda: repr(shown), lambda: _draw(shown), include, exclude)


def _draw(shown: LazyResult | Template) -> Picture | str:
    if isinstance(shown, LazyResult):
        key, _ = structure(shown)
        if len(key) > 4 * TOKENS:  # tokens of 32 bits
            return "no picture: the expression is too large to be drawn in a notebook; see cs.explain and cs.visualize"
        template: Template = default_templates.lookup(shown)
    else:
        template = shown
    return too_many(len(template.graph.nodes)) or visualize(shown)
