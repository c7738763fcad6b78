"""Progress: one line on the terminal about a run that takes long.

A thread draws it, so that it moves while a task holds the event loop, and in virtual time, when the loop never waits.
It reads numbers; what a run waits for is looked up on the event loop, where nothing changes meanwhile. It subscribes to
no events, so a run with progress takes the same path as one without.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade.engine.engine import Engine

__all__ = ["Progress", "is_shown", "progress_line"]

DELAY = 1.0  # seconds: a shorter run shows no progress
INTERVAL = 0.25  # seconds between two drawings
_SHARE = 50  # a look at what a run waits for takes at most this fraction of the time: 1/50


def is_shown() -> bool:
    """Whether standard error is a terminal on which a line can be drawn anew."""
    try:
        return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    except ValueError:  # it is closed
        return False


def progress_line(engine: Engine, seconds: float, doing: str = "") -> str:
    """Return what an engine is doing as text on one line.

    Args:
        engine: the engine; its runs count together.
        seconds: since the command has started.
        doing: what the runs wait for.

    >>> import cascade as cs
    >>> progress_line(cs.Engine(), 3.2)
    '3 s'
    >>> progress_line(cs.Engine(clock=cs.Clock.virtual(start=7200)), 75, "running fetch")
    '1 min 15 s, time 2 h 0 min, running fetch'
    """
    from cascade.events.text import counted, span

    def whole(duration: float) -> str:
        return f"{int(duration)} s" if duration < 60 else span(duration)

    scheduler = engine._driver.scheduler  # noqa: SLF001 - no user needs what it counts
    parts = [whole(seconds)]
    if engine.clock.is_virtual:
        parts.append(f"time {whole(engine.clock.time())}")
    runs = engine.runs
    if len(runs) > 1:
        parts.append(counted(len(runs), "run"))
    iterations = sum(run.iterations for run in runs)
    if iterations:
        parts.append(counted(iterations, "tail call"))
    if scheduler.ended_calls:
        parts.append(f"{counted(scheduler.ended_calls, 'call')} finished")
    if doing:
        parts.append(doing)
    return ", ".join(parts)


class Progress:
    """A context manager that shows the progress of an engine's runs on standard error, which must be a terminal.

    Nothing is shown in the first second, and nothing is left on the terminal at the end. What is printed meanwhile
    appears above the line.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._doing = ""
        self._looking = False
        self._next_look = 0.0

    def __enter__(self) -> Progress:
        thread = threading.Thread(target=self._draw, name="cascade-progress", daemon=True)
        with suppress(RuntimeError):  # no thread can be started: the run is what matters
            thread.start()
            self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self, timeout: float | None = None) -> None:
        """Remove the line.

        Args:
            timeout: seconds to wait for that, which a signal handler in the middle of a `print` may wait for in vain;
                None: any time.
        """
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _draw(self) -> None:
        """Draw the line until the end. The loop of the thread."""
        start = time.monotonic()
        if self._stop.wait(DELAY):
            return
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        from cascade._support.one_line import plain

        with suppress(OSError, ValueError):  # the terminal is gone: the run goes on
            live = Live(
                console=Console(stderr=True), auto_refresh=False, transient=True,
                redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
            )  # fmt: skip
            with live:
                shown = ""
                while True:
                    text = plain(progress_line(self._engine, time.monotonic() - start, self._doing), 1000)
                    if text != shown:
                        live.update(Text(text, style="dim", no_wrap=True, overflow="ellipsis"), refresh=True)
                        shown = text
                    self._request_look()
                    if self._stop.wait(INTERVAL):
                        break

    def _request_look(self) -> None:
        """Have the event loop look up what the runs wait for, unless it has not come to that since the last time."""
        if self._looking:
            self._doing = "the event loop is busy"
            return
        loop: Any = self._engine._driver.loop  # noqa: SLF001 - no user needs the loop
        if loop is None or self._engine.clock.is_virtual or time.monotonic() < self._next_look:
            return
        self._looking = True
        try:
            loop.call_soon_threadsafe(self._look)
        except RuntimeError:  # the loop is closed
            self._looking = False

    def _look(self) -> None:
        begun = time.monotonic()
        runs = self._engine.runs
        self._doing = runs[0].doing if len(runs) == 1 else ""
        ended = time.monotonic()
        self._next_look = ended + _SHARE * (ended - begun)
        self._looking = False
