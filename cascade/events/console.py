"""The event console: runs as a person wants to read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cascade._support.public import public
from cascade.events.bus import Events, Subscription
from cascade.events.event import (
    Event,
    NodeBlocked,
    NodeEvent,
    NodeFailed,
    NodeRetrying,
    NodeSkipped,
    NodeUnblocked,
    ResourceReleased,
    RunEvent,
    RunFinished,
    RunStarted,
    TailCall,
    TaskDemoted,
)
from cascade.events.line_limiter import Crowd
from cascade.events.run_digest import Told
from cascade.events.subscriber import Observer
from cascade.events.text import owner, tell

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
_NARROW = 60
"""Columns below which there is no room for columns."""


@public
class EventConsole(Observer):
    """Prints the runs of engines, a line for whatever a person would want to know.

    That is: which run started, and how it ended, with its time, its tail calls and how often it retried, skipped and
    waited; where a task failed, is retried or is blocked, and what was skipped, and why. What a task does again and
    again is told three times, then every ten seconds at most, with the number of times that were left out. Of very many
    runs, twenty lines of a kind are printed each second, and the number of the others. With ``verbose`` nothing is left
    out, every node, cache hit, resource and template has a line, too, and tail calls have one each second.

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
        from cascade.extras import need

        need("rich", "cli", "the event console")
        from rich.console import Console

        if console is not None and not isinstance(console, Console):
            raise TypeError(f"expected a rich console, got `{type(console).__name__}` - at `console`")
        self._console = Console(stderr=True) if console is None else console
        self._verbose = verbose
        self._runs: dict[int, Told] = {}
        self._crowd = Crowd()
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
            self._catch_up()

    def _show(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._runs[event.run] = Told(event.target)
        told = self._runs.get(event.run)
        if told is None and isinstance(event, (RunEvent, NodeEvent)):  # it had started before the console was attached
            told = self._runs[event.run] = Told("")
        if isinstance(event, RunFinished):
            self._runs.pop(event.run, None)
        line = self._line(event, told)
        if line is None:
            return
        if not self._verbose:
            if self._crowd.opens(event.time):
                self._catch_up()
            if not self._crowd.admits(line[0]):
                return
        self._print(event.time, owner(event), *line)
        if isinstance(event, NodeFailed) and told is not None:
            told.error(event)

    def _catch_up(self) -> None:
        """Say what was left out, if anything."""
        text = self._crowd.summary()
        if text:
            self._print(self._crowd.time, "engine", "and more", text)

    def _line(self, event: Event, told: Told | None) -> tuple[str, str] | None:
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

    def _print(self, time: float, whose: str, word: str, text: str) -> None:
        from rich.text import Text

        console = self._console
        if self._start is None:
            self._start = time
        style = _STYLES.get(word, "dim")
        if _terminal(console) and console.width < _NARROW:
            whole = Text.assemble((f"{whose} ", "dim"), (f"{word}: ", style), _encodable(console, text))
            line = _folded(console, whole, 2)
        else:
            line = Text.assemble((f"{time - self._start:8.3f}  ", "dim"), f"{whose}  ", (f"{word:<9}  ", style))
            body = Text(_encodable(console, text))
            line.append_text(_folded(console, body, line.cell_len) if _terminal(console) else body)
        try:
            # Soft: the lines of a terminal are folded already, those of a file are for programs, and are not.
            console.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)
        except SystemExit as error:  # rich ends the process when nobody reads any more; an observer does not
            raise BrokenPipeError("nobody reads what the event console prints") from error


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
