"""What all tests of limits have in common."""

from __future__ import annotations

from support.limit_fixtures import limits, make, timers

__all__ = ["limits", "make", "timers"]
