"""What a check says of an implementation that lacks methods, and that it holds without `assert`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from cascade.durable.memory import MemoryState
from cascade.graph.solver import NativeSolver
from cascade.testing.conformance.connector import check_connector
from cascade.testing.conformance.executor import check_executor
from cascade.testing.conformance.solver import check_solver
from cascade.testing.conformance.state import check_state_backend
from support.conformance import broken


def test_checks_hold_without_assert_statements() -> None:
    code = """if True:
        from cascade.testing.conformance.state import check_state_backend
        class Wrong:
            boundary = clear = forget = lambda *told: None
            latest = lambda self, run: None
        try:
            check_state_backend(Wrong)
        except AssertionError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True)
    assert "`latest` returns the latest boundary" in done.stdout


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (check_solver, "Solver` : resolve"),
        (check_executor, "Executor`: submit, abandon, close"),
        (check_connector, "Connector`: connect, close, publish, subscribe"),
        (check_state_backend, "StateBackend`: boundary, clear, forget, latest"),
    ],
)
def test_methods_that_are_not_there(check: Callable[..., None], name: str) -> None:
    requirement = "`make` returns an object with the methods of `" + name.replace("` :", "`:")
    broken(check, object, requirement)
    broken(check, lambda: MemoryState if check is check_state_backend else NativeSolver, requirement)
