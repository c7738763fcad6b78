"""One resource in one scope, from set-up to teardown."""

from __future__ import annotations

import asyncio
import inspect
from asyncio import CancelledError
from collections.abc import Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from cascade._support.failures import add_note, another, is_a
from cascade._support.futures import settle
from cascade.exceptions import ResourceError
from cascade.resources.generator import begin, begin_async, end, end_async
from cascade.resources.provider import Resource

if TYPE_CHECKING:
    from cascade.resources.binding import Binding

__all__ = ["URGENT", "Instance", "Owner"]

URGENT: Final = (KeyboardInterrupt, SystemExit)  # always raised: they end the program
State = Literal["opening", "ready", "ending", "gone"]


class Owner(Protocol):
    """The scope of an instance, as the instance sees it."""

    async def obtain(self, binding: Binding) -> Any:
        """Return the value of a need, and set it up if necessary."""

    def opened(self, instance: Instance) -> None:
        """Note that the instance is set up."""

    def forget(self, instance: Instance) -> None:
        """Note that the instance is gone: the next use sets up another one."""

    def closed(self, instance: Instance, wrong: BaseException | None, *, early: bool) -> None:
        """Note that the instance is torn down."""

    def report(self, message: str, error: BaseException) -> None:
        """Report an exception that no run raises."""


class Instance:
    """One resource in one scope.

    A resource whose set-up awaits nothing is set up and torn down by plain calls. Any other has an asyncio task, its
    *keeper*; the keeper of an async generator stays until the teardown. So cancelling the call that was the first to
    need a resource does not take it from the others; set-up and teardown run in one task, as task groups and timeouts
    within a generator require; and cancelling a teardown's caller does not stop the teardown.

    Attributes:
        state: "opening"; "ready": `value` is known; "ending"; "gone": torn down, or its set-up failed.
        error: the exception of the set-up; None if it was given up because no call needed it.
        teardown_error: the exception of the teardown at the end of its scope.
    """

    __slots__ = (
        "_abandoned",
        "_context",
        "_copies",
        "_generator",
        "_keeper",
        "_owner",
        "_parked",
        "_provider",
        "_waiting",
        "binding",
        "error",
        "state",
        "teardown_error",
        "value",
    )  # fmt: skip

    def __init__(self, owner: Owner, binding: Binding, provider: Resource, context: Context) -> None:
        self.binding = binding
        self.state: State = "opening"
        self.value: Any = None
        self.error: BaseException | None = None
        self.teardown_error: BaseException | None = None
        self._copies: list[BaseException] = []  # of the error: one for each waiting call, which adds its own notes
        self._owner = owner
        self._provider = provider
        self._context = context
        self._generator: Any = None
        self._keeper: asyncio.Task[Any] | None = None
        self._parked: asyncio.Future[BaseException | None] | None = None  # awaited by the keeper of an async generator
        self._waiting: list[asyncio.Future[None]] = []  # done at the next change of state
        self._abandoned = False  # no call needed it while it was opening

    # ---------------------------------------------------------------------------------------------------- set-up

    def open_now(self, needed: Mapping[str, Any]) -> None:
        """Set up a sync resource with the values of its needs. Exceptions of its function are raised here."""
        try:
            coroutine = self._context.run(self._call, needed)
        except BaseException as error:
            self._owner.forget(self)
            self.state = "gone"
            raised = self._not_cancelled(error) if is_a(error, CancelledError) else self._annotated(error)
            if raised is error:
                raise
            raise raised from error
        if coroutine is None:
            self._ready()
        else:
            self._start_keeper(coroutine)

    def open_later(self) -> None:
        """Set up in a keeper, its needs first."""
        self._start_keeper(None)

    def _start_keeper(self, coroutine: Any) -> None:
        # Not an eager task, on any Python: chains of needs would nest on the stack, and set-ups would be reordered.
        loop = asyncio.get_running_loop()
        name = f"resource {self.binding.name}"
        keeper = asyncio.Task(self._keep(coroutine), loop=loop, name=name, context=self._context)
        self._keeper = keeper
        keeper.add_done_callback(lambda keeper: self._keeper_done(keeper, coroutine))

    def _keeper_done(self, keeper: asyncio.Task[Any], coroutine: Any) -> None:
        """Done callback of the keeper, which may have been cancelled before it started."""
        if not keeper.cancelled():
            keeper.exception()  # an interrupt, raised by the event loop: retrieved, so that asyncio does not log it
        if self.state == "opening":
            if coroutine is not None:
                coroutine.close()
            self._failed(CancelledError())

    async def _keep(self, coroutine: Any) -> None:
        try:
            needed: dict[str, Any] = {}
            if coroutine is None:
                for parameter, need in self.binding.needs.items():
                    needed[parameter] = await self._owner.obtain(need)
            try:
                if coroutine is None:
                    coroutine = self._call(needed)
                if coroutine is not None:
                    await self._complete(coroutine)
            except BaseException as error:
                if (raised := self._annotated(error)) is error:
                    raise
                raise raised from error
        except GeneratorExit:  # the event loop is gone, and with it all that waits
            raise
        except BaseException as error:
            self._failed(error)
            if is_a(error, URGENT):
                raise
            return
        self._ready()
        if self._parked is not None:
            await self._park(self._parked)

    def _call(self, needed: Mapping[str, Any]) -> Any:
        """Call the function; return an awaitable, or None if the value is known."""
        kind = self._provider.kind
        result = self._provider.call(needed)
        if kind == "generator":
            self.value = begin(result, self.binding.name)
            self._generator = result
        elif kind == "plain" and not inspect.iscoroutine(result):
            self.value = result
        else:
            return result
        return None

    async def _complete(self, result: Any) -> None:
        if self._provider.kind == "async generator":
            self.value = await begin_async(result, self.binding.name)
            self._generator = result
            self._parked = asyncio.get_running_loop().create_future()
        else:
            self.value = await result if inspect.isawaitable(result) else result

    def _ready(self) -> None:
        self.state = "ready"
        self._owner.opened(self)
        self._wake()

    def _failed(self, error: BaseException) -> None:
        """End a set-up that has failed in its keeper."""
        self.state = "gone"
        self._owner.forget(self)
        if not self._abandoned:
            self.error = self._not_cancelled(error) if is_a(error, CancelledError) else error
            self._copies = [another(self.error) for _ in self._waiting[1:]]
        elif not is_a(error, CancelledError) and not is_a(error, URGENT):
            self._owner.report(f"giving up the set-up of resource `{self.binding.name}` failed", error)
        self._wake()

    def failure(self) -> BaseException | None:
        """Return the exception to raise in a call that has waited for it, or None."""
        return self._copies.pop() if self._copies else self.error

    def _not_cancelled(self, error: CancelledError, what: str = "set-up") -> ResourceError:
        """Return the error for a cancellation within the set-up or teardown: the waiting calls are not cancelled."""
        wrong = ResourceError(f"the {what} of resource `{self.binding.name}` was cancelled")
        wrong.__cause__ = error
        return wrong

    def _annotated(self, error: BaseException) -> BaseException:
        """Return an exception of the set-up with a note; another one if a coroutine cannot raise it unchanged."""
        if is_a(error, StopIteration | StopAsyncIteration):
            return RuntimeError(f"resource `{self.binding.name}` raised {type(error).__name__}")
        if not is_a(error, ResourceError | CancelledError):
            add_note(error, f"in the set-up of resource `{self.binding.name}`")
        return error

    # --------------------------------------------------------------------------------------------------- waiting

    async def wait(self) -> None:
        """Wait for the next change of state. A set-up is given up when all that wait for it are cancelled."""
        waiter = self._waiter()
        try:
            await waiter
        except CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            if self.state == "opening" and not self._waiting and not self._abandoned:
                self.abandon()
                await self.wait_while("opening")
            raise

    async def wait_while(self, *states: State) -> CancelledError | None:
        """Wait until it is in none of these states, even if cancelled; return the cancellation, if there was one."""
        cancelled = None
        while self.state in states:
            waiter = self._waiter()
            try:
                await waiter
            except CancelledError as error:
                cancelled = error
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
        return cancelled

    def abandon(self) -> None:
        """Cancel a set-up that no call needs any longer. Not twice: that would interrupt its cleanup."""
        if not self._abandoned and self._keeper is not None:
            self._abandoned = True
            self._keeper.cancel()

    def _waiter(self) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            settle(waiter)

    # -------------------------------------------------------------------------------------------------- teardown

    def end_now(self, failure: BaseException | None) -> bool:
        """Tear down if that awaits nothing; return whether it was torn down."""
        if self._parked is not None:
            return False
        wrong = None
        if self._generator is not None:
            self.state = "ending"
            wrong = self._context.run(end, self._generator, failure, self.binding.name)
        self._torn_down(wrong)
        return True

    def end_later(self, failure: BaseException | None) -> None:
        """Let the keeper tear down."""
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(failure)

    def abandon_teardown(self, error: BaseException) -> None:
        """Give up: the event loop was closed before the teardown, which has to be awaited."""
        self._waiting.clear()
        if self.state == "opening":
            self.state = "gone"
            self._owner.forget(self)
        else:
            self._torn_down(error)

    async def _park(self, parked: asyncio.Future[BaseException | None]) -> None:
        early = None
        try:
            failure = await parked
        except CancelledError as cancelled:  # by a task group or timeout in the generator, or at the end of the program
            failure = early = cancelled
        self.state = "ending"
        wrong = await end_async(self._generator, failure, self.binding.name)
        self._torn_down(wrong, early=early is not None)
        if is_a(wrong, URGENT):
            raise wrong

    def _torn_down(self, wrong: BaseException | None, *, early: bool = False) -> None:
        if self.state == "gone":
            return
        self.state = "gone"
        self._generator = None
        if is_a(wrong, CancelledError):
            wrong = self._not_cancelled(wrong, "teardown")
        elif wrong is not None and not is_a(wrong, ResourceError):
            add_note(wrong, f"in the teardown of resource `{self.binding.name}`")
        self._owner.closed(self, wrong, early=early)
        self._wake()
