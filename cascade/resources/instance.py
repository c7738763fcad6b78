"""One resource in one scope, from set-up to teardown."""

from __future__ import annotations

import asyncio
import inspect
from asyncio import CancelledError
from collections.abc import Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, Literal

from cascade._support.failures import add_note, another, is_a
from cascade._support.futures import settle
from cascade.exceptions import ResourceError
from cascade.resources.generator import begin, begin_async, end, end_async
from cascade.resources.provider import Resource

if TYPE_CHECKING:
    from cascade.resources.binding import Binding
    from cascade.resources.scope import Scope

__all__ = ["URGENT", "Instance"]

URGENT: Final = (KeyboardInterrupt, SystemExit)  # never kept back: they are for the whole program
State = Literal["opening", "ready", "ending", "gone"]


class Instance:
    """What a binding has become in a scope.

    What needs nothing awaited is set up and torn down by plain calls. Anything else has an asyncio task of its own, its
    *keeper*, and for an async generator the keeper stays until the teardown. So cancelling who asked for the resource
    first takes it from nobody else; set-up and teardown are in one task, as task groups and timeouts in a
    generator want it; and cancelling who tears it down does not stop the teardown.

    Attributes:
        state: "opening"; "ready": `value` is there; "ending"; "gone": torn down, or it never came about.
        error: why it never came about; None if nobody wanted it any more.
        wrong: what went wrong in its teardown, at the end of its scope.
    """

    __slots__ = (
        "_abandoned", "_context", "_copies", "_generator", "_keeper", "_parked", "_provider", "_scope", "_waiting",
        "binding", "error", "state", "value", "wrong",
    )  # fmt: skip

    def __init__(self, scope: Scope, binding: Binding, provider: Resource, context: Context) -> None:
        self.binding = binding
        self.state: State = "opening"
        self.value: Any = None
        self.error: BaseException | None = None
        self.wrong: BaseException | None = None
        self._copies: list[BaseException] = []  # of the error: each that waits has one of its own, for its own notes
        self._scope = scope
        self._provider = provider
        self._context = context
        self._generator: Any = None
        self._keeper: asyncio.Task[Any] | None = None
        self._parked: asyncio.Future[BaseException | None] | None = None  # what the keeper of a generator waits for
        self._waiting: list[asyncio.Future[None]] = []  # who is told of the next change of state
        self._abandoned = False  # nobody wanted it any more while it was opening

    # ---------------------------------------------------------------------------------------------------- set-up

    def open_now(self, needed: Mapping[str, Any]) -> None:
        """Set up what is sync, with the values of what it needs. What it raises is raised here."""
        try:
            coroutine = self._context.run(self._call, needed)
        except BaseException as error:
            self._scope.forget(self)
            self.state = "gone"
            told = self._not_cancelled(error) if is_a(error, CancelledError) else self._told(error)
            if told is error:
                raise
            raise told from error
        if coroutine is None:
            self._ready()
        else:
            self._have_kept(coroutine)

    def open_later(self) -> None:
        """Set up in a task, what it needs first."""
        self._have_kept(None)

    def _have_kept(self, coroutine: Any) -> None:
        # Not eagerly, on any Python: chains of needs would need stack, and the order of things would differ.
        loop = asyncio.get_running_loop()
        name = f"resource {self.binding.name}"
        keeper = asyncio.Task(self._keep(coroutine), loop=loop, name=name, context=self._context)
        self._keeper = keeper
        keeper.add_done_callback(lambda keeper: self._kept(keeper, coroutine))

    def _kept(self, keeper: asyncio.Task[Any], coroutine: Any) -> None:
        """The keeper is done; it may have been cancelled before it began."""
        if not keeper.cancelled():
            keeper.exception()  # an interrupt, which has ended the event loop: asyncio need not complain again
        if self.state == "opening":
            if coroutine is not None:
                coroutine.close()
            self._failed(CancelledError())

    async def _keep(self, coroutine: Any) -> None:
        try:
            needed: dict[str, Any] = {}
            if coroutine is None:
                for parameter, need in self.binding.needs.items():
                    needed[parameter] = await self._scope.obtain(need)
            try:
                if coroutine is None:
                    coroutine = self._call(needed)
                if coroutine is not None:
                    await self._complete(coroutine)
            except BaseException as error:
                if (told := self._told(error)) is error:
                    raise
                raise told from error
        except GeneratorExit:  # the event loop is gone, and with it everybody who could be told
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
        """Call the function; return what is to be awaited, or None if the value is there."""
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
        self._scope.opened(self)
        self._wake()

    def _failed(self, error: BaseException) -> None:
        """It did not come about in its task."""
        self.state = "gone"
        self._scope.forget(self)
        if not self._abandoned:
            self.error = self._not_cancelled(error) if is_a(error, CancelledError) else error
            self._copies = [another(self.error) for _ in self._waiting[1:]]
        elif not is_a(error, CancelledError) and not is_a(error, URGENT):
            self._scope.hooks.report(f"giving up the set-up of resource `{self.binding.name}` failed", error)
        self._wake()

    def failure(self) -> BaseException | None:
        """What is raised to one that has waited for it."""
        return self._copies.pop() if self._copies else self.error

    def _not_cancelled(self, error: CancelledError, what: str = "set-up") -> ResourceError:
        """What is raised instead of a cancellation in the set-up or teardown, as nothing that waits was cancelled."""
        wrong = ResourceError(f"the {what} of resource `{self.binding.name}` was cancelled")
        wrong.__cause__ = error
        return wrong

    def _told(self, error: BaseException) -> BaseException:
        """What is raised for an error in the set-up: itself, with a note, if it can leave a coroutine as itself."""
        if is_a(error, StopIteration | StopAsyncIteration):
            return RuntimeError(f"resource `{self.binding.name}` raised {type(error).__name__}")
        if not is_a(error, ResourceError | CancelledError):
            add_note(error, f"in the set-up of resource `{self.binding.name}`")
        return error

    # --------------------------------------------------------------------------------------------------- waiting

    async def wait(self) -> None:
        """Wait for the next change of state. If all who wait for a set-up are cancelled, it is given up first."""
        waiter = self._waiter()
        try:
            await waiter
        except CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            if self.state == "opening" and not self._waiting and not self._abandoned:
                self.abandon()
                await self.outlast("opening")
            raise

    async def outlast(self, *states: State) -> CancelledError | None:
        """Wait until it is in none of these states, also when cancelled; return the cancellation, if there was one."""
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
        """Have a set-up stopped that nobody wants any more. Not twice: that would interrupt its cleaning up."""
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
        """Tear down if nothing of it is awaited; return whether it was."""
        if self._parked is not None:
            return False
        wrong = None
        if self._generator is not None:
            self.state = "ending"
            wrong = self._context.run(end, self._generator, failure, self.binding.name)
        self._gone(wrong)
        return True

    def end_later(self, failure: BaseException | None) -> None:
        """Have the keeper tear down."""
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(failure)

    def lose(self, error: BaseException) -> None:
        """The event loop was closed under it: what had to be awaited there is lost."""
        self._waiting.clear()
        if self.state == "opening":
            self.state = "gone"
            self._scope.forget(self)
        else:
            self._gone(error)

    async def _park(self, parked: asyncio.Future[BaseException | None]) -> None:
        early = None
        try:
            failure = await parked
        except CancelledError as cancelled:  # by a task group or timeout in the generator, or as the program ends
            failure = early = cancelled
        self.state = "ending"
        wrong = await end_async(self._generator, failure, self.binding.name)
        self._gone(wrong, early=early is not None)
        if is_a(wrong, URGENT):
            raise wrong

    def _gone(self, wrong: BaseException | None, *, early: bool = False) -> None:
        if self.state == "gone":
            return
        self.state = "gone"
        self._generator = None
        if is_a(wrong, CancelledError):
            wrong = self._not_cancelled(wrong, "teardown")
        elif wrong is not None and not is_a(wrong, ResourceError):
            add_note(wrong, f"in the teardown of resource `{self.binding.name}`")
        self._scope.closed(self, wrong, early=early)
        self._wake()
