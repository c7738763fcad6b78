"""The event logger: events for standard logging."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from cascade._support.public import public
from cascade.events.bus import Events, Subscription, event_types
from cascade.events.event import (
    EVENTS,
    Event,
    NodeBlocked,
    NodeFailed,
    NodeRetrying,
    NodeSkipped,
    NodeUnblocked,
    ResourceReleased,
    RunFinished,
    RunStarted,
)
from cascade.events.subscriber import Observer
from cascade.events.text import owner, tell

__all__ = ["EventLogger"]

# What is not here is told at DEBUG: there may be one for each node. A demoted task, too: the log `cascade` warns of it.
_LEVELS: dict[type[Event], int] = {
    RunStarted: logging.INFO,
    RunFinished: logging.INFO,
    NodeFailed: logging.WARNING,
    NodeRetrying: logging.WARNING,
    NodeSkipped: logging.INFO,
    NodeBlocked: logging.INFO,
    NodeUnblocked: logging.INFO,
}


@public
class EventLogger(Observer):
    """Gives the events of engines to a logger of the standard library.

    Each record has the attribute `event`, the name of the event's class, and the fields of the event as `event_time`,
    `event_run` and so on, for formatters, filters and loggers that write JSON.

    A run that failed is an ERROR, and so is a resource whose teardown failed; a task that failed or is retried is a
    WARNING; that a run starts or ends, and that a node is skipped, blocked or unblocked, is INFO; the rest is DEBUG.

    Args:
        logger: a logger or the name of one.
        level: the lowest level to log, as a number or a name. Events that lie below it are never made; so whoever wants
            every node in the log must say so here, and pays for it then only.
        levels: levels for classes of events, instead of these; `NodeEvent`, say, means all below it that have no
            entry of their own. What is an ERROR stays one.

    Raises:
        TypeError, ValueError: an argument is not what it should be.

    >>> import logging
    >>> from cascade.events import Events, RunStarted
    >>> class engine:
    ...     events = Events(lambda: None, lambda message, error: None)
    >>> class Printer(logging.Handler):
    ...     def emit(self, record):
    ...         print(record.levelname, record.getMessage(), record.event, record.event_run)
    >>> logger = logging.Logger("example")
    >>> logger.addHandler(Printer())
    >>> with EventLogger(logger).attach(engine):
    ...     engine.events.emit(RunStarted(time=0.25, run=1, target="jobs.main"))
    INFO run 1 started: jobs.main RunStarted 1
    """

    def __init__(
        self,
        logger: logging.Logger | str = "cascade.events",
        *,
        level: int | str = logging.INFO,
        levels: Mapping[type[Event], int | str] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(logger, str):
            logger = logging.getLogger(logger)
        if not isinstance(logger, (logging.Logger, logging.LoggerAdapter)):
            raise TypeError(f"expected a logger or the name of one, got `{type(logger).__name__}` - at `logger`")
        self._logger = logger
        self._level = _number(level, "level")
        own = {event_types(kind, "levels")[0]: _number(value, "levels") for kind, value in (levels or {}).items()}
        self._levels = {
            kind: next((own[base] for base in kind.__mro__ if base in own), _LEVELS.get(kind, logging.DEBUG))
            for kind in EVENTS
        }

    def subscriptions(self, events: Events) -> Iterable[Subscription[Any]]:
        """Subscribe to what can reach the lowest level to log."""
        wanted = tuple(kind for kind in EVENTS if max(self._levels[kind], _worst(kind)) >= self._level)
        return (events.subscribe(wanted, self._log),) if wanted else ()

    def _log(self, event: Event) -> None:
        level = self._levels[type(event)]
        if (isinstance(event, RunFinished) and event.outcome == "failed") or (
            isinstance(event, ResourceReleased) and event.error is not None
        ):
            level = max(level, logging.ERROR)
        if level < self._level or not self._logger.isEnabledFor(level):
            return
        word, text = tell(event)
        fields = {f"event_{name}": getattr(event, name) for name in event.__struct_fields__}
        self._logger.log(
            level, "%s %s: %s", owner(event), word, text, extra={"event": type(event).__name__, **fields}
        )


def _worst(kind: type[Event]) -> int:
    """The highest level that an event of a class may have because of what it says."""
    return logging.ERROR if kind in (RunFinished, ResourceReleased) else logging.NOTSET


def _number(level: object, where: str) -> int:
    """A level as logging has it, by number or by name."""
    if type(level) is int:
        return level
    if isinstance(level, str):
        found = logging.getLevelNamesMapping().get(level.upper())
        if found is None:
            known = ", ".join(logging.getLevelNamesMapping())
            raise ValueError(f"expected one of the levels {known}, got {level!r} - at `{where}`")
        return found
    raise TypeError(f"expected a level as int or str, got `{type(level).__name__}` - at `{where}`")
