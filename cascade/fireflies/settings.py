"""What a show is asked for, checked all at once before anything starts."""

from __future__ import annotations

import math
import os
from numbers import Real
from pathlib import Path
from typing import Any

import msgspec

from cascade.exceptions import CascadeError, TemplateError

LARGEST_SIDE = 1000
_SEEN_BY = 8


class SettingsError(CascadeError, ValueError):
    """Something asked for cannot be had; `problems` has one line for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a show is asked for; times in seconds of model time.

    >>> Settings(side=10).check()
    >>> Settings(side=0, nudge=-1.0).check()
    Traceback (most recent call last):
        ...
    cascade.fireflies.settings.SettingsError: --side: expected a whole number from 1 to 1000, got 0
    --nudge: expected a fraction of the period, 0 or more, got -1.0
    """

    side: int = 30
    """Fireflies in a row of the square; `side` x `side` in all."""
    period: float = 5.0
    """From flash to flash of a firefly that is alone."""
    refractory: float = 1.0
    """How long a firefly sees nothing after its own flash; below `period`."""
    nudge: float = 0.2
    """How far a flash that is seen moves the phase on; a fraction of the period."""
    duration: float = 60.0
    """How long the show lasts."""
    jitter: float = 0.0
    """By how much a cycle is longer or shorter at most."""
    seed: int | None = None
    """Of the first phases and of the jitter; None: another one each time."""
    json: Path | None = None
    """Where the summary goes."""
    plot: Path | None = None
    """Where the picture of R and of the flashes goes (PNG)."""
    templates: Path | None = None
    """A file of templates: to start warm from, and to add to at the end."""
    quantum: float = 0.001
    """The engine's: how long one run may keep the loop; wall seconds."""

    def check(self) -> None:
        """Raise `SettingsError` with all that is wrong, if anything is."""
        problems = [*_wrong_numbers(self), *_wrong_files(self)]
        if problems:
            raise SettingsError(problems)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong_numbers(asked: Settings) -> list[str]:
    problems = []

    def expect(option: str, holds: bool, expected: str, came: object) -> bool:
        if not holds:
            problems.append(f"--{option}: expected {expected}, got {came!r}")
        return holds

    side, period, nudge, refractory = asked.side, asked.period, asked.nudge, asked.refractory
    expect("side", _is_whole(side) and 1 <= side <= LARGEST_SIDE, f"a whole number from 1 to {LARGEST_SIDE}", side)
    beats = expect("period", _is_number(period) and period > 0, "seconds, more than 0", period)
    rests = expect("refractory", _is_number(refractory) and refractory >= 0, "seconds, 0 or more", refractory)
    if beats and rests:
        rests = expect("refractory", refractory < period, f"less than --period ({period!r})", refractory)
    nudges = expect("nudge", _is_number(nudge) and nudge >= 0, "a fraction of the period, 0 or more", nudge)
    if rests and nudges and refractory == 0 and nudge * _SEEN_BY >= 1:
        # Eight neighbours that flash at once would make a firefly flash again at that instant, and it them, for ever.
        expect("refractory", False, f"more than 0 with a --nudge of 1/{_SEEN_BY} or more ({nudge!r})", refractory)
    expect("duration", _is_number(asked.duration) and asked.duration > 0, "seconds, more than 0", asked.duration)
    jitters = expect("jitter", _is_number(asked.jitter) and asked.jitter >= 0, "seconds, 0 or more", asked.jitter)
    if jitters and beats:
        expect("jitter", asked.jitter < period, f"less than --period ({period!r})", asked.jitter)
    expect("seed", asked.seed is None or _is_whole(asked.seed), "a whole number", asked.seed)
    expect("quantum", _is_number(asked.quantum) and asked.quantum >= 0, "seconds, 0 or more", asked.quantum)
    return problems


def _wrong_files(asked: Settings) -> list[str]:
    problems = []
    for option, path in (("json", asked.json), ("plot", asked.plot)):
        if path is not None and (reason := _unwritable(path)):
            problems.append(f"--{option}: expected a file that can be written, got {str(path)!r}: {reason}")
    if asked.templates is not None and (reason := _unusable(asked.templates)):
        problems.append(f"--templates: expected a file of templates or no file, got {str(asked.templates)!r}: {reason}")
    if asked.json is not None and asked.plot is not None and asked.json.absolute() == asked.plot.absolute():
        problems.append(f"--plot: expected another file than --json, got {str(asked.plot)!r} for both")
    return problems


def _unusable(path: Path) -> str | None:
    """Why a file cannot be one of templates, or None."""
    from cascade.graph.file import TemplateFile

    if reason := _unwritable(path):
        return reason
    try:
        if path.exists():
            TemplateFile(path).close()
    except (OSError, TemplateError) as error:
        return str(error)
    return None


def _unwritable(path: Path) -> str | None:
    """Why a file cannot be written, or None; leaves nothing behind and changes nothing."""
    there = os.path.lexists(path)
    try:
        with path.open("ab"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None
