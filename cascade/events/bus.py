"""The event bus: subscriptions to the events of an engine, and their delivery."""

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
from cascade._support.boundary import boundary
from cascade._support.forks import new_lock, reset_in_children
from cascade._support.not_copied import NotCopied
from cascade._support.public import public_in
from cascade.events.event import Event

__all__ = ["Events", "Subscription"]

E = TypeVar("E", bound=Event)

_KINDS = 16
"""Exception types of one subscriber that are reported; further ones are counted only."""

_logger = logging.getLogger("cascade")


@public_in("cascade.events")
class Subscription(NotCopied, Generic[E]):
    """A function that is called with events. Made by `Events.subscribe`.

    As a context manager, it is cancelled at the end.

    Attributes:
        types: the classes of events with which the function is called, subclasses included.
        fn: the function.
        active: whether the function is still called.
        failures: how many times the function has raised.
    """

    __slots__ = ("__weakref__", "_bus", "_reported", "active", "failures", "fn", "types")

    def __init__(self, bus: Events, types: tuple[type[E], ...], fn: Callable[[E], object]) -> None:
        self._bus = bus
        self.types = types
        self.fn = fn
        self.active = True
        self.failures = 0
        self._reported: set[type[BaseException]] = set()

    def cancel(self) -> None:
        """End the subscription: no event is delivered any more, not even a queued one; does nothing if cancelled."""
        self._bus._cancel(self)  # noqa: SLF001 - bus and subscription are one thing in two halves

    def __enter__(self) -> Subscription[E]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def __repr__(self) -> str:
        names = ", ".join(cls.__name__ for cls in self.types)
        return f"<Subscription of {_name(self.fn)} to {names}{'' if self.active else ', cancelled'}>"


@public_in("cascade.events")
class Events(NotCopied):
    """The events of one engine: `engine.events`.

    A subscriber is a plain function, called in the thread of the engine's event loop, which waits for it: it should be
    quick. It is called with the events that are emitted while it is subscribed, in order of emission. Several
    subscribers are called in order of subscription. Events that a subscriber causes (it may start and cancel runs,
    subscribe, and cancel subscriptions) are delivered after the current event.

    Args:
        changed: called in the thread that subscribes or cancels when the answer of `wants` may have changed.
        report: called with a message and the exception when a subscriber has failed; once for each subscription and
            exception type.

    >>> from cascade.events import NodeEvent, NodeFinished, RunStarted
    >>> events = Events(lambda: None, lambda message, error: None)
    >>> tasks = []
    >>> with events.subscribe(NodeEvent, lambda event: tasks.append(event.task)):
    ...     events.wants(NodeFinished), events.wants(RunStarted)
    ...     events.emit(NodeFinished(time=0.0, run=1, task="jobs.add", path="$", iteration=0, node=0, seconds=0.0))
    (True, False)
    >>> tasks, events.wants(NodeFinished)
    (['jobs.add'], False)
    """

    __slots__ = (
        "__weakref__",
        "_changed",
        "_counts",
        "_delivering",
        "_interrupt",
        "_lock",
        "_queue",
        "_receivers",
        "_report",
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
        reset_in_children(self)

    def _reset_after_fork(self) -> None:
        """Drop the queue in a child process: the parent delivers it."""
        self._queue.clear()
        self._delivering = False

    @boundary
    def subscribe(self, types: type[E] | tuple[type[E], ...], fn: Callable[[E], object]) -> Subscription[E]:
        """Call a function with each event of a class, beginning with the next that is emitted.

        Args:
            types: a class of events, or a tuple of classes; `Event` or `NodeEvent`, for instance, includes all
                subclasses.
            fn: a plain function of one argument, the event; its return value is ignored.

        Returns:
            The subscription: call its `cancel`, or use it in a ``with`` statement.

        Raises:
            TypeError: ``types`` is not a class of events, or ``fn`` cannot be called with one, or calling it would run
                nothing: an async function, a generator function, a task.
        """
        subscription = Subscription(self, event_types(types), _check_function(fn))
        with self._lock:
            self._subscriptions[subscription] = None
            self._count(subscription, 1)
        return subscription

    def wants(self, cls: type[Event]) -> bool:
        """Return whether there is a subscription to events of exactly this class; if not, none need be made."""
        receivers = self._receivers.get(cls)
        return bool(self._resolve(cls) if receivers is None else receivers)

    def emit(self, event: Event) -> None:
        """Deliver an event, or queue it while another one is being delivered.

        Only the engine calls it, in the thread of its event loop; for events of your own there are `cascade.emit` and
        `Engine.emit`. It does not raise: a `KeyboardInterrupt` or `SystemExit` of a subscriber is raised in the next
        turn of the event loop, unless no loop is running.

        Args:
            event: the event.
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
        """Report an exception of a subscriber once: a million iterations must not report it a million times."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._interrupt_loop(error)
            return
        receiver.failures += 1
        reported = receiver._reported  # noqa: SLF001 - see Subscription.cancel
        if type(error) in reported or len(reported) >= _KINDS:
            return
        reported.add(type(error))
        message = (
            f"event subscriber {_name(receiver.fn)} failed at {type(event).__name__}; "
            f"it will not be reported again for {type(error).__name__}"
        )
        try:
            self._report(message, error)
        except Exception:
            _logger.exception("%s; reporting it failed, too", message)

    def _interrupt_loop(self, error: BaseException) -> None:
        """Raise an interrupt from the event loop, as asyncio does, but not in the middle of a node."""
        import asyncio  # rarely needed, and slow to import

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._interrupt = error
        else:
            loop.call_soon(_raise, error)

    # -------------------------------------------------------------------------------------------- subscriptions

    def _resolve(self, cls: type[Event]) -> tuple[Subscription[Any], ...]:
        """Return the subscriptions to a concrete class, in order, and cache them."""
        with self._lock:
            # A copy: garbage collection may run a destructor that subscribes or cancels.
            found = tuple(each for each in self._subscriptions.copy() if issubclass(cls, each.types))
            self._receivers[cls] = found
            return found

    def _cancel(self, subscription: Subscription[Any]) -> None:
        with self._lock:
            if subscription.active:
                subscription.active = False
                del self._subscriptions[subscription]
                self._count(subscription, -1)

    def _count(self, subscription: Subscription[Any], by: int) -> None:
        """Count a subscription, or subtract one, for each of its classes."""
        self._receivers.clear()
        changed = False
        for cls in subscription.types:
            before = self._counts.get(cls, 0)
            changed = changed or before == 0 or before + by == 0
            if before + by:
                self._counts[cls] = before + by
            else:
                del self._counts[cls]
        if changed:
            self._changed()


def event_types(types: object, name: str = "types") -> tuple[type[Any], ...]:
    """Return a class of events, or a tuple of them, as a tuple without duplicates.

    Args:
        types: the argument of a user.
        name: the name of that argument, for the error.

    Raises:
        TypeError: it is neither.
    """
    many = types if isinstance(types, (tuple, list)) else (types,)
    if not many:
        raise TypeError(f"{name} must be a class of events or a tuple of classes, got an empty one")
    for index, each in enumerate(many):
        if not (isinstance(each, type) and issubclass(each, Event)):
            got = f"`{each.__name__}`" if isinstance(each, type) else f"an object of type `{type(each).__name__}`"
            place = name if many is not types else f"{name}[{index}]"
            raise TypeError(f"{place} must be a class of events, got {got}")
    return tuple(dict.fromkeys(many))


def _check_function(fn: Callable[[E], object]) -> Callable[[E], object]:
    """Raise `TypeError` unless a function can be called with an event and calling it runs it."""
    if not callable(fn):
        raise TypeError(f"fn must be a function of one argument, the event, got `{type(fn).__name__}`")
    if isinstance(fn, Task):
        raise TypeError(f"fn must be a plain function, got the task {_name(fn)}: calling a task does not run it")
    for candidate in (fn, getattr(type(fn), "__call__", None)):  # noqa: B004 (an instance may have an async `__call__`)
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate):
            raise TypeError(
                f"fn must be a plain function, got the async function {_name(fn)}: nothing awaits a subscriber; start "
                f"an async task in it (asyncio.create_task) or put the event into a queue"
            )
        if inspect.isgeneratorfunction(candidate):
            raise TypeError(f"fn must be a plain function, got the generator function {_name(fn)}")
    try:
        signature = signature_of(fn, annotated=True)
    except Exception:  # not every callable has a signature
        return fn
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(
            f"fn must be a function of one argument, the event, got {_name(fn)}{signature}: {error}"
        ) from None
    return fn


def _check_result(result: object) -> None:
    """Raise `TypeError` for results that show that the function has not run."""
    if type(result) is CoroutineType:
        result.close()
        raise TypeError("a subscriber must be a plain function, got a coroutine from it, which is not awaited")
    if type(result) is LazyResult:
        raise TypeError("a subscriber must be a plain function, got a lazy result from it, which is not evaluated")


def _name(fn: object) -> str:
    """Return the name of a function, for messages."""
    try:
        while isinstance(fn, partial):
            fn = fn.func
        module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    except Exception:  # a `__getattr__` of a user's object may raise anything
        module = name = None
    if isinstance(name, str):
        return f"{module}.{name}" if isinstance(module, str) else name
    return f"`{type(fn).__module__}.{type(fn).__qualname__}`"


def _raise(error: BaseException) -> NoReturn:
    raise error
