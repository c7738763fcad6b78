"""The check of solvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cascade._core.expr.task import task
from cascade._support.public import public_in
from cascade.engine.engine import Engine
from cascade.engine.runner import run
from cascade.exceptions import TemplateError
from cascade.expressions.gather import gather
from cascade.graph.model import GraphTemplate, PlanTemplate
from cascade.graph.solver import Solver, check
from cascade.testing.conformance.requirement import Requirement, check_methods, shown

__all__ = ["check_solver"]

_DEPTH = 20_000


@public_in("cascade.testing.conformance")
def check_solver(make: Callable[[], Solver]) -> None:
    """Check that a solver fulfils its protocol, on graphs of all forms, among them a deep and a wide one.

    Args:
        make: makes a solver.

    Raises:
        AssertionError: it does not; the message begins with the violated requirement.

    >>> from cascade.graph.solver import NativeSolver
    >>> check_solver(NativeSolver)
    """
    solver = make()
    check_methods(solver, Solver)
    for target, value in _targets():
        observer = _Observer(solver, make())
        with Requirement("an engine gives the same value with any solver") as requirement:
            found = run(target(), engine=Engine(solver=observer, default_mode="inline"))
            requirement.expect(found == value, f"the value must be {shown(value)}, got {shown(found)}")


class _Observer:
    """A solver that calls the solver under test, and checks its plans."""

    def __init__(self, solver: Solver, other: Solver) -> None:
        self._solver = solver
        self._other = other

    def resolve(self, graph: GraphTemplate) -> PlanTemplate:
        with Requirement("`resolve` returns a plan of any graph") as requirement:
            plan = self._solver.resolve(graph)
            requirement.expect(
                type(plan) is PlanTemplate, f"the plan must be a `PlanTemplate`, got `{type(plan).__name__}`"
            )
        with Requirement(
            "every node comes once and after its operands, and has a priority from 1 to 2**31 - 1"
        ) as requirement:
            try:
                check(graph, plan)
            except TemplateError as error:
                requirement.violated(str(error), error)
        with Requirement("the same graph always gives the same plan") as requirement:
            for solver in (self._solver, self._other):
                again = solver.resolve(graph)
                requirement.expect(again == plan, f"got {shown(plan)} and then {shown(again)}")
        return plan


@task(mode="inline")
def _add(*values: int) -> int:
    return sum(values)


@task(mode="inline")
def _total(values: dict[str, list[int]]) -> int:
    return sum(map(sum, values.values()))


def _chain() -> int:
    deep = _add(1)
    for _ in range(_DEPTH - 1):
        deep = _add(deep, 1)
    return deep


def _diamond() -> int:
    top = _add(1)
    left, right = _add(top, 1), _add(top, 2)
    return _add(left, right, _add(left, right), top)


def _targets() -> list[tuple[Callable[[], object], Any]]:
    """Expressions of all forms, with their values."""
    return [
        (lambda: _add(1), 1),
        (lambda: _add(_add(1), _add(2), _add(3, _add(4))), 10),
        (_diamond, 11),
        (lambda: _total({"a": [_add(1), 2], "b": [3, _add(_add(4))]}), 10),
        (lambda: gather(*(_add(number) for number in range(1000))), tuple(range(1000))),
        (_chain, _DEPTH),
    ]
