"""The bus: who subscribes to which events of an engine, and how they are delivered."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from types import CoroutineType, TracebackType
from typing import Any, Generic, NoReturn, TypeVar

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import Task
from cascade._core.expr.task_spec import signature_of
from cascade._support.forks import new_lock, renew_in_children
from cascade._support.public import public_in
from cascade.events.event import Event

__all__ = ["Events", "Subscription"]

E = TypeVar("E", bound=Event)

_KINDS = 16
"""Kinds of errors of one subscriber that are reported; more are counted only."""

_logger = logging.getLogger("cascade")


@public_in("cascade.events")
class Subscription(Generic[E]):
    """A function that is called with events. Made by `Events.subscribe`.

    As a context manager, it is cancelled at the end.

    Attributes:
        types: the classes of events that it is for, and all below them.
        fn: the function.
        failures: how many times the function has raised.
    """

    __slots__ = ("__weakref__", "_bus", "_reported", "active", "failures", "fn", "types")

    def __init__(self, bus: Events, types: tuple[type[E], ...], fn: Callable[[E], object]) -> None:
        self._bus = bus
        self.types = types
        self.fn = fn
        self.active = True
        """Whether it still gets events."""
        self.failures = 0
        self._reported: set[type[BaseException]] = set()

    def cancel(self) -> None:
        """End it: the function gets no event any more, also none that waits to be delivered. Again: nothing."""
        self._bus._cancel(self)

    def __enter__(self) -> Subscription[E]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def __repr__(self) -> str:
        names = ", ".join(type.__name__ for type in self.types)
        return f"<Subscription of {_name(self.fn)} to {names}{'' if self.active else ', cancelled'}>"


@public_in("cascade.events")
class Events:
    """The events of one engine: `engine.events`.

    A subscriber is a plain function, called in the thread of the engine's event loop while the engine waits for it: it
    should be quick. It gets the events that are emitted while it is subscribed, one after another in order of emission.
    Of several, the one that subscribed first gets an event first. What a subscriber causes (it may start runs, cancel
    them, subscribe and cancel subscriptions) is delivered after the event that it is being told of.

    Args:
        changed: called, by the thread that subscribes or cancels, when `wants` may answer differently than before.
        report: called with a message and the exception when a subscriber has failed; once for each subscription and
            type of exception.

    >>> from cascade.events import NodeEvent, NodeFinished, RunStarted
    >>> events = Events(lambda: None, lambda message, error: None)
    >>> heard = []
    >>> with events.subscribe(NodeEvent, lambda event: heard.append(event.task)):
    ...     events.wants(NodeFinished), events.wants(RunStarted)
    ...     events.emit(NodeFinished(time=0.0, run=1, task="jobs.add", path="$", iteration=0, node=0, seconds=0.0))
    (True, False)
    >>> heard, events.wants(NodeFinished)
    (['jobs.add'], False)
    """

    __slots__ = (
        "__weakref__", "_changed", "_counts", "_delivering", "_interrupt", "_lock", "_queue", "_receivers", "_report",
        "_subscriptions",
    )

    def __init__(self, changed: Callable[[], None], report: Callable[[str, BaseException], None]) -> None:
        self._changed = changed
        self._report = report
        self._lock = new_lock()  # subscribing is allowed from any thread, and `changed` may look at `wants`
        self._subscriptions: dict[Subscription[Any], None] = {}  # in order
        self._counts: dict[type[Event], int] = {}  # subscriptions that name a class
        self._receivers: dict[type[Event], tuple[Subscription[Any], ...]] = {}  # of a concrete class, found when needed
        self._queue: deque[tuple[Event, tuple[Subscription[Any], ...]]] = deque()
        self._delivering = False
        self._interrupt: BaseException | None = None
        renew_in_children(self)

    def _renew(self) -> None:
        """This process is a child: what was being delivered is the parent's."""
        self._queue.clear()
        self._delivering = False

    def subscribe(self, type: type[E] | tuple[type[E], ...], fn: Callable[[E], object]) -> Subscription[E]:
        """Have a function called with each event of a class, beginning with the next that is emitted.

        Args:
            type: a class of events; `Event` or `NodeEvent`, say, means all below it. Or a tuple of classes.
            fn: a plain function of one argument, the event; what it returns is ignored.

        Returns:
            The subscription: call its `cancel`, or use it in a ``with`` statement.

        Raises:
            TypeError: ``type`` is no class of events, or ``fn`` cannot be called with one, or to call it would run
                nothing: an async function, a generator function, a task.
        """
        subscription = Subscription(self, event_types(type), _check_function(fn))
        with self._lock:
            self._subscriptions[subscription] = None
            self._count(subscription, 1)
        return subscription

    def wants(self, type: type[Event]) -> bool:
        """Return whether anybody subscribes to events of exactly this class: else none need be made."""
        receivers = self._receivers.get(type)
        return bool(self._resolve(type) if receivers is None else receivers)

    def emit(self, event: Event) -> None:
        """Deliver an event, or queue it while another one is being delivered.

        Only the engine calls it, in the thread of its event loop. It raises nothing: a `KeyboardInterrupt` or
        `SystemExit` out of a subscriber is raised by the event loop's next turn instead, unless no loop is running.

        Args:
            event: what happened.
        """
        kind = type(event)
        receivers = self._receivers.get(kind)
        if receivers is None:
            receivers = self._resolve(kind)
        if receivers:
            self._queue.append((event, receivers))
            if not self._delivering:
                self._deliver()

    def __repr__(self) -> str:
        return f"<Events: {len(self._subscriptions)} subscriptions>"

    # ------------------------------------------------------------------------------------------------ delivery

    def _deliver(self) -> None:
        queue = self._queue
        self._delivering = True
        try:
            while queue:
                event, receivers = queue.popleft()
                for receiver in receivers:
                    if receiver.active:
                        try:
                            result = receiver.fn(event)
                            if result is not None:
                                _check_result(result)
                        except BaseException as error:
                            self._failed(receiver, event, error)
        finally:
            self._delivering = False
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt

    def _failed(self, receiver: Subscription[Any], event: Event, error: BaseException) -> None:
        """A subscriber has raised: tell it once, a loop of a million iterations must not bury it."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._leave(error)
            return
        receiver.failures += 1
        if type(error) in receiver._reported or len(receiver._reported) >= _KINDS:
            return
        receiver._reported.add(type(error))
        message = (
            f"a subscriber to events failed: {_name(receiver.fn)}, told of {type(event).__name__}; "
            f"further {type(error).__name__} of it will not be reported"
        )
        try:
            self._report(message, error)
        except Exception:
            _logger.exception("%s; to report it failed, too", message)

    def _leave(self, error: BaseException) -> None:
        """Have an interrupt end the event loop, as asyncio has it, but not in the middle of a node."""
        import asyncio  # not needed where nothing is interrupted

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._interrupt = error
        else:
            loop.call_soon(_raise, error)

    # -------------------------------------------------------------------------------------------- subscriptions

    def _resolve(self, type: type[Event]) -> tuple[Subscription[Any], ...]:
        """Find who subscribes to a concrete class, in order of subscription."""
        with self._lock:
            # Of a copy: garbage may be collected meanwhile, and a destructor subscribe or cancel.
            found = tuple(each for each in self._subscriptions.copy() if issubclass(type, each.types))
            self._receivers[type] = found
            return found

    def _cancel(self, subscription: Subscription[Any]) -> None:
        with self._lock:
            if subscription.active:
                subscription.active = False
                del self._subscriptions[subscription]
                self._count(subscription, -1)

    def _count(self, subscription: Subscription[Any], by: int) -> None:
        """Note that there is one more or one fewer."""
        self._receivers.clear()
        changed = False
        for type in subscription.types:
            before = self._counts.get(type, 0)
            changed = changed or before == 0 or before + by == 0
            if before + by:
                self._counts[type] = before + by
            else:
                del self._counts[type]
        if changed:
            self._changed()


def event_types(types: object, where: str = "type") -> tuple[type[Any], ...]:
    """Return a class of events, or a tuple of them, as a tuple without doubles.

    Args:
        types: what a user gave.
        where: what that argument is called.

    Raises:
        TypeError: it is nothing of the kind.
    """
    many = types if isinstance(types, (tuple, list)) else (types,)
    if not many:
        raise TypeError(f"expected a class of events, got none - at `{where}`")
    for index, each in enumerate(many):
        if not (isinstance(each, type) and issubclass(each, Event)):
            got = f"`{each.__name__}`" if isinstance(each, type) else f"an object of type `{type(each).__name__}`"
            place = where if many is not types else f"{where}[{index}]"
            raise TypeError(f"expected a class of events, got {got} - at `{place}`")
    return tuple(dict.fromkeys(many))


def _check_function(fn: Callable[[E], object]) -> Callable[[E], object]:
    """Raise unless calling it with an event does something."""
    if not callable(fn):
        raise TypeError(f"expected a function of one argument, the event, got `{type(fn).__name__}` - at `fn`")
    if isinstance(fn, Task):
        raise TypeError(f"expected a plain function, got the task {_name(fn)}: to call a task runs nothing - at `fn`")
    for candidate in (fn, getattr(type(fn), "__call__", None)):  # noqa: B004 (an instance may have an async `__call__`)
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate):
            raise TypeError(
                f"expected a plain function, got the async function {_name(fn)}: events are delivered at once, without "
                f"waiting; start a task in it (asyncio.create_task) or put the event into a queue - at `fn`"
            )
        if inspect.isgeneratorfunction(candidate):
            raise TypeError(f"expected a plain function, got the generator function {_name(fn)} - at `fn`")
    try:
        signature = signature_of(fn, annotated=True)
    except Exception:  # a callable need not have one
        return fn
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(
            f"expected a function of one argument, the event, got {_name(fn)}{signature}: {error} - at `fn`"
        ) from None
    return fn


def _check_result(result: object) -> None:
    """Raise for results that say that nothing was done."""
    if type(result) is CoroutineType:
        result.close()
        raise TypeError("expected a plain function as subscriber, but it returned a coroutine, which nobody awaits")
    if type(result) is LazyResult:
        raise TypeError("expected a plain function as subscriber, but it returned a lazy result, which nobody runs")


def _name(fn: object) -> str:
    """How to call a subscriber in a message."""
    try:
        while isinstance(fn, partial):
            fn = fn.func
        module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    except Exception:  # an object of a user's, and its `__getattr__`
        module = name = None
    if isinstance(name, str):
        return f"{module}.{name}" if isinstance(module, str) else name
    return f"`{type(fn).__module__}.{type(fn).__qualname__}`"


def _raise(error: BaseException) -> NoReturn:
    raise error
