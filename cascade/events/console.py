"""The event console: runs as a person wants to read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cascade.events.bus import Events, Subscription
from cascade.events.event import (
    CacheHit,
    Event,
    NodeBlocked,
    NodeEvent,
    NodeFailed,
    NodeRetrying,
    NodeSkipped,
    NodeUnblocked,
    ResourceReleased,
    RunFinished,
    RunStarted,
    TailCall,
    TaskDemoted,
)
from cascade.events.observer import Observer
from cascade.events.wording import count, owner, plain, span, tell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["EventConsole"]

_QUIET = (
    RunStarted, RunFinished, NodeFailed, NodeRetrying, NodeSkipped, NodeBlocked, NodeUnblocked, ResourceReleased,
    TaskDemoted,
)
_STYLES = {
    "started": "cyan",
    "done": "green",
    "failed": "bold red",
    "cancelled": "magenta",
    "error": "red",
    "retrying": "yellow",
    "blocked": "yellow",
    "unblocked": "yellow",
    "demoted": "yellow",
}
_COUNTED: dict[type[Event], tuple[str, str]] = {
    NodeRetrying: ("retry", "retries"),
    NodeSkipped: ("skipped node", "skipped nodes"),
    NodeBlocked: ("wait", "waits"),
    CacheHit: ("cache hit", "cache hits"),
}
_NARROW = 60
"""Columns below which there is no room for columns."""
_SHOWN = 3
"""How many times in a row the same may be told of a task of a run..."""
_PAUSE = 10.0
"""...and after how many seconds again."""
_KINDS = 100
"""How many things of one run are told apart in that."""


class EventConsole(Observer):
    """Prints the runs of engines, a line for whatever a person would want to know.

    That is: which run started, and how it ended, with its time, its tail calls and how often it retried, skipped and
    waited; where a task failed, is retried or is blocked, and what was skipped, and why. What a task does again and
    again is told three times, then every ten seconds at most, with the number of times that were left out. With
    ``verbose``, every node, cache hit, resource and template has a line, too, and tail calls have one each second.

    Texts of users are printed as they are, never read as markup, and never as control characters.

    Args:
        console: a `rich.console.Console`; None: one for standard error.
        verbose: whether every node has its lines. Events that are not printed are not made, either.

    Raises:
        MissingExtraError: rich is not installed; the extra `cli` brings it.
        TypeError: ``console`` is no console.

    >>> import sys
    >>> from rich.console import Console
    >>> from cascade.events import Events, RunFinished, RunStarted
    >>> class engine:
    ...     events = Events(lambda: None, lambda message, error: None)
    >>> with EventConsole(Console(file=sys.stdout)).attach(engine):
    ...     engine.events.emit(RunStarted(time=5.0, run=1, target="jobs.main"))
    ...     engine.events.emit(RunFinished(time=7.5, run=1, outcome="done", iterations=1200, seconds=2.5))
       0.000  run 1  started    jobs.main
       2.500  run 1  done       jobs.main in 2.50 s, 1,200 tail calls
    """

    def __init__(self, console: Console | None = None, *, verbose: bool = False) -> None:
        super().__init__()
        from cascade.fireflies.extra import need

        need("rich", "cli", "the event console")
        from rich.console import Console

        if console is not None and not isinstance(console, Console):
            raise TypeError(f"expected a rich console, got `{type(console).__name__}` - at `console`")
        self._console = Console(stderr=True) if console is None else console
        self._verbose = verbose
        self._runs: dict[int, _Told] = {}
        self._start: float | None = None

    def subscriptions(self, events: Events) -> Iterable[Subscription[Any]]:
        """Subscribe to what is printed."""
        return (events.subscribe((Event,) if self._verbose else _QUIET, self._show),)

    def detach(self, engine: Any = None) -> None:
        """Cancel the subscriptions to the events of an engine; one that it is not attached to is left alone.

        Args:
            engine: the engine; None: all of them.
        """
        super().detach(engine)
        if not self._attached:
            self._runs.clear()

    def _show(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._runs[event.run] = _Told(event.target)
        told = self._runs.get(event.run)
        if told is None and event.run:  # the run had started before the console was attached
            told = self._runs[event.run] = _Told("")
        if isinstance(event, RunFinished):
            self._runs.pop(event.run, None)
        line = self._line(event, told)
        if line is not None:
            self._print(event, *line)

    def _line(self, event: Event, told: _Told | None) -> tuple[str, str] | None:
        """What to print about an event, if anything."""
        word, text = tell(event)
        if isinstance(event, RunFinished):
            assert told is not None
            return word, told.ending(event)
        if isinstance(event, TailCall):
            assert told is not None
            return told.tail_call(event)
        if isinstance(event, ResourceReleased) and event.error is None and not self._verbose:
            return None
        if isinstance(event, NodeEvent) and told is not None:
            told.note(event)
            if not self._verbose:
                hidden = told.admit(word, event)
                if hidden is None:
                    return None
                return word, f"{text} ({hidden:,} more like it left out)" if hidden else text
        return word, text

    def _print(self, event: Event, word: str, text: str) -> None:
        from rich.text import Text

        console = self._console
        if self._start is None:
            self._start = event.time
        whose = owner(event)
        style = _STYLES.get(word, "dim")
        if _terminal(console) and console.width < _NARROW:
            whole = Text.assemble((f"{whose} ", "dim"), (f"{word}: ", style), _encodable(console, text))
            line = _folded(console, whole, 2)
        else:
            line = Text.assemble((f"{event.time - self._start:8.3f}  ", "dim"), f"{whose}  ", (f"{word:<9}  ", style))
            body = Text(_encodable(console, text))
            line.append_text(_folded(console, body, line.cell_len) if _terminal(console) else body)
        try:
            # Soft: the lines of a terminal are folded already, those of a file are for programs, and are not.
            console.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)
        except SystemExit as error:  # rich ends the process when nobody reads any more; an observer does not
            raise BrokenPipeError("nobody reads what the event console prints") from error


class _Told:
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
        elif isinstance(event, NodeFailed) and len(self._errors) < _KINDS:
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


def _terminal(console: Console) -> bool:
    """Whether its lines end at its width."""
    return console.is_terminal or console.is_jupyter


def _folded(console: Console, text: Text, indent: int) -> Text:
    """The text in lines that fit the console, all but the first indented."""
    from rich.text import Text

    lines = text.wrap(console, max(8, console.width - indent), overflow="fold")
    if len(lines) < 2:
        return text
    for line in lines:
        line.rstrip()
    return Text("\n" + " " * indent).join(lines)


def _encodable(console: Console, text: str) -> str:
    """The text with what the console's file cannot write escaped."""
    encoding = console.encoding
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return text.encode("ascii", "backslashreplace").decode()
