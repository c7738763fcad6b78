"""An event loop in a thread of its own: virtual time for code that runs on another event loop, such as a notebook's.

A virtual loop never sleeps, and one loop cannot run inside another one. So the running loop stays free, and is told
when the coroutine on the virtual loop has ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from cascade._core.fork import in_child
from cascade.engine.interrupts import Cancellable
from cascade.exceptions import EngineStateError

if TYPE_CHECKING:
    from cascade._core.time.clock import Clock

__all__ = ["drive"]

_driven: dict[int, object] = {}  # by `id` of a clock: the call that drives it now
in_child(_driven.clear)  # a child of a fork has none of the threads


async def drive(
    clock: Clock,
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Run a coroutine on an event loop of its own, in a thread of its own, and wait for its end.

    It gets a copy of the context of the caller. Cancelling this cancels the coroutine, each time; this ends once the
    coroutine has ended. If this is closed instead, as when its event loop is given up, the coroutine is cancelled and
    nothing waits for it.

    Args:
        clock: the virtual clock of the loop.
        new_loop: makes the loop, in the thread.
        work: makes the coroutine, in the thread.

    Raises:
        EngineStateError: another loop is running on the clock.
        asyncio.CancelledError: this was cancelled. The failure of the coroutine is its cause.
        BaseException: what the coroutine raises.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    context = copy_context()
    cancellable = Cancellable()
    failure: list[BaseException] = []

    def main() -> None:
        try:
            # Here, as no signal interrupts a thread: the clock cannot stay in use by mistake.
            with _the_only_one(clock), asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(cancellable.watch(work()), context=context)
        except BaseException as error:
            failure.append(error)
        finally:
            with suppress(RuntimeError):  # the loop that waits was closed meanwhile
                loop.call_soon_threadsafe(_settle, ended)

    cancelled: asyncio.CancelledError | None = None
    try:
        # A daemon: a run without end must not keep the process from ending when the loop that waits has been given up.
        # Started in an empty context: the thread itself would keep the caller's alive.
        Context().run(threading.Thread(target=main, name="cascade-virtual-time", daemon=True).start)
        while not ended.done():
            try:
                await asyncio.wait((ended,))  # and not the future itself, which would be cancelled instead
            except asyncio.CancelledError as error:
                cancelled = error
                cancellable.cancel()
    except BaseException:  # this is closed, or the loop has been interrupted
        cancellable.cancel()
        raise
    if cancelled is not None:
        raise cancelled from _unless_cancelled(failure)
    if failure:
        raise failure.pop()


@contextmanager
def _the_only_one(clock: Clock) -> Iterator[None]:
    """Have no other thread drive a clock meanwhile.

    Raises:
        EngineStateError: another one does, or another loop is running on the clock.
    """
    mine = object()
    if _driven.setdefault(id(clock), mine) is not mine:
        raise EngineStateError(
            "another event loop is running on this virtual clock: await the first `cs.arun` before the second one, or "
            "give both targets to one: `await cs.arun([first, second], engine=engine)`"
        )
    try:
        clock.take()  # raises if a loop that was started in another way is running on it
        clock.give_back()
        yield
    finally:
        _driven.pop(id(clock), None)


def _unless_cancelled(failure: list[BaseException]) -> BaseException | None:
    """The failure that a cancelled coroutine has ended with; None: it has just been cancelled."""
    if not failure:
        return None
    error = failure.pop()
    return error.__cause__ if isinstance(error, asyncio.CancelledError) else error


def _settle(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
