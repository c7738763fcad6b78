"""Where a node was written, in debug mode: file and line of the lazy result that it was made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cascade._core.expr.lazy import LazyResult
from cascade._core.shape.extract import structure
from cascade._core.shape.struct_layout import parts_of
from cascade._core.shape.template import Template
from cascade.graph.model import GraphTemplate, NodeRef

__all__ = ["site_of"]


def site_of(places: Iterable[tuple[LazyResult, Template, int]]) -> str:
    """Return where a node was written, as " (app.py:12)"; "" if that is not known.

    Args:
        places: the node, and those that it is beneath, from the inside out: the expression, its template, the number of
            the node in the graph. The core makes the calls of a map itself, so the place of such a call is the map's.
    """
    for expression, template, number in places:
        lazy = _find(expression, template.graph, number)
        if lazy is not None and lazy._site is not None:
            return " ({}:{})".format(*lazy._site)
    return ""


def _find(expression: LazyResult, graph: GraphTemplate, number: int) -> LazyResult | None:
    """Return the lazy result of a node. The extraction leaves its prefix number in each lazy result."""
    structure(expression)
    wanted = expression._mark[0], _prefix_number(graph, number)
    seen: set[int] = set()
    stack: list[Any] = [expression]
    while stack:
        part = stack.pop()
        if type(part) is LazyResult:
            if part._mark == wanted:
                return part
            if part._serial in seen:
                continue
            seen.add(part._serial)
            stack += part._content()[2]
        elif id(part) not in seen and (parts := parts_of(part)):
            seen.add(id(part))
            stack += parts
    return None


def _prefix_number(graph: GraphTemplate, number: int) -> int:
    """Return the number of a node in prefix order, by its number in post-order."""
    seen: set[int] = set()
    stack = [len(graph.nodes) - 1]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        if node == number:
            break
        seen.add(node)
        stack += [ref.index for ref in reversed(graph.nodes[node].operands) if type(ref) is NodeRef]
    return len(seen)
