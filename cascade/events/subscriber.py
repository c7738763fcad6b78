"""What the ready-made subscribers share: they are attached to engines, and detached."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Protocol, Self
from weakref import WeakKeyDictionary, ref

from cascade._support.public import public_in
from cascade.events.bus import Events, Subscription

__all__ = ["Observer", "Source"]


class Source(Protocol):
    """What an observer is attached to: a `cascade.Engine`, or anything else that has events."""

    @property
    def events(self) -> Events:
        """The events to subscribe to."""


@public_in("cascade.events")
class Observer:
    """A subscriber that is attached to engines as a whole: `EventLog`, `EventConsole`, `EventLogger`.

    As a context manager it is closed at the end. A subclass says in `subscriptions` what it wants to be told.
    """

    def __init__(self) -> None:
        # Weak: an observer for the life of a process does not keep the engines of every hour alive.
        self._attached: WeakKeyDictionary[Events, tuple[ref[Subscription[Any]], ...]] = WeakKeyDictionary()

    def attach(self, engine: Source) -> Self:
        """Subscribe to the events of an engine. Several engines may share an observer; a second time does nothing.

        Args:
            engine: the engine.

        Returns:
            The observer itself, so that ``with EventLog(path).attach(engine):`` can be written.

        Raises:
            TypeError: ``engine`` has no events.
        """
        events = getattr(engine, "events", None)
        if not isinstance(events, Events):
            raise TypeError(f"expected an engine, got `{type(engine).__name__}` - at `engine`")
        if events not in self._attached:
            self._attached[events] = tuple(ref(subscription) for subscription in tuple(self.subscriptions(events)))
        return self

    def detach(self, engine: Source | None = None) -> None:
        """Cancel the subscriptions to the events of an engine; one that it is not attached to is left alone.

        Args:
            engine: the engine; None: all of them.
        """
        for events in tuple(self._attached) if engine is None else (engine.events,):
            for reference in self._attached.pop(events, ()):
                if (subscription := reference()) is not None:
                    subscription.cancel()

    def close(self) -> None:
        """Detach it from all engines, and let go of what it holds."""
        self.detach()

    def subscriptions(self, events: Events) -> Iterable[Subscription[Any]]:
        """Make the subscriptions to the events of one engine."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
