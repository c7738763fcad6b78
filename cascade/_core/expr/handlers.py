"""Handlers of the engine's own. In Python, so that they are hashed and pickled by name, as functions are."""

from __future__ import annotations

__all__ = ["itself"]


def itself(error: Exception) -> Exception:
    """Return the failure: it is the value."""
    return error
