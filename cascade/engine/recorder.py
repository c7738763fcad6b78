"""The state recorder: records the tail calls of runs with the state backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from cascade._core.shape.template import Template

if TYPE_CHECKING:
    from cascade.durable.protocol import StateBackend

__all__ = ["RecordedRun", "StateRecorder"]


class RecordedRun(Protocol):
    """A run, as the recorder sees it."""

    id: int

    @property
    def _called(self) -> str:
        """It, in messages."""

    @property
    def iterations(self) -> int:
        """How many tail calls it has made."""


class StateRecorder:
    """Calls the state backend of one engine.

    It is not in `durable`: the digest of a template comes from `templates`, which stands above it.

    Args:
        backend: the state backend.
        report: called with a message and the exception of the backend if it fails too late to fail the run.
    """

    def __init__(self, backend: StateBackend, report: Callable[[str, BaseException], None]) -> None:
        self._backend = backend
        self._report = report

    def tail_call(self, run: RecordedRun, template: Template, slots: list[Any]) -> None:
        """Record a tail call of a run's target.

        Args:
            run: the run; its number of iterations does not yet include this tail call.
            template: the template of the next expression.
            slots: the data of the next expression.

        Raises:
            Exception: the backend has raised it; it fails the run.
        """
        from cascade.templates.store import digest_of_key

        iteration = run.iterations + 1
        self._backend.boundary(run.id, iteration, digest_of_key(template.structure_key).hex(), slots)
        self._backend.clear(run.id, iteration)

    def run_finished(self, run: RecordedRun) -> None:
        """Delete what was recorded of a run that has ended."""
        try:
            self._backend.forget(run.id)
        except Exception as fault:
            self._report(f"the state backend failed at the end of {run._called}", fault)
