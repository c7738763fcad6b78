"""The event logger: events as records of standard logging."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from cascade._support.boundary import boundary
from cascade._support.public import public
from cascade.events.bus import Events, Subscription, event_types
from cascade.events.event import (
    EVENTS,
    Event,
    NodeBlocked,
    NodeCaught,
    NodeFailed,
    NodeRetrying,
    NodeSkipped,
    NodeUnblocked,
    ResourceReleased,
    RunFinished,
    RunStarted,
)
from cascade.events.subscriber import Subscriber
from cascade.events.text import owner, worded

__all__ = ["EventLogger"]

# All others are DEBUG: there may be one for each node. So is TaskDemoted, as the log `cascade` warns of it already.
_LEVELS: dict[type[Event], int] = {
    RunStarted: logging.INFO,
    RunFinished: logging.INFO,
    NodeFailed: logging.WARNING,
    NodeCaught: logging.INFO,
    NodeRetrying: logging.WARNING,
    NodeSkipped: logging.INFO,
    NodeBlocked: logging.INFO,
    NodeUnblocked: logging.INFO,
}


@public
class EventLogger(Subscriber):
    """Logs the events of engines with a logger of the standard library.

    Each record has the attribute `event`, the name of the event's class, and the fields of the event as `event_time`,
    `event_run` and so on, for formatters, filters and loggers that write JSON.

    A run that failed is an ERROR, and so is a resource whose teardown failed; a task that failed or is retried is a
    WARNING; that a run starts or ends, that a node is skipped, blocked or unblocked, and that a failure is caught, is
    INFO; the rest is DEBUG.

    Args:
        logger: a logger or the name of one.
        level: the lowest level to log, as a number or a name. Events below it are never made, so that events of every
            node cost nothing unless they are logged.
        levels: levels for classes of events, instead of these; `NodeEvent`, for instance, means all its subclasses
            that have no entry of their own. Failed runs and failed teardowns are at least ERROR.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a level is not a known name.

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

    @boundary
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
            raise TypeError(f"logger must be a Logger or the name of one, got `{type(logger).__name__}`")
        self._logger = logger
        self._level = _number(level, "level")
        own = {event_types(kind, "levels")[0]: _number(value, "levels") for kind, value in (levels or {}).items()}
        self._levels = {
            kind: next((own[base] for base in kind.__mro__ if base in own), _LEVELS.get(kind, logging.DEBUG))
            for kind in EVENTS
        }

    def subscriptions(self, events: Events) -> Iterable[Subscription[Any]]:
        """Subscribe to the events that can reach the lowest level to log."""
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
        word, text = worded(event)
        fields = {f"event_{name}": getattr(event, name) for name in event.__struct_fields__}
        self._logger.log(level, "%s %s: %s", owner(event), word, text, extra={"event": type(event).__name__, **fields})


def _worst(kind: type[Event]) -> int:
    """Return the highest level that an event of a class may have because of its fields."""
    return logging.ERROR if kind in (RunFinished, ResourceReleased) else logging.NOTSET


def _number(level: object, name: str) -> int:
    """Return a level as a number."""
    if type(level) is int:
        return level
    if isinstance(level, str):
        found = logging.getLevelNamesMapping().get(level.upper())
        if found is None:
            known = ", ".join(logging.getLevelNamesMapping())
            raise ValueError(f"{name} must be one of {known}, got {level!r}")
        return found
    raise TypeError(f"{name} must be an int or a str, got `{type(level).__name__}`")
