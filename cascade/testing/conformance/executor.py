"""The check of executors."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cascade._core.expr.task import task
from cascade._support.public import public_in
from cascade.testing.conformance.requirement import Requirement, check_methods, shown
from cascade.workers.protocol import Executor

__all__ = ["check_executor"]

_GLANCE = 0.2
"""Seconds in which a `close` that must wait is observed not to return. A fault that shows later is not detected."""


@public_in("cascade.testing.conformance")
def check_executor(make: Callable[[], Executor], *, patience: float = 60) -> None:
    """Check that an executor fulfils its protocol.

    The tasks that it is given can be imported by their names, and their arguments can be pickled. They communicate with
    the check through files in a temporary directory, so they may be called in other processes of this machine.

    Args:
        make: makes an executor. Best with one worker: the check that calls do not wait for an abandoned call has no
            effect if another worker is idle.
        patience: seconds after which an expected event counts as missing.

    Raises:
        AssertionError: it does not; the message begins with the violated requirement.

    >>> from cascade.workers.executors import ThreadExecutor
    >>> check_executor(lambda: ThreadExecutor(max_threads=1))
    """
    check_methods(make(), Executor)
    for check in (_calls, _drops, _waits, _abandons, _abandons_in_line):
        with _Stage(make(), patience) as stage:
            check(stage)


@task
def add(a: int, b: int) -> int:
    """Return a sum."""
    return a + b


@task
def give(value: Any) -> Any:
    """Return a value."""
    return value


@task
def fail(why: str) -> None:
    """Raise `LookupError`."""
    raise LookupError(why)


@task
def mark(path: str) -> None:
    """Make a file."""
    Path(path).touch()


@task
def hold(begun: str, gate: str) -> str:
    """Make the file ``begun``, and return when the file ``gate`` exists, or its directory was deleted."""
    Path(begun).touch()
    while not Path(gate).exists() and Path(gate).parent.exists():
        time.sleep(0.002)
    return "held"


class _Stage:
    """An executor under test, with a temporary directory for its calls."""

    def __init__(self, executor: Executor, patience: float) -> None:
        self.executor = executor
        self.patience = patience
        self._place = Path(tempfile.mkdtemp(prefix="cascade-conformance-"))
        self._held = 0

    def __enter__(self) -> _Stage:
        return self

    def __exit__(self, *exc: object) -> None:
        while self._place.exists():  # again if a call has made a file meanwhile
            shutil.rmtree(self._place, ignore_errors=True)  # ends all held calls: see `hold`
        closing = threading.Thread(target=self.executor.close, daemon=True)
        closing.start()
        closing.join(self.patience)

    def path(self, name: str) -> Path:
        return self._place / name

    def submit(self, task: Any, *arguments: Any, **keywords: Any) -> Future[Any]:
        return self.executor.submit(task, arguments, keywords)

    def hold(self, requirement: Requirement) -> tuple[Future[Any], Path]:
        """Start a call that runs until a file, its gate, is made; return its future and the gate."""
        self._held += 1
        begun, gate = self.path(f"begun {self._held}"), self.path(f"gate {self._held}")
        future = self.submit(hold, str(begun), gate=str(gate))
        end = time.monotonic() + self.patience
        while not begun.exists():
            requirement.expect(time.monotonic() < end, f"a call had not begun after {self.patience:g} s")
            requirement.expect(not future.done(), "a call has ended that must still be running")
            time.sleep(0.002)
        return future, gate

    def result(self, requirement: Requirement, future: Future[Any]) -> Any:
        try:
            return future.result(self.patience)
        except TimeoutError as error:
            requirement.violated(f"a call had not ended after {self.patience:g} s", error)
        except CancelledError as error:
            requirement.violated("a call was cancelled", error)

    @contextmanager
    def closing(self, requirement: Requirement) -> Iterator[threading.Thread]:
        """Return a context manager: a thread closes the executor, and must have ended soon after the block."""
        failures: list[BaseException] = []

        def close() -> None:
            try:
                self.executor.close()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=close, daemon=True)
        thread.start()
        yield thread
        thread.join(self.patience)
        requirement.expect(not thread.is_alive(), f"`close` had not returned after {self.patience:g} s")
        if failures:
            requirement.violated(f"`close` raised {type(failures[0]).__name__}: {failures[0]}", failures[0])


def _calls(stage: _Stage) -> None:
    with Requirement("`submit` returns a future that ends with what the call returns") as requirement:
        future = stage.submit(add, 1, b=2)
        requirement.expect(
            isinstance(future, Future), f"`submit` must return a `Future`, got `{type(future).__name__}`"
        )
        futures = [(stage.submit(add, number, b=1), number + 1) for number in range(20)]
        for submitted, expected in [(future, 3), (stage.submit(give, None), None), *futures]:
            found = stage.result(requirement, submitted)
            requirement.expect(found == expected, f"the result must be {expected!r}, got {shown(found)}")
    with Requirement("`submit` returns a future that ends with what the call raises") as requirement:
        error = stage.submit(fail, "why").exception(stage.patience)
        expected_error = isinstance(error, LookupError) and error.args == ("why",)
        requirement.expect(expected_error, f"the exception must be LookupError('why'), got {shown(error)}")
        found = stage.result(requirement, stage.submit(give, "after a failure"))
        requirement.expect(
            found == "after a failure", f"the result of a later call must be 'after a failure', got {shown(found)}"
        )


def _drops(stage: _Stage) -> None:
    with Requirement("a call that is cancelled before it begins is never made") as requirement:
        _, gate = stage.hold(requirement)
        marks = [stage.path(f"mark {number}") for number in range(8)]
        futures = [stage.submit(mark, str(path)) for path in marks]
        dropped = [future.cancel() for future in futures]
        gate.touch()
        with stage.closing(requirement):
            pass
        made = [path.name for path, gone in zip(marks, dropped, strict=True) if gone and path.exists()]
        requirement.expect(not made, f"{len(made)} of them were made")


def _waits(stage: _Stage) -> None:
    with Requirement("`close` waits for the running calls") as requirement:
        future, gate = stage.hold(requirement)
        with stage.closing(requirement) as closing:
            closing.join(_GLANCE)
            requirement.expect(closing.is_alive() or future.done(), "it returned while one was running")
            gate.touch()
        requirement.expect(stage.result(requirement, future) == "held", "the result of the call was lost")
    with Requirement("after `close`, `submit` begins anew") as requirement:
        found = stage.result(requirement, stage.submit(add, 1, 1))
        requirement.expect(found == 2, f"the result must be 2, got {shown(found)}")
    with Requirement("`close` cancels the calls that have not begun, so that each future ends") as requirement:
        _, gate = stage.hold(requirement)
        futures = [stage.submit(give, number) for number in range(8)]
        with stage.closing(requirement) as closing:
            closing.join(_GLANCE)
            gate.touch()
        open_ends = sum(not future.done() for future in futures)
        requirement.expect(not open_ends, f"{open_ends} of {len(futures)} had not ended after it")


def _abandons(stage: _Stage) -> None:
    with Requirement("abandoning a call that has ended does nothing") as requirement:
        future = stage.submit(give, 1)
        stage.result(requirement, future)
        stage.executor.abandon(future)
        requirement.expect(stage.result(requirement, future) == 1, "its result is gone")
    with Requirement("an abandoned call that runs no longer delays other calls") as requirement:
        for _ in range(3):
            future, _ = stage.hold(requirement)
            stage.executor.abandon(future)
        found = stage.result(requirement, stage.submit(add, 1, 1))
        requirement.expect(found == 2, f"the result of another call must be 2, got {shown(found)}")
    with Requirement("an abandoned call that runs does not delay `close`") as requirement:
        with stage.closing(requirement):
            pass
        found = stage.result(requirement, stage.submit(add, 1, 2))
        requirement.expect(found == 3, f"the result of a later call must be 3, got {shown(found)}")


def _abandons_in_line(stage: _Stage) -> None:
    with Requirement("a call that is abandoned before it begins is cancelled and never made") as requirement:
        _, gate = stage.hold(requirement)
        path = stage.path("mark")
        future = stage.submit(mark, str(path))
        begun = future.running() or future.done()
        stage.executor.abandon(future)
        if begun or path.exists():  # another worker was idle
            return
        requirement.expect(future.cancelled(), "its future is not cancelled")
        gate.touch()
        with stage.closing(requirement):
            pass
        requirement.expect(not path.exists(), "it was made")
