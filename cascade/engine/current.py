"""`cascade.current`: what code inside a task can ask about the call that it is a part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from cascade._core.run.current import CALL, Attempt, SentCall
from cascade._core.run.scheduler import running
from cascade._core.tracebacks import hide_frames
from cascade._support.public import public
from cascade.engine.engine import Engine
from cascade.engine.places import path_of
from cascade.exceptions import EngineStateError

if TYPE_CHECKING:
    from cascade._core.run.place import Place
    from cascade.engine.run import Run
    from cascade.limits import Grant

__all__ = ["CurrentCall", "RunIdentity", "current", "current_run"]


@public
class RunIdentity(msgspec.Struct, frozen=True):
    """A run, as a worker process knows it: `CurrentCall.run` there.

    Attributes:
        id: the number of the run, as `Run.id`.
        name: that of the run, as `Run.name`.
        tags: those of the run, as `Run.tags`.
    """

    id: int
    name: str | None
    tags: dict[str, str]

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"in a worker process a run has id, name and tags only, got .{name}; use mode='thread' for more"
        )


@public
class CurrentCall:
    """The call that code inside a task is a part of. Made by `cascade.current`.

    Attributes:
        iteration: the number of tail calls that the run had made when the call started.
        attempt: 1, or the number of the attempt if the call is retried.
        number: the number of the call, as `call` in events.
    """

    __slots__ = ("_grant", "_run", "_where", "attempt", "iteration", "number")

    def __init__(
        self,
        run: Run | RunIdentity,
        where: Place | str,
        number: int,
        iteration: int,
        attempt: int,
        grant: Grant | None = None,
    ) -> None:
        self._run = run
        self._grant = grant
        self._where = where
        self.number = number
        self.iteration = iteration
        self.attempt = attempt

    @property
    def run(self) -> Run:
        """The run; in a worker process a `RunIdentity`: id, name and tags only."""
        return self._run  # type: ignore[return-value]

    @property
    def engine(self) -> Engine:
        """The engine of the run.

        Raises:
            EngineStateError: the code runs in a worker process, which has no engine.
        """
        if isinstance(self._run, RunIdentity):
            raise EngineStateError("a worker process has no engine: give the task mode='thread', or make it async")
        return Engine._of(self._run._host)

    @property
    def path(self) -> str:
        """The place of the call, from the target: "$.args[0]", as in events and notes."""
        return self._where if isinstance(self._where, str) else path_of(self._where)

    def settle(self, **amounts: float) -> None:
        """Correct what this attempt of the call has taken of rates to what it has really used.

        The difference to what the call asked for is given back to the rate, or taken from it, at once; it may be more
        than there is, which calls that come later wait for. What is settled last counts. The call must have asked for
        the rate, if only for 0. Limits are not settled: the call holds them until its end.

        Args:
            amounts: what was used, by the name of the rate: numbers >= 0.

        Raises:
            EngineStateError: the code runs in a worker process, which has no engine, or the attempt has ended.
            TypeError: an amount is not a number.
            LimitError: a rate is unknown, or the call has not asked for it, or an amount is not >= 0 and finite.

        >>> import cascade as cs
        >>> @cs.task(mode="inline")
        ... def ask(prompt):
        ...     cs.current().settle(tokens=1830)         # as the response says
        ...     return "42"
        >>> engine = cs.Engine(limits={"tokens": "90_000/m"}, clock=cs.Clock.virtual())
        >>> cs.run(ask("6 * 7").with_constraints(tokens=1200), engine=engine)
        '42'
        >>> engine.limits.snapshot()[0].in_use
        1830
        """
        driver, grant = self.engine._driver, self._grant
        limits = driver.services.limits
        if grant is not None and not grant.is_held:
            raise EngineStateError("settle() must be called before the attempt of the call ends, got a call later")
        settled = limits.check_settled(grant, amounts)
        if grant is not None:
            driver.call_in_loop(lambda: limits.settle(grant, settled))

    def __repr__(self) -> str:
        return (
            f"<CurrentCall at {self.path}: iteration {self.iteration} of {self._run._called}, attempt {self.attempt}>"
        )


@public
def current() -> CurrentCall:
    """Return the call that the code is a part of, inside a task of any mode.

    With engines inside one another (a task that uses `cascade.run`), it is the innermost call.

    Returns:
        A `CurrentCall`: engine, run, iteration, attempt, path, number.

    Raises:
        EngineStateError: the code is not part of a call, or the call has ended.

    >>> import cascade as cs
    >>> @cs.task
    ... def where(*others):
    ...     call = cs.current()
    ...     return call.path, call.iteration, call.attempt
    >>> cs.run(where(where()))
    ('$', 0, 1)
    """
    try:
        call: Any = CALL.get()
        if call is None:
            run: Any = running()
            where = None if run is None else run._running_place()
            if where is None:
                raise EngineStateError("cs.current() must be called inside a task, got a call outside")
            return CurrentCall(run, where, where.call, run.iterations, 1)
        if type(call) is SentCall:
            return CurrentCall(
                RunIdentity(call.run, call.name, call.tags), call.path, call.number, call.iteration, call.attempt
            )
        attempt, grant = 1, None
        if type(call) is Attempt:
            call, attempt, grant = call.waiter, call.number, call.grant
        run = call.run
        where = call._place()
        if run is None or where is None:
            raise EngineStateError("cs.current() must be called inside a task, got a call after the task had ended")
        return CurrentCall(run, where, where.call, call.iteration, attempt, grant)
    except BaseException as error:
        hide_frames(error)
        raise


def current_run() -> Any:
    """Return the run of the call that the code is a part of.

    Raises:
        EngineStateError: the code is not part of a call, or it runs in a worker process.
    """
    call: Any = CALL.get()
    if type(call) is SentCall:
        raise EngineStateError("a worker process has no engine: give the task mode='thread', or make it async")
    run = running() if call is None else (call.waiter if type(call) is Attempt else call).run
    if run is None:
        raise EngineStateError("cs.emit() must be called inside a task, got a call outside: write engine.emit(event)")
    return run
