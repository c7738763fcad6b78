"""The base class of subscribers that are attached to whole engines."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Protocol, Self
from weakref import WeakKeyDictionary, ref

from cascade._support.boundary import boundary
from cascade._support.not_copied import NotCopied
from cascade._support.public import public_in
from cascade.events.bus import Events, Subscription

__all__ = ["Source", "Subscriber"]


class Source(Protocol):
    """An object that has events, such as a `cascade.Engine`: what a subscriber is attached to."""

    @property
    def events(self) -> Events:
        """The events to subscribe to."""


@public_in("cascade.events")
class Subscriber(NotCopied):
    """A subscriber that is attached to whole engines: the base of `EventLog`, `EventConsole` and `EventLogger`.

    As a context manager it is closed at the end. A subclass makes its subscriptions in `subscriptions`.
    """

    def __init__(self) -> None:
        # Weak: a subscriber that lives as long as the process must not keep finished engines alive.
        self._attached: WeakKeyDictionary[Events, tuple[ref[Subscription[Any]], ...]] = WeakKeyDictionary()

    @boundary
    def attach(self, engine: Source) -> Self:
        """Subscribe to the events of an engine. Several engines may share a subscriber; attaching again does nothing.

        Args:
            engine: the engine.

        Returns:
            The subscriber itself, for ``with EventLog(path).attach(engine):``.

        Raises:
            TypeError: ``engine`` has no events.
        """
        events = getattr(engine, "events", None)
        if not isinstance(events, Events):
            raise TypeError(f"engine must be an Engine, got `{type(engine).__name__}`")
        if events not in self._attached:
            self._attached[events] = tuple(ref(subscription) for subscription in tuple(self.subscriptions(events)))
        return self

    def detach(self, engine: Source | None = None) -> None:
        """Cancel the subscriptions to the events of an engine; does nothing if it is not attached.

        Args:
            engine: the engine; None: all of them.
        """
        for events in tuple(self._attached) if engine is None else (engine.events,):
            for reference in self._attached.pop(events, ()):
                if (subscription := reference()) is not None:
                    subscription.cancel()

    def close(self) -> None:
        """Detach it from all engines, and release what it holds."""
        self.detach()

    def subscriptions(self, events: Events) -> Iterable[Subscription[Any]]:
        """Make and return the subscriptions to the events of one engine. A subclass must define it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
