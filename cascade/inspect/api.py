"""The public functions of inspection: digest, table, picture, JSON, and inputs of an expression.

The modules of `cascade.graph` are imported at the first use: most programs are never inspected.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cascade._core.expr.symbol import symbol
from cascade._core.expr.task import Task
from cascade._core.shape.extract import structure
from cascade._core.shape.template import Template
from cascade._support.public import public
from cascade.engine.engine import Engine
from cascade.expressions.targets import expression
from cascade.inspect.picture import Picture
from cascade.templates.cache import default_templates

if TYPE_CHECKING:
    from cascade.graph.model import GraphTemplate
    from cascade.inspect.json_document import Shape

MOST = 24  # the maximum number of templates in a picture

__all__ = ["Picture", "explain", "inputs", "structural_hash", "to_json", "visualize"]


@public
def structural_hash(target: Any) -> tuple[str, list[Any]]:
    """Return the digest of the shape of an expression, and its data.

    Args:
        target: a lazy result, or a container of lazy results.

    Returns:
        ``(digest, slots)``. Equal shapes have equal digests, in every process and on every Python; different shapes
        have different ones. The slots are in the order of the `SlotRef`s of the template; the slot of a call's
        callable holds its `Task`.

    Raises:
        TargetError: ``target`` is not a target.
        StructureError: the expression has no structure: a container holds itself.

    >>> import cascade as cs
    >>> @cs.task
    ... def add(a, b):
    ...     return a + b
    >>> one, slots = cs.structural_hash(add(1, b=2))
    >>> other, _ = cs.structural_hash(add("x", b=[3, 4]))
    >>> one == other, slots[1:]
    (True, [1, 2])
    """
    from cascade.graph.key_reader import digest

    key, slots = structure(expression(target))
    return digest(key, symbol), slots


@public
def explain(target: Any) -> str:
    """Return the template of an expression as a table: its nodes with operands and priorities.

    Args:
        target: a lazy result, or a container of lazy results, which is not run; or a `Shape`, from `from_json`.

    Returns:
        The table, a line for each node; the last one is the target.

    Raises:
        TargetError, StructureError: as `structural_hash` does.

    >>> import cascade as cs
    >>> print(cs.explain(cs.gather(1, 2)))
    1 node, 0 edges, 3 slots, longest path 1
    <BLANKLINE>
    node  start  priority  kind         makes                             slot  operands
      #0      0         1  sync inline  cascade.expressions.gather.gather     0  slot 1, slot 2  <- target
    """
    from cascade.inspect.table import explain

    shape = shape_of(target)
    return explain(shape.graph, shape.plan)


@public
def visualize(target: Any, *, engine: Engine | None = None) -> Picture:
    """Return a picture of the template of an expression, as Mermaid and as DOT text.

    Tail calls that were observed in earlier runs are drawn, too: as an edge back to this template, or as edges to boxes
    for other templates.

    Args:
        target: a lazy result, or a container of lazy results, which is not run; or a `Shape`, from `from_json`.
        engine: the engine of the earlier runs; None: the engines that `cascade.run` creates.

    Returns:
        A `Picture` with the texts ``mermaid`` and ``dot``.

    Raises:
        TargetError, StructureError: as `structural_hash` does.

    >>> import cascade as cs
    >>> @cs.task(mode="inline", name="tick")
    ... def tick(n):
    ...     return tick(n - 1) if n else None
    >>> cs.run(tick(3))
    >>> "tail call" in cs.visualize(tick(3)).mermaid
    True
    """
    from cascade.graph.labels import heading
    from cascade.inspect.render import picture

    settings: dict[int, str] = {}
    if isinstance(target, Template):
        template = target
    elif (shape := _as_shape(target)) is not None:
        return picture(shape.graph, shape.plan)
    else:
        templates = default_templates if engine is None else engine.templates
        wanted = expression(target)
        template = templates.lookup(wanted)
        settings = _settings(template.graph, structure(wanted)[1])
    numbers = {template: ""}  # of the templates reached by observed tail calls, this one first
    tails = []
    for source in (reached := [template]):
        for other in source.tail_calls:
            if other not in numbers and len(reached) < MOST:
                numbers[other] = str(len(reached))
                reached.append(other)
            if other in numbers:
                tails.append((numbers[source], numbers[other]))
    labels = {numbers[other]: heading(other.graph, other.graph.nodes[-1]) for other in reached}
    return picture(template.graph, template.plan, tails, labels=labels, settings=settings)


def _settings(graph: GraphTemplate, slots: list[Any]) -> dict[int, str]:
    """Return the policies of an expression as text, by slot."""
    from cascade.graph.kinds import POLICIES
    from cascade.graph.labels import beside
    from cascade.graph.model import Call, Mapping, SlotRef
    from cascade.inspect.fold import part
    from cascade.inspect.policy_text import amount, describe

    texts: dict[int, str] = {}
    for node in graph.nodes:
        for position, ref in enumerate(node.operands if type(node) is Call else ()):
            role = beside(graph, node, position)
            if role not in POLICIES:
                continue
            if type(ref) is SlotRef:
                texts[ref.index] = describe(role, slots[ref.index])
            elif part(graph, node, position):
                amounts = graph.nodes[ref.index]
                assert type(amounts) is Mapping
                texts |= {one.index: amount(slots[one.index]) for one in amounts.values if type(one) is SlotRef}
    return texts


@public
def to_json(target: Any) -> str:
    """Return the template of an expression as a JSON document; the inverse of `from_json`.

    It contains the shape only: no code and no data.

    Args:
        target: a lazy result, or a container of lazy results, which is not run; or a `Shape`, from `from_json`.

    Raises:
        TargetError, StructureError: as `structural_hash` does.

    >>> import cascade as cs
    >>> @cs.task
    ... def add(a, b):
    ...     return a + b
    >>> text = cs.to_json(add(1, add(2, 3)))
    >>> cs.explain(cs.from_json(text)) == cs.explain(add(4, add(5, 6)))
    True
    """
    from cascade.inspect.json_document import dump

    return dump(shape_of(target))


def shape_of(target: Any) -> Shape:
    """Return the template of an expression, of a `Template` or of a `Shape`."""
    from cascade.inspect.json_document import Shape

    if (shape := _as_shape(target)) is not None:
        return shape
    template: Template = default_templates.lookup(expression(target))
    return Shape(template.graph, template.plan)


def _as_shape(target: Any) -> Shape | None:
    from cascade.inspect.json_document import Shape

    if isinstance(target, Template):
        return Shape(target.graph, target.plan)
    return target if type(target) is Shape else None


def inputs(target: Any) -> list[Any]:
    """Return the specs of all params and variables in an expression, of all routes, in traversal order.

    Args:
        target: a lazy result, or a container of lazy results.

    Raises:
        TargetError, StructureError: as `structural_hash` does.

    >>> import cascade as cs
    >>> from cascade.inspect.api import inputs
    >>> inputs([cs.Param("n", type=int), cs.Router(cs.Env("WHICH"), {"a": cs.Param("n", type=int)})])
    [Param('n', type=int), Env('WHICH'), Param('n', type=int)]
    """
    from cascade.expressions.inputs import EnvSpec, ParamSpec

    _, slots = structure(expression(target))
    # A spec among the arguments of a user's task is data.
    return [
        slot for before, slot in pairwise(slots)
        if isinstance(slot, ParamSpec | EnvSpec) and type(before) is Task and before.module == "cascade"
    ]  # fmt: skip
