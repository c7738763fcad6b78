"""Invocations: calls with policies, limits or resources of their own.

An invocation looks its result up in a cache; makes the call, again after a failure if it retries, each time when the
limits have room for it, with resources of its own, and within its timeout; and keeps the result. The order is that of
the methods of `Invocation`, from the outside in. What needs no waiting is done without a coroutine.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from cascade._core.expr.builtin_nodes import Placeholder, Skip
from cascade._core.expr.lazy import LazyResult
from cascade._core.run.results import examined, final
from cascade._support.failures import result_of
from cascade.cache.protocol import Hit
from cascade.cache.single_flight import SharedResult
from cascade.clock.deadline import Deadline, pause
from cascade.engine import cached_call
from cascade.engine.admission import wait_for
from cascade.engine.dispatch import start_async
from cascade.exceptions import TaskTimeoutError
from cascade.limits.request import EMPTY_GRANT
from cascade.resources.scope import Scope

if TYPE_CHECKING:
    from cascade._core.expr.policy import Retry, Timeout
    from cascade._core.expr.task import Task
    from cascade._core.run.waiting import Waiter
    from cascade._core.shape.template import Template
    from cascade.cache.protocol import CachePolicy
    from cascade.cache.single_flight import Leader
    from cascade.engine.host import Host
    from cascade.engine.run import Run
    from cascade.limits import Grant, Request

__all__ = ["Invocation", "start_invocation"]

LATER = object()
"""What `Invocation.at_once` gives if something has to be awaited."""


def start_invocation(
    host: Host,
    run: Run,
    waiter: Waiter,
    node: tuple[Template, int, int],
    task: Task,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    policies: dict[str, Any] | None,
    where: str,
) -> Any:
    """Make an `Invocation` and start it: return its value if it has one at once, else the waiter, which lands later."""
    invocation = Invocation(host, run, waiter, node, task, arguments, keywords, policies, where)
    value = invocation.at_once()
    if value is not LATER:
        return value
    value = start_async(host, waiter, invocation.perform())
    if value is waiter and not invocation.begun:  # it may be cancelled before it has begun, and never know
        waiter.handle.add_done_callback(invocation.let_go)
    return value


class Invocation:
    """One call with its policies, limits and resources.

    Args:
        host: the engine on which it runs.
        run: of which it is a node.
        waiter: that lands with its value if it has to be awaited.
        node: the template in which the call stands, its place in the plan, and what tells its frame from others.
        task: which is called.
        arguments: its positional arguments.
        keywords: its keyword arguments.
        policies: by role: "retry", "timeout", "cache", "constraints"; None: it has none.
        where: "inline", "thread", "process", or "async" for an async function.

    Attributes:
        begun: whether `perform` has.
    """

    __slots__ = (
        "_arguments",
        "_attempt",
        "_cache",
        "_constraints",
        "_coroutine",
        "_deadline",
        "_error",
        "_host",
        "_key",
        "_keywords",
        "_lead",
        "_node",
        "_retry",
        "_run",
        "_started",
        "_task",
        "_time",
        "_timeout",
        "_waiter",
        "_where",
        "begun",
    )  # fmt: skip

    def __init__(
        self,
        host: Host,
        run: Run,
        waiter: Waiter,
        node: tuple[Template, int, int],
        task: Task,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        policies: dict[str, Any] | None,
        where: str,
    ) -> None:
        policies = policies or {}
        self._host = host
        self._run = run
        self._waiter = waiter
        self._node = node
        self._task = task
        self._arguments = arguments
        self._keywords = keywords
        self._retry: Retry | None = policies.get("retry")
        self._timeout: Timeout | None = policies.get("timeout")
        self._cache: CachePolicy | None = policies.get("cache")
        self._constraints: dict[str, Any] | None = policies.get("constraints")
        # An inline call could not be given up: it is one by the engine's default, or by the auto rule.
        self._where = "thread" if where == "inline" and self._timeout is not None else where
        self.begun = False
        self._deadline: Deadline | None = None  # of all attempts
        self._time: Deadline | None = None  # of this one
        self._started = False  # whether the emitter knows of it
        self._attempt = 1
        self._error: Exception | None = None  # of the attempt before
        self._key = b""  # of this call's result in the cache
        self._lead: Leader | None = None  # of the flight for it
        self._coroutine: tuple[CoroutineType[Any, Any, Any], Grant] | None = None  # begun without waiting

    # ------------------------------------------------------------------------------------------ without waiting

    def at_once(self) -> Any:
        """Return the value, or LATER if something has to be awaited.

        Raises:
            BaseException: what the call raised, as itself.
        """
        if self._where != "inline" or self._placeholders():
            return LATER
        if self._cache is not None and (self._cache.blocking or hasattr(self._cache, "begin")):
            return LATER
        try:
            if self._cache is not None:
                self._key = self._find_key(self._cache)
                self._lead = self._host.services.flights.try_join(self._cache, self._key)
                if self._lead is None:
                    return LATER
                if (hit := cached_call.load(self._host, self._cache, self._key, self._run)) is not None:
                    return final(self._found(hit).value)
            if (grant := self._grant_at_once()) is None:
                return LATER
            return self._call_at_once(grant)
        except BaseException:
            self._abandon_flight()
            raise

    def _call_at_once(self, grant: Grant) -> Any:
        self._tell_start()
        try:
            value = self._task.fn(*self._arguments, **self._keywords)
        except BaseException as error:
            grant.release()
            if self._again(error):
                return LATER
            raise
        if type(value) is CoroutineType:
            self._coroutine = value, grant
            return LATER
        grant.release()
        if self._lead is None:
            return value
        is_expression, value = examined(value)
        return self._keep_later(value) if is_expression else final(self._keep(value))

    # --------------------------------------------------------------------------------------- from the outside in

    async def perform(self) -> Any:
        """Return the value, after whatever has to be awaited.

        Raises:
            BaseException: what the last attempt raised, as itself.
        """
        self.begun = True
        try:
            if self._cache is None:
                return await self._in_total()
            if self._lead is None and (hit := await self._look_up(self._cache)) is not None:
                return final(hit.value)
            assert self._lead is not None
            self._lead.pending = await cached_call.begin(self._host, self._cache, self._key)
            is_expression, value = examined(await self._in_total())
            return self._keep_later(value) if is_expression else await self._keep_final(value)
        except BaseException:
            self._abandon_flight()
            raise

    async def _in_total(self) -> Any:
        """All attempts, and the time for them."""
        if self._timeout is None or self._timeout.total is None:
            return await self._attempts()
        deadline = self._deadline = Deadline(self._host.timers, self._timeout.total)
        try:
            async with deadline:
                return await self._attempts()
        except TimeoutError:
            if not deadline.expired:
                raise
        raise TaskTimeoutError(f"{self._name()} took longer than {self._timeout.total:g} s in total")

    async def _attempts(self) -> Any:
        while True:
            if self._error is not None:
                await self._pause(self._error)
            grant = await self._room()
            try:
                with grant:
                    return await self._with_resources()
            except Exception as error:
                if not self._again(error):
                    raise

    async def _pause(self, error: Exception) -> None:
        """Wait before the next attempt; nothing is held meanwhile."""
        assert self._retry is not None
        self._error = None
        seconds = self._retry.pause(self._attempt - 1, self._host.services.random.random)
        self._host.services.emitter.retrying(self._run, *self._node[:2], self._attempt - 1, seconds, error)
        await pause(self._host.timers, seconds)

    async def _room(self) -> Grant:
        """What the limits grant for an attempt, when they have room. What they never will is not tried again."""
        if self._coroutine is not None:
            return self._coroutine[1]
        if (grant := self._grant_at_once()) is not None:
            return grant
        return await wait_for(self._host, self._request(), self._run, *self._node[:2])

    async def _with_resources(self) -> Any:
        """The call, with the resources that are set up for it alone."""
        if self._coroutine is not None:
            coroutine, self._coroutine = self._coroutine[0], None
            return await coroutine
        if not self._placeholders():
            return await self._in_time(self._arguments, self._keywords)
        hooks = self._host.services.emitter.hooks(self._run.id)
        scope = Scope(self._host.services.resources, "call", self._run._scope(), hooks)
        try:
            arguments = [await self._resource(scope, value) for value in self._arguments]
            keywords = {name: await self._resource(scope, value) for name, value in self._keywords.items()}
            value = await self._in_time(tuple(arguments), keywords)
        except BaseException as error:
            await scope.close(error)
            raise
        wrong = await scope.close(None)
        if wrong is not None:  # what commits after its `yield` and fails is a failure of the call
            try:
                raise wrong
            finally:
                del wrong  # its traceback leads to this frame
        return value

    async def _resource(self, scope: Scope, value: Any) -> Any:
        return await scope.get(value.name) if type(value) is Placeholder else value

    async def _in_time(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The call, and the time for it."""
        self._tell_start()
        if self._timeout is None or self._timeout.seconds is None:
            return await self._call(arguments, keywords)
        deadline = self._time = Deadline(self._host.timers, self._timeout.seconds)
        try:
            async with deadline:
                return await self._call(arguments, keywords)
        except TimeoutError:
            if not deadline.expired:
                raise
        raise TaskTimeoutError(f"{self._name()} took longer than {self._timeout.seconds:g} s, attempt {self._attempt}")

    async def _call(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if self._where == "async":
            return await self._task.fn(*arguments, **keywords)
        if self._where == "inline":
            value = self._task.fn(*arguments, **keywords)
        else:
            future = self._host.workers.call(self._where, self._task, arguments, keywords)
            value = await self._result(future)
        return await value if type(value) is CoroutineType else value

    async def _result(self, future: Future[Any]) -> Any:
        """What a worker gives. Who is cancelled waits for it, as nothing stops it; if the time is over, nobody does."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()  # no future of asyncio's: not every exception can be put into one

        def end(_: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        future.add_done_callback(end)
        cancelled: asyncio.CancelledError | None = None
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError as error:
                if any(deadline is not None and deadline.expired for deadline in (self._deadline, self._time)):
                    future.add_done_callback(_drop)
                    if self._lead is not None and self._lead.pending is not None:
                        self._lead.pending.leave(future)
                    self._host.workers.abandon(self._where, future)
                    raise
                future.cancel()  # if it has not begun
                cancelled = error
        if cancelled is not None:
            _drop(future)
            raise cancelled
        try:
            return result_of(future)
        except StopIteration as error:  # it could not leave a coroutine as itself, as PEP 479 has it
            raise RuntimeError("a task raised StopIteration") from error

    # ------------------------------------------------------------------------------------------------- the parts

    def let_go(self, _: object) -> None:
        """It was cancelled, perhaps before it began: then what it holds by then is given back."""
        if self.begun:
            return
        if self._coroutine is not None:
            coroutine, grant = self._coroutine
            self._coroutine = None
            coroutine.close()
            grant.release()
        self._abandon_flight()

    def _tell_start(self) -> None:
        if self._lead is not None and self._lead.pending is not None:
            self._lead.pending.attempt()
        if not self._started:
            self._started = True
            if self._host.services.emitter.wants_nodes:
                self._host.services.emitter.started(self._run, *self._node)

    def _placeholders(self) -> bool:
        if not self._node[0].resources:
            return False
        return any(type(value) is Placeholder for value in (*self._arguments, *self._keywords.values()))

    def _name(self) -> str:
        return f"task {self._task.module}.{self._task.name}"

    def _grant_at_once(self) -> Grant | None:
        """What the limits grant, or None if it has to wait."""
        if self._constraints is None and not self._host.services.limits_active:
            return EMPTY_GRANT
        return self._host.services.limits.try_acquire(self._request())

    def _request(self) -> Request:
        name = f"{self._task.module}.{self._task.name}"
        return self._host.services.limits.request(name, self._task.name, self._run.id, self._constraints)

    def _again(self, error: BaseException) -> bool:
        """Whether a failure is followed by another attempt."""
        retry = self._retry
        if self._run._stopping or (self._deadline is not None and self._deadline.expired):
            return False  # a call may fail while it is being cancelled
        if retry is None or self._attempt >= retry.max_attempts or not retry.wants(error):
            return False
        assert isinstance(error, Exception)
        self._attempt += 1
        self._error = error
        return True

    # ------------------------------------------------------------------------------------------------- the cache

    def _find_key(self, cache: CachePolicy) -> bytes:
        """The key of this call. Resources count by what provides them: what they are is new in each run."""
        template, at, _ = self._node
        if not template.resources:
            return cache.key(self._task, self._arguments, self._keywords)
        from cascade.cache.resource_keys import ResourceKey
        from cascade.graph.model import NodeRef

        run = self._run._scope()
        scope = Scope(self._host.services.resources, "call", run, run.hooks)
        nodes, calls = template.graph.nodes, template.graph.calls
        arguments = [*self._arguments, *self._keywords.values()]
        for index, operand in enumerate(nodes[template.plan.order[at]].operands[: len(arguments)]):
            symbol = getattr(nodes[operand.index], "symbol", None) if type(operand) is NodeRef else None
            if symbol is not None and calls[symbol].kind == "inject":
                name = calls[symbol].qualname
                arguments[index] = ResourceKey(name, scope.binding(name))
        positional = len(self._arguments)
        named = dict(zip(self._keywords, arguments[positional:], strict=True))
        return cache.key(self._task, tuple(arguments[:positional]), named)

    async def _look_up(self, cache: CachePolicy) -> Hit | None:
        """The result, if it is known or somebody is about to find it; else this step is the one that does."""
        if not self._key:
            self._key = self._find_key(cache)
        joined = await self._host.services.flights.join(cache, self._key)
        if isinstance(joined, SharedResult):
            return self._found(Hit(joined.value))
        self._lead = joined
        if cache.blocking:
            hit = await cached_call.load_later(self._host, cache, self._key, self._run)
        else:
            hit = cached_call.load(self._host, cache, self._key, self._run)
        return None if hit is None else self._found(hit)

    def _found(self, hit: Hit) -> Hit:
        if self._lead is not None:
            self._lead.done(hit.value)
        self._host.services.emitter.cache_hit(self._run, *self._node, self._key)
        return hit

    def _keep(self, value: Any) -> Any:
        """Keep a value, and let those have it who wait for it; return it as the cache gives it from now on."""
        assert self._cache is not None and self._lead is not None
        saved = cached_call.save(self._host, self._cache, self._key, value, self._run, self._lead)
        return self._kept(value, saved)

    async def _keep_blocking(self, value: Any) -> Any:
        """The same, where it may take long."""
        assert self._cache is not None and self._lead is not None
        if not self._cache.blocking:
            return self._keep(value)
        call = self._host, self._cache, self._key, value, self._run, self._lead
        return self._kept(value, await cached_call.save_later(*call))

    async def _keep_final(self, value: Any) -> Any:
        """Keep a value, and return it as one that is not to be examined again."""
        return final(await self._keep_blocking(value))

    def _kept(self, value: Any, saved: Hit | None) -> Any:
        assert self._lead is not None
        if saved is not None:
            value = saved.value
        self._lead.done(value)
        self._run._leads.pop(self._lead, None)
        return value

    def _keep_later(self, expression: LazyResult) -> LazyResult:
        """The call gave an expression: its value is what is kept."""
        assert self._lead is not None
        self._run._leads[self._lead] = None
        self._waiter.completion = self._complete
        return expression

    def _complete(self, waiter: Waiter, value: Any) -> Any:
        """The expression that the call gave has a value: return it, or the waiter if keeping it takes time."""
        assert self._cache is not None and self._lead is not None
        if type(value) is Skip:
            self._run._leads.pop(self._lead, None)
            self._lead.failed()
            return value
        if self._cache.blocking:
            return start_async(self._host, waiter, self._keep_final(value))
        return final(self._keep(value))

    def _abandon_flight(self) -> None:
        if self._lead is not None:
            self._lead.failed()


def _drop(future: Future[Any] | asyncio.Future[Any]) -> None:
    """Nobody looks at what a call in a worker gives: not even at a coroutine."""
    if not future.cancelled() and future.exception() is None and type(value := future.result()) is CoroutineType:
        value.close()
