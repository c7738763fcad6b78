"""The event loop of virtual time: asyncio's own, with a virtual clock and without real input and output.

Plain asyncio code runs on it beside an engine, and waits in the same virtual time: `asyncio.sleep` and
`asyncio.timeout` set timers on the clock on which runs wait.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence, Sized
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVarTuple, Unpack

from cascade._core.time.clock import Alarm, Clock
from cascade._core.time.io_guard import allow_real_io, forbid_real_io
from cascade._support.boundary import boundary
from cascade._support.public import public
from cascade.exceptions import DeadlockError, VirtualTimeError

if TYPE_CHECKING:
    from cascade.clock.deadlock import BusyLimit

__all__ = ["VirtualLoop"]

_Ts = TypeVarTuple("_Ts")
_logger = logging.getLogger("cascade")

_BEYOND = 1e10  # seconds: stands for infinity, which is not a number of nanoseconds; beyond the end of any clock
_STANDSTILL = 1_000_000  # rounds of the loop at one instant before a warning

# Methods for real input and output, which do not follow virtual time.
_REFUSED = (
    "add_reader", "add_signal_handler", "add_writer", "connect_accepted_socket", "connect_read_pipe",
    "connect_write_pipe", "create_connection", "create_datagram_endpoint", "create_server", "create_unix_connection",
    "create_unix_server", "getaddrinfo", "getnameinfo", "sendfile", "sock_accept", "sock_connect", "sock_recv",
    "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendfile", "sock_sendto",
    "start_tls", "subprocess_exec", "subprocess_shell",
)  # fmt: skip


class DrivenRun(Protocol):
    """A run, as the loop sees it."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def name(self) -> str | None:
        """The name that the user gave it."""

    @property
    def doing(self) -> str:
        """What it waits for, as text."""

    def _handles(self) -> Collection[asyncio.Task[Any]]:
        """Return the asyncio tasks that it has started."""


class Driven(Protocol):
    """An engine with runs on the loop, as the loop sees it."""

    @property
    def runs(self) -> Sequence[DrivenRun]:
        """The runs that have not ended."""

    def waited_for(self) -> Iterable[BusyLimit]:
        """Return the limits and pauses for which calls wait."""

    def runs_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether the engine has runs on this event loop."""

    def awaits(self, task: asyncio.Task[Any]) -> bool:
        """Whether an asyncio task awaits runs of this engine."""

    def take_turn(self) -> None:
        """Schedule a turn, in which virtual time passes if no run is ready."""

    def fail_deadlocked(self, message: str) -> bool:
        """Fail all runs with `DeadlockError`: nothing will ever wake them. Return whether any has failed."""


@public
class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on virtual time: time passes only by waiting, and waiting takes no real time.

    `cascade.run` makes one for an engine with a virtual clock. With ``asyncio.Runner(loop_factory=engine.new_loop)``
    plain asyncio code runs on one too, beside the engine's runs.

    Real input and output is refused: sockets, pipes and subprocesses raise `VirtualTimeError`. A function for a worker
    thread (`asyncio.to_thread`) is called at once in the loop's own thread, with a warning in the log.

    Args:
        clock: a virtual clock.

    Raises:
        TypeError: ``clock`` is not a `Clock`.
        ValueError: ``clock`` is a real clock.

    >>> import asyncio, cascade as cs
    >>> clock = cs.Clock.virtual()
    >>> async def main():
    ...     async with asyncio.timeout(60):
    ...         await asyncio.sleep(3600)
    >>> with asyncio.Runner(loop_factory=lambda: cs.VirtualLoop(clock)) as runner:
    ...     runner.run(main())
    Traceback (most recent call last):
        ...
    TimeoutError
    >>> clock.time()
    60.0
    """

    _ready: deque[asyncio.Handle]  # asyncio's own queue of callbacks

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._alarms: set[Alarm] = set()  # the timers that are set
        if not isinstance(clock, Clock) or not clock.is_virtual:
            self.close()
            if isinstance(clock, Clock):
                raise ValueError("clock must be virtual, got a real one; make it by `Clock.virtual()`")
            raise TypeError(f"clock must be a virtual `Clock`, got `{type(clock).__name__}`")
        self._selector = self  # asyncio calls `select` when there are no callbacks
        self.clock = clock
        self.slow_callback_duration = math.inf  # debug mode measures callbacks on this clock, which jumps
        self._engines: list[weakref.ref[Driven]] = []
        self._warned: set[str] = set()
        self._counted_at = -1
        self._rounds = 0
        """How many rounds the loop has made at that instant."""

    @property
    def loop_ready(self) -> Sized:
        """The callbacks that are due, apart from an engine's turn that is being taken."""
        return self._ready

    def join(self, engine: Driven) -> None:
        """Add an engine, which moves the time while it has runs, and fails them in a deadlock."""
        if all(known() is not engine for known in self._engines):
            self._engines = [known for known in self._engines if known() is not None]
            self._engines.append(weakref.ref(engine))

    # ------------------------------------------------------------------------------------- for asyncio: time

    def time(self) -> float:
        """Return the time on the clock, in seconds."""
        return self.clock.time()

    def call_later(
        self, delay: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Call a function after a delay in seconds on the clock."""
        now = self.clock.time_ns()
        return self._call_at(now + _nanoseconds(delay), now / 1e9 + delay, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Call a function at a time in seconds on the clock."""
        return self._call_at(_nanoseconds(when), when, callback, args, context)

    def _call_at(
        self, deadline: int, when: float, callback: Callable[..., object], args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        self._check_closed()  # type: ignore[attr-defined]
        if self.get_debug():
            self._check_thread()  # type: ignore[attr-defined]
            self._check_callback(callback, "call_at")  # type: ignore[attr-defined]
        now = self.clock.time_ns()
        if deadline <= now and when > now / 1e9:
            deadline = now + 1  # a loop of waits too short for a nanosecond must make time pass
        handle = _TimerHandle(when, callback, args, self, context)
        handle.alarm = Alarm(self.clock, deadline, partial(self._ring, handle))
        self._alarms.add(handle.alarm)
        return handle

    def _ring(self, handle: _TimerHandle) -> None:
        self._alarms.discard(handle.alarm)
        self._ready.append(handle)

    def _timer_handle_cancelled(self, handle: _TimerHandle) -> None:
        """Remove the timer from the clock at once."""
        self._alarms.discard(handle.alarm)
        handle.alarm.cancel()

    def close(self) -> None:
        """Close the loop, and remove its timers from the clock, which may be used further."""
        super().close()
        while self._alarms:
            self._alarms.pop().cancel()

    # ------------------------------------------------------------------------------- for asyncio: the selector

    def run_forever(self) -> None:
        """Run until `stop` is called. Real waits in its thread raise `VirtualTimeError`.

        Raises:
            EngineStateError: another loop is running on the clock.
        """
        self._check_running()  # type: ignore[attr-defined]
        self.clock.take()
        forbid_real_io()
        try:
            super().run_forever()
        finally:
            allow_real_io()
            self.clock.give_back()

    def select(self, timeout: float | None) -> list[Any]:
        """Called by asyncio between rounds. Without a timeout there are no callbacks: let time pass until there are."""
        self._count_round()
        if timeout is None:
            self._let_time_pass()
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: there are no events."""

    def _write_to_self(self) -> None:
        """Do nothing: the loop never sleeps, so it need not be woken."""

    def _count_round(self) -> None:
        """Log a warning if virtual time does not advance."""
        now = self.clock.time_ns()
        if now != self._counted_at:
            self._counted_at, self._rounds = now, 0
        self._rounds += 1
        if self._rounds == _STANDSTILL:
            _logger.warning(
                "virtual time is not advancing (%s rounds of the event loop at t=%.9g s): is a task looping on a "
                "zero-second wait?", f"{_STANDSTILL:,}", self.time()
            )  # fmt: skip

    def _let_time_pass(self) -> None:
        engines = [engine for known in self._engines if (engine := known()) is not None and engine.runs_on(self)]
        if self.clock:
            if engines:
                engines[0].take_turn()  # moves time if no run is ready: always there, so that the order is reproducible
            else:
                self.clock.jump()
            return
        from cascade.clock.deadlock import describe

        started = {handle for engine in engines for run in engine.runs for handle in run._handles()}  # noqa: SLF001
        plain = asyncio.all_tasks(self) - started
        message = describe(engines, [_name_of(task) for task in plain if not any(e.awaits(task) for e in engines)])
        if not [engine for engine in engines if engine.fail_deadlocked(message)]:
            # Cancelled, so that they take no messages if the loop is used further. Sorted: the order of a set depends
            # on addresses.
            for task in sorted(plain, key=lambda task: (len(task.get_name()), task.get_name())):
                task.cancel()
            raise DeadlockError(message)

    # -------------------------------------------------------------------------------- for asyncio: real time

    def run_in_executor(  # type: ignore[override]
        self, executor: object, function: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call a function at once, in this thread: a worker thread would take real time."""
        self._check_closed()  # type: ignore[attr-defined]
        if self.get_debug():
            self._check_callback(function, "run_in_executor")  # type: ignore[attr-defined]
        caller = _current(self)
        if caller not in self._warned:
            self._warned.add(caller)
            _logger.warning("%s asked for a worker thread: under a virtual clock the call runs inline", caller)
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(function(*args))
        except StopIteration as error:  # a future cannot hold it
            future.set_exception(RuntimeError("a function raised StopIteration").with_traceback(error.__traceback__))
        except Exception as error:
            future.set_exception(error)
        return future


class _TimerHandle(asyncio.TimerHandle):
    """The handle that `VirtualLoop.call_at` returns, with its timer on the clock."""

    __slots__ = ("alarm",)
    alarm: Alarm


def _refusing(name: str) -> Callable[..., Any]:
    def refuse(self: VirtualLoop, *args: object, **options: object) -> Any:
        raise VirtualTimeError(
            f"{_current(self)} called loop.{name}(): real input or output is not possible under a virtual clock"
        )

    refuse.__name__ = name
    return boundary(refuse)


for _name in _REFUSED:
    setattr(VirtualLoop, _name, _refusing(_name))


def _nanoseconds(seconds: float) -> int:
    """Convert a time or duration in seconds, which may be negative or infinite, as asyncio allows."""
    if math.isnan(seconds):
        raise ValueError("a time must be a number of seconds, got nan")
    return round(max(0.0, min(seconds, _BEYOND)) * 1e9)


def _current(loop: asyncio.AbstractEventLoop) -> str:
    """Describe the code that is running, for messages."""
    task = asyncio.current_task(loop)
    return "plain code in the event loop" if task is None else _name_of(task)


def _name_of(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"task {getattr(coroutine, '__qualname__', None) or task.get_name()}"
