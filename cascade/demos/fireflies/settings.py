"""The settings of a show, checked all at once before it starts."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from numbers import Real
from pathlib import Path
from typing import Any

import msgspec

import cascade as cs
from cascade.demos.fireflies.topology import check_size, parse

__all__ = ["MODELS", "MOST", "Settings", "SettingsError"]

MOST = 1_000_000
"""The maximum number of agents of a show."""
MODELS = ("additive", "mirollo-strogatz", "cellular")
_SIDE = 30
_SHORTEST, _LONGEST = 1e-6, 1e9  # seconds that a clock of whole nanoseconds can tell apart, and can count up to
_SLOWEST, _FASTEST = 1e-6, 1e6
_MOST_STATES = 1000
_STEEPEST = 100  # e to its power is a number still

# Settings of some models only.
_OWN = {
    "refractory": ("additive",),
    "nudge": ("additive", "mirollo-strogatz"),
    "jitter": ("additive",),
    "dissipation": ("mirollo-strogatz",),
    "states": ("cellular",),
}


class SettingsError(cs.CascadeError, ValueError):
    """Settings are not valid; `problems` has one line for each that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a show; times in seconds of model time. Settings of other models must be None.

    >>> Settings(side=10).check()
    >>> Settings(side=0, nudge=-1.0).check()
    Traceback (most recent call last):
        ...
    cascade.demos.fireflies.SettingsError: --side must be an int from 1 to 1000, got 0
    --nudge must be a fraction of the period >= 0, got -1.0
    """

    model: str = "additive"
    """How a flash affects a neighbour: one of `MODELS`."""
    topology: str = "torus8"
    """Which fireflies see each other: one of `cascade.demos.fireflies.topology.KINDS`."""
    agents: int | None = None
    """The number of agents; None: `side` x `side`."""
    side: int | None = None
    """The square root of the number of agents; None: that of `agents`, or 30."""
    period: float = 5.0
    """The time from flash to flash of a firefly that is alone."""
    refractory: float | None = None
    """How long a firefly sees nothing after its own flash; below `period`; None: a fifth of it."""
    nudge: float | None = None
    """The effect of a flash that is seen. Additive: by how much it advances the phase, as a fraction of the period;
    None: 0.2. Mirollo-Strogatz: by how much it raises f; None: 0.1."""
    dissipation: float | None = None
    """The curvature of f; None: 3."""
    states: int | None = None
    """The number of states of a cell; None: 6."""
    duration: float = 60.0
    """The duration of the show."""
    jitter: float | None = None
    """The maximum by which a cycle is longer or shorter; None: 0."""
    seed: int | None = None
    """Of the first phases, of the jitter and of a random topology; None: a random one."""
    virtual: bool = False
    """Whether time is virtual: the show runs as fast as it can."""
    speed: float | None = None
    """Seconds of model time for one second of real time; None: 1."""
    trace: bool = False
    """Whether to hash all flashes."""
    json: Path | None = None
    """The file for the summary."""
    plot: Path | None = None
    """The file for the picture of R and of the flashes (PNG)."""
    templates: Path | None = None
    """A template file, for a warm start; new templates are added at the end."""
    quantum: float = 0.001
    """The quantum of the engine, in wall seconds."""

    @property
    def size(self) -> int:
        """The number of agents."""
        if self.agents is not None:
            return self.agents
        return (_SIDE if self.side is None else self.side) ** 2

    def check(self) -> None:
        """Raise `SettingsError` with all problems, if there are any."""
        problems = [
            problem for kind in (_wrong_population, _wrong_times, _wrong_model, _wrong_files) for problem in kind(self)
        ]
        if problems:
            raise SettingsError(problems)

    def seeded(self) -> Settings:
        """Return the same settings with a seed, a random one if there is none."""
        if self.seed is not None:
            return self
        return msgspec.structs.replace(self, seed=random.SystemRandom().getrandbits(32))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_some(value: Any) -> bool:
    """Return whether a value is a number >= 0 or None."""
    return value is None or (_is_number(value) and value >= 0)


def _wrong(option: str, holds: bool, valid: str, got: object) -> Iterator[str]:
    if not holds:
        yield f"--{option} must be {valid}, got {got!r}"


def _wrong_population(asked: Settings) -> Iterator[str]:
    """Yield the problems of numbers and topology."""
    largest = math.isqrt(MOST)
    side, agents = asked.side, asked.agents
    sides = side is None or (_is_whole(side) and 1 <= side <= largest)
    counted = agents is None or (_is_whole(agents) and 1 <= agents <= MOST)
    yield from _wrong("side", sides, f"an int from 1 to {largest}", side)
    yield from _wrong("agents", counted, f"an int from 1 to {MOST}", agents)
    try:
        parse(asked.topology)
    except (ValueError, AttributeError) as error:
        yield f"--topology: {error}"
        return
    if not (sides and counted):
        return
    if side is not None and agents is not None and side * side != agents:
        yield f"--agents must be {side * side} or omitted with --side {side}, got {agents!r}"
        return
    try:
        check_size(asked.topology, asked.size)
    except ValueError as error:
        yield f"--agents: {error}"


def _wrong_model(asked: Settings) -> Iterator[str]:
    """Yield the problems of the model."""
    if asked.model not in MODELS:
        yield f"--model must be one of {', '.join(MODELS)}, got {asked.model!r}"
        return
    for option, models in _OWN.items():
        value = getattr(asked, option)
        has = value is None or asked.model in models
        yield from _wrong(option, has, f"omitted without --model {' or '.join(models)}", value)
    nudge, bend, states = asked.nudge, asked.dissipation, asked.states
    if asked.model == "additive":
        yield from _wrong("nudge", _is_some(nudge), "a fraction of the period >= 0", nudge)
    else:
        yield from _wrong("nudge", _is_some(nudge) and (nudge or 0) <= 1, "a number from 0 to 1", nudge)
    bends = bend is None or (_is_number(bend) and 0 < bend <= _STEEPEST)
    yield from _wrong("dissipation", bends, f"a number > 0, at most {_STEEPEST}", bend)
    changes = states is None or (_is_whole(states) and 3 <= states <= _MOST_STATES)
    yield from _wrong("states", changes, f"an int from 3 to {_MOST_STATES}", states)


def _wrong_times(asked: Settings) -> Iterator[str]:
    """Yield the problems of times and seed."""
    period, speed = asked.period, asked.speed
    beats = _is_number(period) and _SHORTEST <= period <= _LONGEST
    yield from _wrong("period", beats, f"seconds from {_SHORTEST:g} to {_LONGEST:g}", period)
    for option, value in (("refractory", asked.refractory), ("jitter", asked.jitter)):
        lasts = _is_some(value)
        yield from _wrong(option, lasts, "seconds >= 0", value)
        if lasts and beats and value is not None:
            yield from _wrong(option, value < period, f"less than --period ({period!r})", value)
    ends = _is_number(asked.duration) and 0 < asked.duration <= _LONGEST
    yield from _wrong("duration", ends, f"seconds > 0, at most {_LONGEST:g}", asked.duration)
    yield from _wrong("seed", asked.seed is None or _is_whole(asked.seed), "an int", asked.seed)
    if asked.virtual:
        yield from _wrong("speed", speed is None, "omitted with --virtual, which runs as fast as it can", speed)
    else:
        runs = speed is None or (_is_number(speed) and _SLOWEST <= speed <= _FASTEST)
        yield from _wrong("speed", runs, f"a number from {_SLOWEST:g} to {_FASTEST:g}", speed)
    yields = _is_number(asked.quantum) and 0 <= asked.quantum <= _LONGEST
    yield from _wrong("quantum", yields, f"seconds from 0 to {_LONGEST:g}", asked.quantum)


def _wrong_files(asked: Settings) -> Iterator[str]:
    """Yield the problems of files."""
    taken: dict[str, str] = {}
    for option, valid, reason_against in (
        ("json", "a file that can be written", _unwritable),
        ("plot", "a file that can be written", _unwritable),
        ("templates", "a file of templates or no file", _unusable),
    ):
        path: Path | None = getattr(asked, option)
        if path is None:
            continue
        if reason := reason_against(path):
            yield f"--{option} must be {valid}, got {str(path)!r}: {reason}"
        other = taken.setdefault(os.path.realpath(path), option)
        yield from _wrong(option, other == option, f"another file than --{other}", str(path))


def _unusable(path: Path) -> str | None:
    """Return why a file cannot be used for templates, or None."""
    if reason := _unwritable(path):
        return reason
    try:
        if path.exists():
            cs.Templates().load(path, strict=True)
    except (OSError, cs.TemplateError) as error:
        return str(error)
    return None


def _unwritable(path: Path) -> str | None:
    """Return why a file cannot be written, or None. The file is not changed, and none is left behind."""
    try:
        if path.exists():
            path.open("ab").close()
        else:
            target = Path(os.path.realpath(path))  # of a dangling link: the file that writing would create
            target.open("xb").close()
            target.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None
