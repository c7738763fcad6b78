"""What a person has been told of a run, so that nothing is told again and again."""

from __future__ import annotations

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
from cascade.events.text import count, plain, span

__all__ = ["Told"]

_COUNTED: dict[type[Event], tuple[str, str]] = {
    NodeRetrying: ("retry", "retries"),
    NodeSkipped: ("skipped node", "skipped nodes"),
    NodeBlocked: ("wait", "waits"),
    CacheHit: ("cache hit", "cache hits"),
}
_SHOWN = 3
"""How many times in a row the same may be told of a task of a run..."""
_PAUSE = 10.0
"""...and after how many seconds again."""
_KINDS = 100
"""How many things of one run are told apart in that."""


class Told:
    """What has been told of one run.

    Attributes:
        target: what it runs; "" if that was never heard of.
    """

    __slots__ = ("_counts", "_errors", "_lines", "_tail_calls", "_tail_time", "target")

    def __init__(self, target: str) -> None:
        self.target = target
        self._counts: dict[type[Event], int] = {}
        self._errors: set[str] = set()
        self._lines: dict[tuple[str, str], list[float]] = {}  # (shown, hidden, when last shown) of a word and a task
        self._tail_calls = 0
        self._tail_time: float | None = None

    def note(self, event: NodeEvent) -> None:
        """Remember it for the end."""
        kind = type(event)
        if kind in _COUNTED:
            self._counts[kind] = self._counts.get(kind, 0) + 1

    def error(self, event: NodeFailed) -> None:
        """Remember that this error has been told, and where: the end need not repeat it."""
        if len(self._errors) < _KINDS:
            self._errors.add(event.error)

    def admit(self, word: str, event: NodeEvent) -> int | None:
        """Return how many events like this one were left out before it; None: leave this one out."""
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
        """A line for all tail calls of a second."""
        if self._tail_time is None:
            self._tail_time = event.time
        self._tail_calls += 1
        passed = event.time - self._tail_time
        if passed < 1:
            return None
        calls, self._tail_calls, self._tail_time = self._tail_calls, 0, event.time
        where = f"at iteration {event.iteration:,} of {plain(event.target)}"
        return "looping", f"{count(calls, 'tail call')} in {span(passed)}, {where}"

    def ending(self, event: RunFinished) -> str:
        """How it ended, with what has happened on the way."""
        parts = [f"{'in' if event.outcome == 'done' else 'after'} {span(event.seconds)}"]
        if event.iterations:
            parts.append(count(event.iterations, "tail call"))
        for kind, (one, many) in _COUNTED.items():
            if number := self._counts.get(kind, 0):
                parts.append(f"{number:,} {one if number == 1 else many}")
        text = ", ".join(parts)
        if event.error is not None and event.error not in self._errors:
            text += f": {plain(event.error)}"
        return f"{plain(self.target)} {text}" if self.target else text
