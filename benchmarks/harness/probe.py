"""The only file of the benchmarks that uses more than Cascade's public names."""

from __future__ import annotations

from operator import is_
from pathlib import Path
from typing import Any

from cascade import Engine, Templates
from cascade._core.shape.extract import structure


class Nothing:
    """The cost of the call of a step, to subtract it."""

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
    """Structure key and slots, in a reused work space, as in the engine at each tail call."""

    steps = 1


class Lookup(_Steps):
    """Extraction, then the look-up of the template."""

    steps = 2


class Hydration(_Steps):
    """Extraction, look-up, and a new frame. (A tail call to the same shape reuses the frame.)"""

    steps = 3


class Building:
    """Graph and plan of the key of one expression, made anew in each call."""

    def __init__(self, target: Any) -> None:
        self._key, _ = structure(target)
        self._templates = Templates()

    def __call__(self) -> object:
        return self._templates.make(self._key)


def with_files_of(other: Templates, **options: Any) -> Templates:
    """Empty templates that look into the files that `other` has opened, without opening them again.

    Opening sweeps the processor's caches: done for each look-up, its effect would be in the time of the look-up.
    """
    templates = Templates(**options)
    templates.files = other.files
    return templates


def bytes_of_one_template(path: Path) -> int:
    """Bytes in a file of one template that belong to this template: its encoding, and its entry in the index."""
    from cascade.templates.reader import TemplateFile

    (entry,) = TemplateFile(path)
    return entry.size + 64
