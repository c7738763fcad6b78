"""Trails: the async tasks that await what a node is a part of."""

from __future__ import annotations

from typing import TypeAlias

from cascade._core.shape.template import Template

__all__ = ["Trail"]

Trail: TypeAlias = tuple[tuple[Template, int], ...]
"""The nodes of async tasks that await what a node is a part of, from the outside in: (template, number of the node)."""
