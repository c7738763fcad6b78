"""The check of solvers passes ours, and names what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cascade.graph.model import GraphTemplate, NodeRef, PlanTemplate
from cascade.graph.solver import NativeSolver
from cascade.protocols import Solver
from cascade.testing.conformance.solver import check_solver
from support.conformance import broken


class Backwards:
    """Last operands first, as far as that goes: another order, and a right one."""

    def resolve(self, graph: GraphTemplate) -> PlanTemplate:
        order: list[int] = []
        seen: set[int] = set()
        stack = [(len(graph.nodes) - 1, False)]
        while stack:
            node, left = stack.pop()
            if left:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((ref.index, False) for ref in graph.nodes[node].operands if type(ref) is NodeRef)
        return PlanTemplate(tuple(order), (1,) * len(order))


class Faulty(NativeSolver):
    """Wrong in one way."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.count = 0

    def resolve(self, graph: GraphTemplate) -> PlanTemplate:
        plan = super().resolve(graph)
        self.count += 1
        match self.way:
            case "none":
                return None  # type: ignore[return-value]
            case "raises":
                raise LookupError("why")
            case "order" if len(plan.order) > 1:
                return PlanTemplate(plan.order[::-1], plan.priority)
            case "short":
                return PlanTemplate(plan.order[:-1], plan.priority[:-1])
            case "priority":
                return PlanTemplate(plan.order, (0,) * len(plan.order))
            case "moody":
                return PlanTemplate(plan.order, (self.count,) * len(plan.order))
            case "deep" if len(plan.order) > 10_000:
                raise RecursionError("maximum recursion depth exceeded")
        return plan


@pytest.mark.parametrize("make", [NativeSolver, Backwards])
def test_solvers(make: Callable[[], Solver]) -> None:
    check_solver(make)


@pytest.mark.parametrize(
    ("way", "requirement"),
    [
        ("none", "`resolve` returns a plan of any graph: the plan must be a `PlanTemplate`, got `NoneType`"),
        ("raises", "`resolve` returns a plan of any graph: it raised LookupError: why"),
        ("deep", "`resolve` returns a plan of any graph: it raised RecursionError"),
        ("order", "every node comes once and after its operands, and has a priority from 1 to 2**31 - 1: "),
        ("short", "every node comes once and after its operands"),
        ("priority", "every node comes once and after its operands"),
        ("moody", "the same graph always gives the same plan: got PlanTemplate(order=(0,), priority=(1,)) and then"),
    ],
)
def test_wrong_solvers(way: str, requirement: str) -> None:
    broken(check_solver, lambda: Faulty(way), requirement)
