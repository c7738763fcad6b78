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
    from cascade._core.run.trail import Trail
    from cascade._core.shape.template import Template
    from cascade.engine.run import Run

__all__ = ["CurrentCall", "RunIdentity", "current"]


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
    """

    __slots__ = ("_run", "_where", "attempt", "iteration")

    def __init__(
        self, run: Run | RunIdentity, where: tuple[Template, int, Trail] | str, iteration: int, attempt: int
    ) -> None:
        self._run = run
        self._where = where
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
        return self._where if isinstance(self._where, str) else path_of(*self._where)

    def __repr__(self) -> str:
        return f"<CurrentCall at {self.path}: iteration {self.iteration} of run {self._run.id}, attempt {self.attempt}>"


@public
def current() -> CurrentCall:
    """Return the call that the code is a part of, inside a task of any mode.

    With engines inside one another (a task that uses `cascade.run`), it is the innermost call.

    Returns:
        A `CurrentCall`: engine, run, iteration, attempt, path.

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
            return CurrentCall(run, where, run.iterations, 1)
        if type(call) is SentCall:
            return CurrentCall(RunIdentity(call.run, call.name, call.tags), call.path, call.iteration, call.attempt)
        attempt = 1
        if type(call) is Attempt:
            call, attempt = call.waiter, call.number
        run = call.run
        where = call._place()
        if run is None or where is None:
            raise EngineStateError("cs.current() must be called inside a task, got a call after the task had ended")
        return CurrentCall(run, where, call.iteration, attempt)
    except BaseException as error:
        hide_frames(error)
        raise
