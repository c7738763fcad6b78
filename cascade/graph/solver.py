"""Solvers make plans of graphs; `check` verifies both before they are linked."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cascade._support.public import public, public_in
from cascade.exceptions import TemplateError
from cascade.graph.model import GraphTemplate, NodeRef, PlanTemplate
from cascade.graph.verifier import check_graph, check_plan

__all__ = ["NativeSolver", "Solver", "check"]


@public
@runtime_checkable
class Solver(Protocol):
    """Makes the plan of a graph; an engine calls it once for every shape.

    >>> isinstance(NativeSolver(), Solver)
    True
    """

    def resolve(self, graph: GraphTemplate) -> PlanTemplate:
        """Return a plan of `graph`; equal graphs must have equal plans.

        Args:
            graph: a graph with at least one node, every node after its operands.

        Returns:
            A plan whose order has every node once and after its operands, and whose priorities are >= 1 and < 2**31.
        """


@public_in("cascade.protocols")
class NativeSolver:
    """The default solver: traversal order, and the longest path to the target as priority."""

    __slots__ = ()

    def resolve(self, graph: GraphTemplate) -> PlanTemplate:
        """Return the plan of `graph`, in time linear in its nodes and edges.

        Args:
            graph: a graph with at least one node, every node after its operands.

        >>> from cascade.graph.model import Call, CallSymbol, SlotRef
        >>> noop = CallSymbol("jobs", "noop", "sync", "default", (), 1, ())
        >>> nodes = Call(0, SlotRef(1), (SlotRef(2),)), Call(0, SlotRef(0), (NodeRef(0),))
        >>> graph = GraphTemplate((noop,), (), nodes, 3)
        >>> NativeSolver().resolve(graph)
        PlanTemplate(order=(0, 1), priority=(2, 1))
        """
        nodes = graph.nodes
        priority = [1] * len(nodes)
        # Backwards, every consumer of a node has its final priority before the node is reached.
        for index in range(len(nodes) - 1, -1, -1):
            least = priority[index] + 1
            for ref in nodes[index].operands:
                if type(ref) is NodeRef and priority[ref.index] < least:
                    priority[ref.index] = least
        return PlanTemplate(tuple(range(len(nodes))), tuple(priority))


def check(graph: GraphTemplate, plan: PlanTemplate) -> None:
    """Check that `graph` and `plan` may be linked: every index, count and order in them is valid.

    A graph is valid if and only if the builder could have built it, so equal shapes have equal graphs from any source.
    Takes time linear in the two, whatever they contain.

    Args:
        graph: from the builder or from a file.
        plan: from any solver or from a file.

    Raises:
        TemplateError: a part is out of range, of the wrong type, missing, surplus, circular or out of order; the
            message names the place.

    >>> from cascade.graph.model import Call, CallSymbol, SlotRef
    >>> noop = CallSymbol("jobs", "noop", "sync", "default", (), 1, ())
    >>> graph = GraphTemplate((noop,), (), (Call(0, SlotRef(0), (NodeRef(0),)),), 1)
    >>> check(graph, PlanTemplate((0,), (1,)))
    Traceback (most recent call last):
        ...
    cascade.TemplateError: node 0 does not come before its consumer - at `graph.nodes[0].args[0]`
    """
    if type(graph) is not GraphTemplate:
        raise TemplateError(f"graph must be a `GraphTemplate`, got `{type(graph).__name__}`")
    if type(plan) is not PlanTemplate:
        raise TemplateError(f"plan must be a `PlanTemplate`, got `{type(plan).__name__}`")
    check_graph(graph)
    check_plan(graph, plan)
