"""Invocations: calls with policies, limits or resources of their own.

An invocation looks its result up in a cache, makes the call, and saves the result. Each attempt of the call waits for
admission by the limits, sets up its own resources, and has a timeout; a failed attempt may be retried. The methods of
`Invocation` stand in this order, from the outermost to the innermost. Where nothing has to be awaited, no coroutine is
made.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from cascade._core.expr.builtin_nodes import Placeholder, Skip
from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.policy import ScopeCache
from cascade._core.limits.requests import EMPTY_GRANT, Grant
from cascade._core.run.current import CALL, Attempt
from cascade._core.run.results import examined, final
from cascade._core.tracebacks import hide_frames
from cascade._support.failures import result_of
from cascade.cache.protocol import Hit
from cascade.cache.single_flight import SharedResult
from cascade.clock.deadline import Deadline, pause
from cascade.engine import cached_call
from cascade.engine.admission import request_of, wait_for
from cascade.engine.dispatch import call_worker, start_async
from cascade.engine.regions import evaluate, inputs_of
from cascade.exceptions import TaskTimeoutError
from cascade.resources.scope import Scope

if TYPE_CHECKING:
    from cascade._core.expr.policy import Retry, Timeout
    from cascade._core.expr.task import Task
    from cascade._core.run.waiting import Launched
    from cascade._core.shape.template import Template
    from cascade.cache.protocol import CachePolicy
    from cascade.cache.single_flight import Leader
    from cascade.engine.host import Host
    from cascade.engine.run import Run
    from cascade.limits import Request
    from cascade.limits.claim import Entry

__all__ = ["Invocation", "start_invocation"]

LATER = object()
"""Returned by `Invocation.at_once` if something has to be awaited."""


def start_invocation(
    host: Host,
    run: Run,
    waiter: Launched,
    node: tuple[Template, int, int],
    task: Task,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    policies: dict[str, Any] | None,
    where: str,
) -> Any:
    """Make an `Invocation` and start it. Return its value if it ends at once, else the waiter, completed later."""
    invocation = Invocation(host, run, waiter, node, task, arguments, keywords, policies, where)
    value = invocation.at_once()
    if value is not LATER:
        return value
    invocation.enter()
    value = start_async(host, waiter, invocation.perform())
    if value is waiter and not invocation.begun:  # a task that is cancelled before it begins runs no `finally`
        waiter.handle.add_done_callback(invocation.release_unstarted)
    return value


class Invocation:
    """One call with its policies, limits and resources.

    Args:
        host: the engine.
        run: the run of the call.
        waiter: completed with the value if something has to be awaited.
        node: the template of the call, the place of the call in its plan, and the id of its frame.
        task: the called task.
        arguments: its positional arguments.
        keywords: its keyword arguments.
        policies: by role: "retry", "timeout", "cache", "constraints"; None: it has none.
        where: "inline", "thread", "process", or "async" for an async function.

    Attributes:
        begun: whether `perform` has begun to run.
    """

    __slots__ = (
        "_arguments",
        "_attempt",
        "_attempt_deadline",
        "_cache",
        "_constraints",
        "_coroutine",
        "_deadline",
        "_delay",
        "_early",
        "_error",
        "_host",
        "_key",
        "_keywords",
        "_leader",
        "_node",
        "_retry",
        "_run",
        "_since",
        "_started",
        "_task",
        "_timeout",
        "_waiter",
        "_where",
        "begun",
    )  # fmt: skip

    def __init__(
        self,
        host: Host,
        run: Run,
        waiter: Launched,
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
        cache = policies.get("cache")
        if type(cache) is ScopeCache:
            self._arguments = (cache.expression,)
            cache = cache.policy
        self._cache: CachePolicy | None = cache
        self._constraints: dict[str, Any] | None = policies.get("constraints")
        # A timeout needs an interruptible call. Tasks with mode="inline" were refused; this one is inline by the
        # engine's default mode or by the auto rule.
        self._where = "thread" if where == "inline" and self._timeout is not None else where
        self.begun = False
        self._deadline: Deadline | None = None  # the total timeout
        self._attempt_deadline: Deadline | None = None  # the timeout of the current attempt
        self._started = False  # whether NodeStarted was emitted
        self._attempt = 1
        self._error: Exception | None = None  # the failure of the attempt before
        self._delay = 0.0  # seconds after it
        self._early: Grant | Entry | None = None  # what the limits have said before the asyncio task has begun
        if self._retry is not None and self._retry.max_elapsed is not None:
            self._since = host.timers.now()
        self._key = b""  # of the result in the cache
        self._leader: Leader | None = None  # if this call is the one of several equal calls that is made
        self._coroutine: tuple[CoroutineType[Any, Any, Any], Grant] | None = (
            None  # called by `at_once`, which turned out to be a coroutine function
        )

    # ------------------------------------------------------------------------------------------ without waiting

    def at_once(self) -> Any:
        """Return the value, or LATER if something has to be awaited.

        Raises:
            BaseException: the exception of the call, itself.
        """
        if self._where != "inline" or self._placeholders():
            return LATER
        if self._cache is not None and (self._cache.blocking or hasattr(self._cache, "begin")):
            return LATER
        try:
            if self._cache is not None:
                self._key = self._find_key(self._cache)
                self._leader = self._host.services.single_flight.try_join(self._cache, self._key)
                if self._leader is None:
                    return LATER
                if (hit := cached_call.load(self._host, self._cache, self._key, self._run)) is not None:
                    return final(self._found(hit).value)
            if (grant := self._grant_at_once()) is None:
                return LATER
            return self._call_at_once(grant)
        except BaseException:
            self._fail_leader()
            raise

    def enter(self) -> None:
        """Ask the limits now for what the first attempt needs, so that calls are admitted in the order of their starts.

        The asyncio task of the call begins only later. If the cache is asked first, the limits are not asked yet.
        """
        if self._cache is None and self._coroutine is None and self._error is None and self._asks_limits():
            limits, request = self._host.services.limits, self._request()
            self._early = limits.try_acquire(request) or limits.enter(request)

    def _call_at_once(self, grant: Grant) -> Any:
        self._report_start()
        known = None
        try:
            if grant.tokens:
                known = CALL.set(Attempt(self._waiter, 1, grant))  # for `CurrentCall.settle`
            try:
                value = self._task.fn(*self._arguments, **self._keywords)
            finally:
                if known is not None:
                    CALL.reset(known)
        except BaseException as error:
            grant.release()
            if self._will_retry(error):
                return LATER
            raise
        if type(value) is CoroutineType:
            self._coroutine = value, grant
            return LATER
        grant.release()
        if self._leader is None:
            return value
        is_expression, value = examined(value)
        return self._keep_when_evaluated(value) if is_expression else final(self._keep(value))

    # --------------------------------------------------------------------------------------- from the outside in

    async def perform(self) -> Any:
        """Perform the call, and return its value.

        Raises:
            BaseException: the exception of the last attempt, itself.
        """
        self.begun = True
        try:
            if self._cache is None:
                return await self._with_total_timeout()
            if self._leader is None and (hit := await self._look_up(self._cache)) is not None:
                return final(hit.value)
            if self._leader is None:  # the result of an equal call that is running needs this one
                cached_call.warn_of_cycle(self._name())
                return await self._with_total_timeout()
            self._mark(self._leader)
            self._leader.pending = await cached_call.begin(self._host, self._cache, self._key)
            if self._where == "scope":
                self._leader.ask(*inputs_of(self._arguments[0]))
            if self._where in ("scope", "async") or self._coroutine is not None:
                self._lead_beneath()
            is_expression, value = examined(await self._with_total_timeout())
            if type(value) is Skip:
                self._fail_leader()
                return value
            return self._keep_when_evaluated(value) if is_expression else await self._keep_final(value)
        except BaseException:
            self._fail_leader()
            raise

    async def _with_total_timeout(self) -> Any:
        """Make all attempts within the total timeout."""
        if self._timeout is None or self._timeout.total is None:
            return await self._attempts()
        deadline = self._deadline = Deadline(self._host.timers, self._timeout.total)
        try:
            async with deadline:
                return await self._attempts()
        except TimeoutError:
            if not deadline.expired:
                raise
        raise TaskTimeoutError(f"{self._name()} took longer than {self._timeout.total:.12g} s in total")

    async def _attempts(self) -> Any:
        while True:
            if self._error is not None:
                await self._pause(self._error)
            grant = await self._wait_for_grant()
            try:
                with grant:
                    return await self._with_resources(grant)
            except Exception as error:
                if not self._will_retry(error):
                    raise

    async def _pause(self, error: Exception) -> None:
        """Wait before the next attempt. No grant and no resource is held meanwhile."""
        self._error = None
        emitter, timers = self._host.services.emitter, self._host.timers
        emitter.retrying(self._run, self._waiter, self._attempt - 1, self._delay, error)
        start = timers.now()
        await pause(timers, self._delay)
        emitter.waited(self._run, self._waiter, timers.now() - start)

    async def _wait_for_grant(self) -> Grant:
        """Wait until the limits admit an attempt. An amount beyond a capacity raises, and is not retried."""
        if self._coroutine is not None:
            return self._coroutine[1]
        early, self._early = self._early, None
        if early is None and self._asks_limits():
            limits, request = self._host.services.limits, self._request()
            early = limits.try_acquire(request) or limits.enter(request)
        if early is None:
            return EMPTY_GRANT
        if isinstance(early, Grant):
            if not self._host.services.limits_active or not self._host.services.limits.paused(self._request()):
                return early
            early.undo()  # a pause has begun before the call
            early = self._host.services.limits.enter(self._request())
        return await wait_for(self._host, early, self._run, self._waiter)

    async def _with_resources(self, grant: Grant) -> Any:
        """Make one attempt, with the resources of scope "call" set up for it alone."""
        if self._coroutine is not None:
            coroutine, self._coroutine = self._coroutine[0], None
            if grant is not EMPTY_GRANT:
                CALL.set(Attempt(self._waiter, 1, grant))
            return await coroutine
        if not self._placeholders():
            return await self._with_timeout(grant, self._arguments, self._keywords)
        hooks = self._host.services.emitter.hooks(self._run)
        scope = Scope(self._host.services.resources, "call", self._run._scope(), hooks)
        try:
            arguments = [await self._resource(scope, value) for value in self._arguments]
            keywords = {name: await self._resource(scope, value) for name, value in self._keywords.items()}
            value = await self._with_timeout(grant, tuple(arguments), keywords)
        except BaseException as error:
            hide_frames(error)  # a teardown may look at it
            await scope.close(error)
            raise
        wrong = await scope.close(None)
        if wrong is not None:  # such as a failed commit after the `yield`: the call fails with it
            try:
                raise wrong
            finally:
                del wrong  # its traceback leads to this frame
        return value

    async def _resource(self, scope: Scope, value: Any) -> Any:
        return await scope.get(value.name) if type(value) is Placeholder else value

    async def _with_timeout(self, grant: Grant, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Make one attempt within its timeout."""
        self._report_start()
        attempt = None
        if self._attempt > 1 or grant is not EMPTY_GRANT:
            attempt = Attempt(self._waiter, self._attempt, grant)
            CALL.set(attempt)  # in the context of its own asyncio task
        if self._timeout is None or self._timeout.seconds is None:
            return await self._call(attempt, arguments, keywords)
        deadline = self._attempt_deadline = Deadline(self._host.timers, self._timeout.seconds)
        try:
            async with deadline:
                return await self._call(attempt, arguments, keywords)
        except TimeoutError:
            if not deadline.expired:
                raise
        raise TaskTimeoutError(
            f"{self._name()} took longer than {self._timeout.seconds:.12g} s, attempt {self._attempt}"
        )

    async def _call(self, attempt: Attempt | None, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if self._where == "async":
            return await self._task.fn(*arguments, **keywords)
        if self._where == "scope":
            return final(await evaluate(self._run, self._waiter, None if attempt is None else attempt.grant))
        if self._where == "inline":
            value = self._task.fn(*arguments, **keywords)
        else:
            call = self._waiter, self._where, self._task, arguments, keywords
            future = call_worker(self._host, *call, attempt)
            if self._host.services.emitter.wants_nodes:
                self._host.services.emitter.working(self._run, self._waiter, future)
            value = await self._await_worker(future)
        if type(value) is not CoroutineType:
            return value
        self._lead_beneath()
        return await value

    def _lead_beneath(self) -> None:
        """What is evaluated beneath a call that is cached adds what it needs to what the result depends on."""
        if self._leader is not None:
            self._run._leaders[self._leader] = None

    async def _await_worker(self, future: Future[Any]) -> Any:
        """Await a call in a worker, and return its value.

        A cancelled call waits for its worker, which cannot be interrupted; a timed-out call abandons it.
        """
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()  # not an asyncio future, which does not take every exception

        def end(_: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        future.add_done_callback(end)
        cancelled: asyncio.CancelledError | None = None
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError as error:
                if any(
                    deadline is not None and deadline.expired for deadline in (self._deadline, self._attempt_deadline)
                ):
                    future.add_done_callback(_discard)
                    if self._leader is not None and self._leader.pending is not None:
                        self._leader.pending.leave(future)
                    self._host.workers.abandon(self._where, future)
                    raise
                future.cancel()  # has an effect only if the worker has not begun
                cancelled = error
        if cancelled is not None:
            _discard(future)
            raise cancelled
        try:
            return result_of(future)
        except StopIteration as error:  # a coroutine cannot raise it unchanged (PEP 479)
            raise RuntimeError("a task raised StopIteration") from error

    # ------------------------------------------------------------------------------------------------- the parts

    def release_unstarted(self, _: object) -> None:
        """Done callback: if the asyncio task was cancelled before it began, release what the call holds by now."""
        if self.begun:
            return
        if self._coroutine is not None:
            coroutine, grant = self._coroutine
            self._coroutine = None
            coroutine.close()
            grant.release()
        early, self._early = self._early, None
        if isinstance(early, Grant):
            early.undo()
        elif early is not None:
            self._host.services.limits.abandon(early)
        self._fail_leader()

    def _report_start(self) -> None:
        if self._leader is not None and self._leader.pending is not None:
            self._leader.pending.attempt()
        if not self._started:
            self._started = True
            emitter = self._host.services.emitter
            if emitter.wants_nodes and (place := self._waiter._place()) is not None:
                emitter.started(self._run, place)

    def _placeholders(self) -> bool:
        if not self._node[0].resources:
            return False
        return any(type(value) is Placeholder for value in (*self._arguments, *self._keywords.values()))

    def _name(self) -> str:
        if self._where != "scope":
            return f"task {self._task.module}.{self._task.name}"
        from cascade.graph.labels import heading

        template, at = self._node[:2]
        unit = template.graph.nodes[template.plan.order[at]].operands[0]
        return f"the scope of {heading(template.graph, template.graph.nodes[unit.index])}"

    def _asks_limits(self) -> bool:
        """Whether the limits are asked before each attempt. No rule is about a scope."""
        return self._constraints is not None or (self._where != "scope" and self._host.services.limits_active)

    def _grant_at_once(self) -> Grant | None:
        """Return the grant of the limits; None: the call has to wait."""
        if not self._asks_limits():
            return EMPTY_GRANT
        return self._host.services.limits.try_acquire(self._request())

    def _request(self) -> Request:
        is_scope = self._where == "scope"
        return request_of(self._host, self._run, self._waiter, self._task, self._constraints, is_scope=is_scope)

    def _will_retry(self, error: BaseException) -> bool:
        """Whether a failed attempt is retried; if so, count the next one."""
        hide_frames(error)  # the predicate, and a `delay` that is a function, may look at it
        retry = self._retry
        if self._waiter._stopping or (self._deadline is not None and self._deadline.expired):
            return False  # a call that is being cancelled may fail: that is not retried
        if retry is None or self._attempt >= retry.max_attempts or not retry.wants(error):
            return False
        self._delay = retry.pause(self._attempt, error, self._host.services.random.random)
        if retry.max_elapsed is not None:
            elapsed = (self._host.timers.now() - self._since) * 1e-9
            if elapsed + self._delay > retry.max_elapsed:
                return False
        assert isinstance(error, Exception)
        self._attempt += 1
        self._error = error
        return True

    # ------------------------------------------------------------------------------------------------- the cache

    def _find_key(self, cache: CachePolicy) -> bytes:
        """Return the cache key of this call. A resource is keyed by its provider, as its value is new in each run."""
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

    def _mark(self, leader: Leader) -> None:
        """Note that something may be evaluated for its result: that must not wait for this result."""
        _, at, frame = self._node
        self._host.services.single_flight.mark(leader, (frame, at))

    async def _look_up(self, cache: CachePolicy) -> Hit | None:
        """Return the result if it is cached or an equal call makes it.

        None: this call makes it. It is the leader, unless the result of an equal call that is running needs this one.
        """
        if not self._key:
            self._key = self._find_key(cache)
        flights, awaits = self._host.services.single_flight, self._host.await_graph
        awaits.flights = flights
        joined = await flights.join(cache, self._key, self._waiter, awaits)
        if isinstance(joined, SharedResult):
            return self._found(Hit(joined.value))
        if joined is None:
            return None
        self._leader = joined
        if cache.blocking:
            hit = await cached_call.load_later(self._host, cache, self._key, self._run)
        else:
            hit = cached_call.load(self._host, cache, self._key, self._run)
        return None if hit is None else self._found(hit)

    def _found(self, hit: Hit) -> Hit:
        """Share a cached result with equal calls, and emit the event."""
        if self._leader is not None:
            self._leader.done(hit.value)
        self._host.services.emitter.cache_hit(self._run, self._waiter, self._key)
        return hit

    def _keep(self, value: Any) -> Any:
        """Save a value, and share it with equal calls that wait; return it as the cache returns it from now on."""
        assert self._cache is not None and self._leader is not None
        saved = cached_call.save(self._host, self._cache, self._key, value, self._run, self._leader)
        return self._kept(value, saved)

    async def _keep_blocking(self, value: Any) -> Any:
        """Do the same with a policy that may block."""
        assert self._cache is not None and self._leader is not None
        if not self._cache.blocking:
            return self._keep(value)
        call = self._host, self._cache, self._key, value, self._run, self._leader
        return self._kept(value, await cached_call.save_later(*call))

    async def _keep_final(self, value: Any) -> Any:
        """Keep a value, and return it as one that is not to be examined again."""
        return final(await self._keep_blocking(value))

    def _kept(self, value: Any, saved: Hit | None) -> Any:
        assert self._leader is not None
        if saved is not None:
            value = saved.value
        self._leader.done(value)
        self._run._leaders.pop(self._leader, None)
        return value

    def _keep_when_evaluated(self, expression: LazyResult) -> LazyResult:
        """The call has returned an expression: arrange that the value of that is saved."""
        assert self._leader is not None
        self._mark(self._leader)
        self._run._leaders[self._leader] = None
        self._waiter.completion = self._complete
        return expression

    def _complete(self, waiter: Launched, value: Any) -> Any:
        """Save the value of the returned expression; return it, or the waiter if saving has to be awaited."""
        assert self._cache is not None and self._leader is not None
        if type(value) is Skip:
            self._run._leaders.pop(self._leader, None)
            self._leader.failed()
            return value
        if self._cache.blocking:
            return start_async(self._host, waiter, self._keep_final(value))
        return final(self._keep(value))

    def abandon_expression(self) -> None:
        """Give up the expression that the call returned: it was stopped, and has no value to be kept."""
        self._fail_leader()

    def _fail_leader(self) -> None:
        if self._leader is not None:
            self._run._leaders.pop(self._leader, None)
            self._leader.failed()


def _discard(future: Future[Any] | asyncio.Future[Any]) -> None:
    """Discard the result of a call in a worker. A coroutine is closed: else Python warns that it was never awaited."""
    if not future.cancelled() and future.exception() is None and type(value := future.result()) is CoroutineType:
        value.close()
