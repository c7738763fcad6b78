"""The event loop of virtual time: asyncio's own, but for its clock, and for all that takes real time.

Plain asyncio code runs on it beside an engine, and waits in the same virtual time: `asyncio.sleep` and
`asyncio.timeout` set timers on the clock that the runs wait on.
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
from cascade._support.public import public
from cascade.exceptions import DeadlockError, VirtualTimeError

if TYPE_CHECKING:
    from cascade.clock.deadlock import BusyLimit

__all__ = ["VirtualLoop"]

_Ts = TypeVarTuple("_Ts")
_logger = logging.getLogger("cascade")

_BEYOND = 1e10  # seconds: past the end of any clock's time, and yet a number of nanoseconds, as infinity is not
_STANDSTILL = 1_000_000  # rounds of the loop at one instant before somebody is asked

# What opens something to the world, which keeps no virtual time.
_REFUSED = (
    "add_reader", "add_signal_handler", "add_writer", "connect_accepted_socket", "connect_read_pipe",
    "connect_write_pipe", "create_connection", "create_datagram_endpoint", "create_server", "create_unix_connection",
    "create_unix_server", "getaddrinfo", "getnameinfo", "sendfile", "sock_accept", "sock_connect", "sock_recv",
    "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendfile", "sock_sendto",
    "start_tls", "subprocess_exec", "subprocess_shell",
)  # fmt: skip


class DrivenRun(Protocol):
    """What the loop asks of a run."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def doing(self) -> str:
        """What it waits for, in words."""

    def _handles(self) -> Collection[asyncio.Task[Any]]:
        """The asyncio tasks that it has started."""


class Driven(Protocol):
    """What the loop asks of an engine whose runs are on it."""

    @property
    def runs(self) -> Sequence[DrivenRun]:
        """The runs that have not ended."""

    def waited_for(self) -> Iterable[BusyLimit]:
        """The limits and pauses that calls wait for."""

    def runs_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it has runs on an event loop."""

    def awaits(self, task: asyncio.Task[Any]) -> bool:
        """Whether an asyncio task awaits runs of it."""

    def take_turn(self) -> None:
        """Have a turn, in which virtual time passes if no run is ready."""

    def tell_deadlock(self, message: str) -> bool:
        """Have the runs fail that nothing will ever wake. Return whether there were any."""


@public
class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on which no time passes but by waiting.

    `cascade.run` makes one for an engine with a virtual clock. With ``asyncio.Runner(loop_factory=engine.new_loop)``
    plain asyncio code runs on one too, beside the engine's runs.

    What takes real time has no place on it: sockets, pipes and subprocesses raise `VirtualTimeError`, and what would
    run in a thread (`asyncio.to_thread`) runs at once, in the loop's own, and the log says so.

    Args:
        clock: a virtual one.

    Raises:
        TypeError, ValueError: it is no clock, or a real one.

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

    _ready: deque[asyncio.Handle]  # asyncio's own: what is to be called

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._alarms: set[Alarm] = set()  # those that are set
        if not isinstance(clock, Clock) or not clock.is_virtual:
            self.close()
            if isinstance(clock, Clock):
                raise ValueError("expected a virtual clock, got a real one")
            raise TypeError(f"expected a `Clock`, got `{type(clock).__name__}`")
        self._selector = self  # asyncio's loop asks its selector what to do when there is nothing to be called
        self.clock = clock
        self.slow_callback_duration = math.inf  # asyncio's debug mode measures in this loop's time, which jumps
        self._engines: list[weakref.ref[Driven]] = []
        self._told: set[str] = set()
        self._counted_at = -1
        self._rounds = 0
        """How often it came round, at that instant."""

    @property
    def outside(self) -> Sized:
        """What is to be called, apart from an engine's turn that is being taken."""
        return self._ready

    def join(self, engine: Driven) -> None:
        """Have an engine move time, and be told when everybody waits for ever."""
        if all(known() is not engine for known in self._engines):
            self._engines = [known for known in self._engines if known() is not None]
            self._engines.append(weakref.ref(engine))

    # ------------------------------------------------------------------------------------- for asyncio: time

    def time(self) -> float:
        """Seconds on the clock."""
        return self.clock.time()

    def call_later(
        self, delay: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Have a function called when so many seconds have passed on the clock."""
        now = self.clock.time_ns()
        return self._call_at(now + _nanoseconds(delay), now / 1e9 + delay, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Have a function called at a time, in seconds on the clock."""
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
            deadline = now + 1  # who waits for the least time, again and again, must get on
        handle = _TimerHandle(when, callback, args, self, context)
        handle.alarm = Alarm(self.clock, deadline, partial(self._ring, handle))
        self._alarms.add(handle.alarm)
        return handle

    def _ring(self, handle: _TimerHandle) -> None:
        self._alarms.discard(handle.alarm)
        self._ready.append(handle)

    def _timer_handle_cancelled(self, handle: _TimerHandle) -> None:
        """It leaves the clock at once."""
        self._alarms.discard(handle.alarm)
        handle.alarm.cancel()

    def close(self) -> None:
        """Be used no more. What is still to be called leaves the clock, on which time may go on."""
        super().close()
        while self._alarms:
            self._alarms.pop().cancel()

    # ------------------------------------------------------------------------------- for asyncio: the selector

    def run_forever(self) -> None:
        """Run until it is stopped, with nothing of real time within reach.

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
        """There is nothing to be called (if no timeout is given): let time pass until there is."""
        self._count_round()
        if timeout is None:
            self._let_time_pass()
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """It never sleeps, so it need not be woken."""

    def _count_round(self) -> None:
        """Tell if virtual time seems not to move any more."""
        now = self.clock.time_ns()
        if now != self._counted_at:
            self._counted_at, self._rounds = now, 0
        self._rounds += 1
        if self._rounds == _STANDSTILL:
            _logger.warning(
                "virtual time stands still at %.9g s: the event loop came round %s times at that instant; "
                "does somebody wait for no time, again and again?", self.time(), f"{_STANDSTILL:,}"
            )  # fmt: skip

    def _let_time_pass(self) -> None:
        engines = [engine for known in self._engines if (engine := known()) is not None and engine.runs_on(self)]
        if self.clock:
            if engines:
                engines[0].take_turn()  # which lets it pass if nobody is ready: in one place, so in one order
            else:
                self.clock.jump()
            return
        from cascade.clock.deadlock import describe

        started = {handle for engine in engines for run in engine.runs for handle in run._handles()}  # noqa: SLF001
        plain = asyncio.all_tasks(self) - started
        message = describe(engines, [_name_of(task) for task in plain if not any(e.awaits(task) for e in engines)])
        if not [engine for engine in engines if engine.tell_deadlock(message)]:
            # Whoever goes on with the loop must not find them in line for messages. In order: a set has that of memory.
            for task in sorted(plain, key=lambda task: (len(task.get_name()), task.get_name())):
                task.cancel()
            raise DeadlockError(message)

    # -------------------------------------------------------------------------------- for asyncio: real time

    def run_in_executor(  # type: ignore[override]
        self, executor: object, function: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call a function at once, in this thread: no virtual time passes in another one."""
        self._check_closed()  # type: ignore[attr-defined]
        if self.get_debug():
            self._check_callback(function, "run_in_executor")  # type: ignore[attr-defined]
        who = _current(self)
        if who not in self._told:
            self._told.add(who)
            _logger.warning("%s asked for a worker thread: under a virtual clock the call runs inline", who)
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(function(*args))
        except StopIteration as error:  # a future cannot hold it
            future.set_exception(RuntimeError("a function raised StopIteration").with_traceback(error.__traceback__))
        except Exception as error:
            future.set_exception(error)
        return future


class _TimerHandle(asyncio.TimerHandle):
    """What `VirtualLoop.call_at` gives: it knows its timer on the clock."""

    __slots__ = ("alarm",)
    alarm: Alarm


def _refusing(name: str) -> Callable[..., Any]:
    def refuse(self: VirtualLoop, *args: object, **options: object) -> Any:
        raise VirtualTimeError(
            f"{_current(self)} asked for real input or output, which keeps no virtual time: loop.{name}()"
        )

    refuse.__name__ = name
    return refuse


for _name in _REFUSED:
    setattr(VirtualLoop, _name, _refusing(_name))


def _nanoseconds(seconds: float) -> int:
    """A time or a span as asyncio allows it: what is past is now, and there may be no end to it."""
    if math.isnan(seconds):
        raise ValueError("expected a time in seconds, got nan")
    return round(max(0.0, min(seconds, _BEYOND)) * 1e9)


def _current(loop: asyncio.AbstractEventLoop) -> str:
    """Who is running, for people."""
    task = asyncio.current_task(loop)
    return "plain code in the event loop" if task is None else _name_of(task)


def _name_of(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"task {getattr(coroutine, '__qualname__', None) or task.get_name()}"
