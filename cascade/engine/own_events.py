"""Events of the user's own: `cascade.emit` and `Engine.emit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cascade._support.public import public
from cascade.engine.current import current, current_run
from cascade.events.event import EVENTS, Event

if TYPE_CHECKING:
    from cascade.engine.emitter import EventEmitter

__all__ = ["emit", "emit_from"]


@public
def emit(event: Event) -> None:
    """Emit an event of your own, from inside a task. If nothing subscribes to its class, this does nothing.

    Subscribers get a copy in which the engine has set time, timestamp, process, run, name and tags of the run, and the
    number of the call. Outside a task, `Engine.emit` emits events.

    Args:
        event: of a subclass of `cascade.events.Event` that you have defined. Give it numbers and texts only.

    Raises:
        EngineStateError: the code is not part of a call, or it runs in a worker process.
        TypeError: ``event`` is no event, or one of the engine's own classes.

    >>> import cascade as cs
    >>> from cascade.events import Event
    >>> class Shipped(Event, frozen=True, kw_only=True):
    ...     order: str
    >>> @cs.task
    ... def ship(order):
    ...     cs.emit(Shipped(order=order))
    >>> engine = cs.Engine()
    >>> seen = []
    >>> _ = engine.events.subscribe(Shipped, seen.append)
    >>> cs.run(ship("17"), engine=engine, name="shop")
    >>> seen[0].order, seen[0].run_name
    ('17', 'shop')
    """
    check_own(event)
    run: Any = current_run()
    emitter: EventEmitter = run._host.services.emitter
    if emitter.emits(type(event)):
        emitter.emit_own(event, run, current().number)


def emit_from(emitter: EventEmitter, event: Event) -> None:
    """Emit an event that belongs to no run."""
    check_own(event)
    if emitter.emits(type(event)):
        emitter.emit_own(event, None, 0)


def check_own(event: object) -> None:
    """Raise `TypeError` unless something is an event of a class that the user has defined."""
    kind = type(event)
    if not isinstance(event, Event):
        raise TypeError(
            f"event must be an instance of a subclass of cascade.events.Event, got `{kind.__name__}`: write "
            f"`class Shipped(cascade.events.Event, frozen=True, kw_only=True): order: str`"
        )
    if kind in EVENTS or kind.__module__.startswith("cascade.events"):
        raise TypeError(f"event must be of a class of your own, got {kind.__name__}, which the engine emits itself")
