"""What the console has printed of one run, so that it neither repeats itself nor omits totals at the end."""

from __future__ import annotations

from cascade._support.one_line import plain
from cascade.events.event import (
    CacheHit,
    Event,
    NodeBlocked,
    NodeEvent,
    NodeFailed,
    NodeRetrying,
    NodeSkipped,
    RunFinished,
    TailCall,
)
from cascade.events.text import counted, span

__all__ = ["RunDigest"]

_COUNTED: dict[type[Event], tuple[str, str]] = {
    NodeRetrying: ("retry", "retries"),
    NodeSkipped: ("skipped node", "skipped nodes"),
    NodeBlocked: ("wait", "waits"),
    CacheHit: ("cache hit", "cache hits"),
}
_SHOWN = 3
"""Lines of the same kind for one task of a run that are printed in a row..."""
_PAUSE = 10.0
"""...and seconds after the last one until another is printed."""
_KINDS = 100
"""Distinct lines (or errors) of one run that are remembered."""


class RunDigest:
    """The counts of one run's events, and the lines that were printed of it.

    Attributes:
        target: the target of the run; "" if the console was attached after it started.
    """

    __slots__ = ("_counts", "_errors", "_lines", "_tail_calls", "_tail_time", "target")

    def __init__(self, target: str) -> None:
        self.target = target
        self._counts: dict[type[Event], int] = {}
        self._errors: set[str] = set()
        self._lines: dict[tuple[str, str], list[float]] = {}  # (shown, hidden, when last shown) of a word and a task
        self._tail_calls = 0
        self._tail_time: float | None = None

    def count(self, event: NodeEvent) -> None:
        """Count an event, for the line at the end of the run."""
        kind = type(event)
        if kind in _COUNTED:
            self._counts[kind] = self._counts.get(kind, 0) + 1

    def error_printed(self, event: NodeFailed) -> None:
        """Remember an error that was printed: the line at the end of the run does not repeat it."""
        if len(self._errors) < _KINDS:
            self._errors.add(event.error)

    def admit(self, word: str, event: NodeEvent) -> int | None:
        """Return the number of like events left out before this one, or None if this one is to be left out, too."""
        key = word, event.task
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= _KINDS:
                key = word, ""
                line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = [0, 0, event.time]
        if line[0] >= _SHOWN and event.time - line[2] < _PAUSE:
            line[1] += 1
            return None
        hidden = int(line[1])
        line[0] += 1
        line[1] = 0
        line[2] = event.time
        return hidden

    def tail_call(self, event: TailCall) -> tuple[str, str] | None:
        """Count a tail call; return a line (word and text) about all calls of a second when it is over, else None."""
        if self._tail_time is None:
            self._tail_time = event.time
        self._tail_calls += 1
        passed = event.time - self._tail_time
        if passed < 1:
            return None
        calls, self._tail_calls, self._tail_time = self._tail_calls, 0, event.time
        where = f"at iteration {event.iteration:,} of {plain(event.target)}"
        return "looping", f"{counted(calls, 'tail call')} in {span(passed)}, {where}"

    def ending(self, event: RunFinished) -> str:
        """Return a line about the end of the run, with the totals of what was counted."""
        parts = [f"{'in' if event.outcome == 'done' else 'after'} {span(event.seconds)}"]
        if event.iterations:
            parts.append(counted(event.iterations, "tail call"))
        for kind, (one, many) in _COUNTED.items():
            if number := self._counts.get(kind, 0):
                parts.append(f"{number:,} {one if number == 1 else many}")
        text = ", ".join(parts)
        if event.error is not None and event.error not in self._errors:
            text += f": {plain(event.error)}"
        return f"{plain(self.target)} {text}" if self.target else text
