"""The event console: runs as lines for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cascade._support.boundary import boundary
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
from cascade.events.line_limiter import LineLimiter
from cascade.events.run_digest import RunDigest
from cascade.events.subscriber import Subscriber
from cascade.events.text import owner, worded

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["EventConsole"]

_QUIET = (
    RunStarted,
    RunFinished,
    NodeFailed,
    NodeRetrying,
    NodeSkipped,
    NodeBlocked,
    NodeUnblocked,
    ResourceReleased,
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
"""Terminals with fewer columns get lines without a table layout."""


@public
class EventConsole(Subscriber):
    """Prints the runs of engines as lines for people.

    It prints the start and the end of each run, with its duration and how many tail calls, retries, skipped nodes and
    waits it had; each failure of a task, each retry and each wait for a limit; and skipped nodes with the reason. Like
    lines of one task are printed three times, then at most every ten seconds, with the number of lines left out. With
    many runs, at most twenty lines of each kind are printed per second, then the number of omitted lines. With
    ``verbose`` nothing is left out, every node, cache hit, resource and template has a line, too, and tail calls have
    one each second.

    Texts of users are printed literally: never as markup, and never as control characters.

    Args:
        console: a `rich.console.Console`; None: one for standard error.
        verbose: whether every node has its lines. Events that are not printed are not made, either.

    Raises:
        MissingExtraError: rich is not installed; the extra `cli` contains it.
        TypeError: ``console`` is not a rich console.

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

    @boundary
    def __init__(self, console: Console | None = None, *, verbose: bool = False) -> None:
        super().__init__()
        from cascade.extras import need

        need("rich", "cli", "the event console")
        from rich.console import Console

        if console is not None and not isinstance(console, Console):
            raise TypeError(f"console must be a rich.console.Console, got `{type(console).__name__}`")
        self._console = Console(stderr=True) if console is None else console
        self._verbose = verbose
        self._runs: dict[int, RunDigest] = {}
        self._limiter = LineLimiter()
        self._start: float | None = None

    def subscriptions(self, events: Events) -> Iterable[Subscription[Any]]:
        """Subscribe to the events that are printed."""
        return (events.subscribe((Event,) if self._verbose else _QUIET, self._show),)

    def detach(self, engine: Any = None) -> None:
        """Cancel the subscriptions to the events of an engine; does nothing if it is not attached.

        Args:
            engine: the engine; None: all of them.
        """
        super().detach(engine)
        if not self._attached:
            self._runs.clear()
            self._print_refused()

    def _show(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._runs[event.run] = RunDigest(event.target)
        digest = self._runs.get(event.run)
        if digest is None and isinstance(event, (RunEvent, NodeEvent)):  # it started before the console was attached
            digest = self._runs[event.run] = RunDigest("")
        if isinstance(event, RunFinished):
            self._runs.pop(event.run, None)
        line = self._line(event, digest)
        if line is None:
            return
        if not self._verbose:
            if self._limiter.next_second(event.time):
                self._print_refused()
            if not self._limiter.admits(line[0]):
                return
        self._print(event.time, owner(event), *line)
        if isinstance(event, NodeFailed) and digest is not None:
            digest.error_printed(event)

    def _print_refused(self) -> None:
        """Print how many lines the limiter has refused, if any."""
        text = self._limiter.summary()
        if text:
            self._print(self._limiter.time, "engine", "and more", text)

    def _line(self, event: Event, digest: RunDigest | None) -> tuple[str, str] | None:
        """Return the line about an event, as word and text, or None."""
        word, text = worded(event)
        if isinstance(event, RunFinished):
            assert digest is not None
            return word, digest.ending(event)
        if isinstance(event, TailCall):
            assert digest is not None
            return digest.tail_call(event)
        if isinstance(event, ResourceReleased) and event.error is None and not self._verbose:
            return None
        if isinstance(event, NodeEvent) and digest is not None:
            digest.count(event)
            if not self._verbose:
                hidden = digest.admit(word, event)
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
        if _terminal(console) and console.width < _NARROW + max(0, len(whose) - 10):  # a run may have a long name
            whole = Text.assemble((f"{whose} ", "dim"), (f"{word}: ", style), _encodable(console, text))
            line = _folded(console, whole, 2)
        else:
            line = Text.assemble((f"{time - self._start:8.3f}  ", "dim"), f"{whose}  ", (f"{word:<9}  ", style))
            body = Text(_encodable(console, text))
            line.append_text(_folded(console, body, line.cell_len) if _terminal(console) else body)
        try:
            # Soft wrap: lines for a terminal are folded above; lines of a file are for programs and must not be folded.
            console.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)
        except SystemExit as error:  # rich ends the process at a broken pipe; a subscriber must not
            raise BrokenPipeError("the output of the event console is no longer read") from error


def _terminal(console: Console) -> bool:
    """Whether the console wraps lines at its width."""
    return console.is_terminal or console.is_jupyter


def _folded(console: Console, text: Text, indent: int) -> Text:
    """Return the text in lines that fit the console, all but the first indented."""
    from rich.text import Text

    lines = text.wrap(console, max(8, console.width - indent), overflow="fold")
    if len(lines) < 2:
        return text
    for line in lines:
        line.rstrip()
    return Text("\n" + " " * indent).join(lines)


def _encodable(console: Console, text: str) -> str:
    """Return the text with characters escaped that the encoding of the console's file lacks."""
    encoding = console.encoding
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return text.encode("ascii", "backslashreplace").decode()
