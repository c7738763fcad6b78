"""Inspection of an expression without running it: its digest, tables, diagrams, JSON, and dry runs.

The functions are names of `cascade`; here are the parts of a `cascade.DryRun`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade._support.lazy_names import lazy_names

if TYPE_CHECKING:
    from cascade.inspect.dry_run import PlannedInput, PlannedLimit, PlannedNode, PlannedResource

__all__ = ["PlannedInput", "PlannedLimit", "PlannedNode", "PlannedResource"]

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, "cascade.inspect.dry_run"), __all__)
