"""The one place where the benchmarks reach below Cascade's public names."""

from __future__ import annotations

from typing import Any


def extract(target: Any) -> object:
    """Structure key and slots of `target`, and nothing else."""
    raise NotImplementedError


class Lookup:
    """Extraction, then the search for the template, as the engine does it at each tail call."""

    def __init__(self) -> None:
        raise NotImplementedError

    def __call__(self, target: Any) -> object:
        raise NotImplementedError


class Building:
    """Graph and plan of one expression's key, from nothing, each time it is called."""

    def __init__(self, target: Any) -> None:
        raise NotImplementedError

    def __call__(self) -> object:
        raise NotImplementedError


class Hydration:
    """Extraction, lookup, and the frame that they give."""

    def __init__(self) -> None:
        raise NotImplementedError

    def __call__(self, target: Any) -> object:
        raise NotImplementedError
