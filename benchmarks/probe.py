"""The one place where the benchmarks reach below Cascade's public names."""

from __future__ import annotations

from operator import is_
from typing import Any

from cascade import Engine, Templates
from cascade._core.shape.extract import structure


class Nothing:
    """What a step costs to be called: for the difference."""

    steps = 0

    def __init__(self) -> None:
        self._take: Any = is_

    def __call__(self, target: Any) -> object:
        return self._take(target, self.steps)


class _Steps(Nothing):
    """The first steps of a run, taken by an engine that is warm and never runs anything."""

    def __init__(self) -> None:
        self._take = Engine()._driver.scheduler.rehearse


class Extraction(_Steps):
    """Structure key and slots, in a work space that is used again, as the engine does it at each tail call."""

    steps = 1


class Lookup(_Steps):
    """Extraction, then the search for the template."""

    steps = 2


class Hydration(_Steps):
    """Extraction, lookup, and a frame that is made for it; a tail call to the same shape even keeps the frame."""

    steps = 3


class Building:
    """Graph and plan of one expression's key, from nothing, each time it is called."""

    def __init__(self, target: Any) -> None:
        self._key, _ = structure(target)
        self._templates = Templates()

    def __call__(self) -> object:
        return self._templates.make(self._key)
