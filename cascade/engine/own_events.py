"""`cascade.emit`: events of the user's own, from inside a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cascade._support.public import public
from cascade.engine.current import current, current_run
from cascade.events.event import Event, check_own_event

if TYPE_CHECKING:
    from cascade.engine.emitter import EventEmitter

__all__ = ["emit"]


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
    check_own_event(event)
    run: Any = current_run()
    emitter: EventEmitter = run._host.services.emitter
    if emitter.emits(type(event)):
        emitter.emit_own(event, run, current().number)
