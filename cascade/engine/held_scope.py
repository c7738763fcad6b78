"""Scopes that only hold amounts of limits: waits, receives and whole expressions with constraints and no other policy.

No asyncio task and no future is made for one, so that it costs little more than what is in it. `HeldScope` stands for
both: it is what the run cancels, and it is given what became of the expression.
"""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from cascade._core.run.results import final
from cascade.engine.admission import request_of

if TYPE_CHECKING:
    from cascade._core.expr.task import Task
    from cascade._core.run.waiting import Launched
    from cascade._core.shape.template import Template
    from cascade.engine.host import Host
    from cascade.engine.regions import RegionResult
    from cascade.engine.run import Run
    from cascade.limits import Grant
    from cascade.limits.claim import Claim

__all__ = ["start_held_scope"]


def start_held_scope(
    host: Host, run: Run, waiter: Launched, node: tuple[Template, int, int], task: Task, amounts: dict[str, Any]
) -> Launched:
    """Start a scope once the limits grant what it asks for. Return its waiter, which lands with the value.

    Raises:
        LimitError: it asks for a limit that is not there, or for more than there is.
        PolicyError: an amount is not a number >= 0.
    """
    limits = host.services.limits
    request = request_of(host, run, waiter, task, amounts, is_scope=True)
    scope = HeldScope(host, run, waiter, node)
    waiter.handle = scope
    grant = limits.try_acquire(request)
    if grant is not None:
        scope.grant(grant)
        return waiter
    claim = limits.submit(request, scope)
    if scope.held is None:
        scope.wait(claim)
    return waiter


class HeldScope:
    """One scope from the moment that it asks for its amounts to the end of its expression.

    It is the receiver of the grant, the handle of its waiter, and for `Waiter.follow` a future that is done. Whatever
    happens, `_end` is called once: it gives the amounts back, then lets the waiter land.

    Args:
        host: the engine.
        run: the run.
        waiter: of the scope.
        node: the template of the scope, its place in the plan, and the id of its frame.

    Attributes:
        held: the grant; None: it waits for it.
    """

    __slots__ = (
        "_blocked",
        "_claim",
        "_ended",
        "_error",
        "_host",
        "_node",
        "_region",
        "_run",
        "_value",
        "_waiter",
        "held",
    )  # fmt: skip

    def __init__(self, host: Host, run: Run, waiter: Launched, node: tuple[Template, int, int]) -> None:
        self._host = host
        self._run = run
        self._waiter = waiter
        self._node = node
        self.held: Grant | None = None
        self._claim: Claim | None = None
        self._blocked: tuple[str, int] | None = None  # why it waits, and since when
        self._region = HeldRegion(self)
        self._ended = False
        self._value: Any = None
        self._error: BaseException | None = None

    # ------------------------------------------------------------------------------------------ waiting for the grant

    def wait(self, claim: Claim) -> None:
        """Wait for the grant of a claim."""
        self._claim = claim
        host = self._host
        if not host.services.emitter.wants_blocks:
            return
        reason = host.services.limits.reason(claim)
        self._blocked = reason, host.timers.now()
        host.services.emitter.blocked(self._run, *self._node[:2], reason, self._waiter._trail)

    def is_awaited(self) -> bool:
        """Whether the run waits for the scope."""
        return not self._ended and self._waiter.run is not None

    def grant(self, grant: Grant) -> None:
        """Take the grant, and have the expression evaluated."""
        self.held = grant
        self._claim = None
        emitter, run, node = self._host.services.emitter, self._run, self._node
        if self._blocked is not None:
            (reason, since), self._blocked = self._blocked, None
            seconds = (self._host.timers.now() - since) * 1e-9
            emitter.unblocked(run, *node[:2], reason, seconds, self._waiter._trail)
        if emitter.wants_nodes:
            emitter.started(run, *node, self._waiter._trail)
        if not self._ended:  # a subscriber of these events may do anything
            run._open_scope(self._waiter, self._region, grant)

    def refuse(self, error: Exception) -> None:
        """End, as there can be no grant any longer."""
        self._end(None, error)

    def drop(self) -> None:
        """End, as the limits were cleared."""
        self._end(None, CancelledError())

    # ------------------------------------------------------------------------------------- the handle of its waiter

    def cancel(self) -> None:
        """Stop the expression; end once everything in it has ended."""
        if self._ended:
            return
        if self.held is None:
            claim, self._claim = self._claim, None
            if claim is not None:
                self._host.services.limits.withdraw(claim)
            self._end(None, CancelledError())
        else:
            self._region.open = False
            self._run._close_region(self._region, HeldClosing(self))

    def cancelled(self) -> bool:
        """Whether it has ended without a value or a failure."""
        return type(self._error) is CancelledError

    def exception(self) -> BaseException | None:
        """Return its failure, or None."""
        return self._error

    def result(self) -> Any:
        """Return its value.

        Raises:
            BaseException: its failure.
        """
        if self._error is not None:
            raise self._error
        return self._value

    # ---------------------------------------------------------------------------------------------------------- its end

    def _end(self, value: Any, error: BaseException | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._region.open = False
        self._value, self._error = value, error
        try:
            if self.held is not None:
                self.held.release()
        finally:
            self._waiter.follow(self)  # type: ignore[arg-type]
            self._value = self._error = None


class HeldRegion:
    """For the core, the future of the scope's region: it is given what became of the expression."""

    __slots__ = ("_scope", "open")

    def __init__(self, scope: HeldScope) -> None:
        self._scope = scope
        self.open = True

    def done(self) -> bool:
        """Whether what becomes of the expression is of no use any longer."""
        return not self.open

    def set_result(self, result: RegionResult) -> None:
        """Take the value or the failure of the expression."""
        value, error, _ = result
        self._scope._end(None if error is not None else final(value), error)

    def cancel(self) -> None:
        """The expression was stopped, and everything in it has ended."""
        self._scope._end(None, CancelledError())


class HeldClosing:
    """For the core, the future that is done once everything in the region has ended that is being closed."""

    __slots__ = ("_scope",)

    def __init__(self, scope: HeldScope) -> None:
        self._scope = scope

    def done(self) -> bool:
        """Whether the result is of no use any longer: never."""
        return False

    def set_result(self, errors: list[BaseException] | None) -> None:
        """Take what has failed as the expression was stopped."""
        error: BaseException = CancelledError()
        if errors:
            error = errors[0] if len(errors) == 1 else BaseExceptionGroup("several tasks failed", errors)
        self._scope._end(None, error)

    def cancel(self) -> None:
        """The run has ended."""
        self._scope._end(None, CancelledError())
