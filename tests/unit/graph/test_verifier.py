"""The check that stands between a template from anywhere and the linker."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cascade.exceptions import TemplateError
from cascade.graph.builder import build
from cascade.graph.model import (
    Call,
    CallSymbol,
    Collection,
    GraphTemplate,
    Key,
    Mapping,
    NodeRef,
    PlanTemplate,
    Record,
    SlotRef,
    StructSymbol,
)
from cascade.graph.solver import NativeSolver, check
from support.graph_shapes import Box, Core, Dict, Fields, Literal, Task, expression_of, expressions, graph_of

PAIR = CallSymbol("m", "pair", "sync", "default", (), 1, ("k",))


LEAF = CallSymbol("m", "leaf", "async", "default", (), 0, ())


POINT = StructSymbol("m", "Point", ("x",))


# pair({"k": leaf()}, k=Point(leaf))
GOOD = GraphTemplate(
    (PAIR, LEAF),
    (POINT,),
    (
        Call(1, SlotRef(1), ()),
        Mapping((Key.dump("k"),), (NodeRef(0),)),
        Record(0, SlotRef(2), (NodeRef(0),)),
        Call(0, SlotRef(0), (NodeRef(1), NodeRef(2))),
    ),
    3,
)


PLAN = PlanTemplate((0, 1, 2, 3), (3, 2, 2, 1))


def changed(template: Any, *path: Any) -> Any:
    """`template` with the value at the end of the path: changed(GOOD, "nodes", 1, "keys", ())."""
    step, *rest = path
    if not rest:
        return step
    if isinstance(template, tuple):
        return (*template[:step], changed(template[step], *rest), *template[step + 1 :])
    return msgspec.structs.replace(template, **{step: changed(getattr(template, step), *rest)})


def test_a_good_template_passes() -> None:
    check(GOOD, PLAN)
    check(GOOD, PlanTemplate((0, 2, 1, 3), (1, 1, 9, 2**31 - 1)))


def slots_up_to(count: int) -> tuple[SlotRef, ...]:
    return tuple(map(SlotRef, range(count)))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("calls", [PAIR, LEAF]), "not a tuple - at `graph.calls`"),
        (("nodes", ()), "0 nodes - at `graph.nodes`"),
        (("slots", -1), "got -1 - at `graph.slots`"),
        (("slots", True), "got `bool` - at `graph.slots`"),
        (("slots", 1 << 100_000), "of 100001 bits - at `graph.slots`"),
        (("slots", 4), "4 slots, 3 in use - at `graph.slots`"),
        (("slots", 2), "no such slot: 2 of 2 - at `graph.nodes.2..type`"),
        (("calls", 0, POINT), "not a `CallSymbol` - at `graph.calls.0.`"),
        (("calls", 0, "module", 1), "not a `str`"),
        (("calls", 0, "kind", "lazy"), "unknown kind - at `graph.calls.0..kind`"),
        (("calls", 0, "mode", ""), "unknown mode - at `graph.calls.0..mode`"),
        (("calls", 0, "injected", ("db", 1)), "not a `str` - at `graph.calls.0..injected.1.`"),
        (("calls", 0, "injected", "db"), "not a tuple"),
        (("calls", 0, "positional", -1), "got -1 - at `graph.calls.0..positional`"),
        (("calls", 0, "positional", 2), "2 operands where there must be 3 - at `graph.nodes.3..args`"),
        (("calls", 0, "names", ("a", "a")), "there twice"),
        (("calls", (PAIR, LEAF, LEAF)), "listed twice"),
        (("calls", (PAIR, LEAF, changed(LEAF, "module", "x"))), "3 symbols, 2 in use - at `graph.calls`"),
        (("structs", (POINT, changed(POINT, "module", "x"))), "2 symbols, 1 in use - at `graph.structs`"),
        (("structs", 0, "fields", ("x", "x")), "there twice - at `graph.structs.0..fields`"),
        (("structs", 0, "fields", ()), "1 operands where there must be 0 - at `graph.nodes.2..fields`"),
        (("nodes", 0, SlotRef(0)), "not a node - at `graph.nodes.0.`"),
        (("nodes", 0, "symbol", 2), "no such symbol: 2 of 2 - at `graph.nodes.0..symbol`"),
        (("nodes", 0, "symbol", -1), "no such symbol: -1 of 2"),
        (("nodes", 0, "symbol", True), "no such symbol: `bool` of 2"),
        (("nodes", 0, "task", SlotRef(3)), "no such slot: 3 of 3 - at `graph.nodes.0..task`"),
        (("nodes", 0, "task", SlotRef(-1)), "no such slot: -1"),
        (("nodes", 0, "task", NodeRef(0)), "reference must be a `SlotRef`, got `NodeRef` - at `graph.nodes.0..task`"),
        (("nodes", 0, "task", SlotRef(0)), "slot 2 where slot 1 is next|slot 0 where slot 1 is next"),
        (("nodes", 0, "args", [SlotRef(1)]), "not a tuple - at `graph.nodes.0..args`"),
        (("nodes", 1, Collection("dict", (NodeRef(0),))), "unknown kind - at `graph.nodes.1..kind`"),
        (("nodes", 1, Collection([], (NodeRef(0),))), "unknown kind - at `graph.nodes.1..kind`"),
        (("nodes", 1, "keys", ()), "1 operands where there must be 0 - at `graph.nodes.1..values`"),
        (("nodes", 1, "keys", (1,)), "got `int` - at `graph.nodes.1..keys.0.`"),
        (("nodes", 1, "keys", (Key("int", b"0x"),)), "damaged value of 2 bytes - at `graph.nodes.1..keys.0.`"),
        (("nodes", 1, "keys", (Key("int", "1"),)), "not a key - at `graph.nodes.1..keys.0.`"),
        (("nodes", 1, "keys", (SlotRef(7),)), "no such slot: 7 of 3 - at `graph.nodes.1..keys.0.`"),
        (
            ("nodes", 1, "values", (NodeRef(1),)),
            "node 1 does not come before its consumer - at `graph.nodes.1..values.0.`",
        ),
        (("nodes", 1, "values", (NodeRef(3),)), "node 3 does not come before its consumer"),
        (("nodes", 1, "values", (NodeRef(-1),)), "node -1 does not come before its consumer"),
        (("nodes", 1, "values", (0,)), "got `int` - at `graph.nodes.1..values.0.`"),
        (("nodes", 3, "args", (NodeRef(2), NodeRef(1))), "slot 2 where slot 1 is next|node 2 where node 1 is next"),
        (
            ("nodes", 3, "args", (NodeRef(1), NodeRef(1))),
            "node 3 where node 2 is next in post-order - at `graph.nodes.3.`",
        ),
        (("nodes", 3, "symbol", 1), "where there must be 0"),
    ],
)
def test_a_bad_graph_is_refused_with_its_place(path: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        check(changed(GOOD, *path), PLAN)


def test_symbols_come_in_order_of_first_use() -> None:
    swapped = changed(changed(changed(GOOD, "calls", (LEAF, PAIR)), "nodes", 0, "symbol", 0), "nodes", 3, "symbol", 1)
    with pytest.raises(TemplateError, match=r"symbol 1 where symbol 0 is next - at `graph.nodes\[3\].symbol`"):
        check(swapped, PLAN)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("order", [0, 1, 2, 3]), "not a tuple - at `plan.order`"),
        (("order", (0, 1, 2)), "3 numbers for 4 nodes - at `plan.order`"),
        (("order", (0, 1, 2, 4)), "no such node: 4 of 4 - at `plan.order.3.`"),
        (("order", (-4, 1, 2, 3)), "no such node: -4 of 4 - at `plan.order.0.`"),
        (("order", (0, True, 2, 3)), "no such node: `bool` of 4"),
        (("order", (0, 1, 1, 3)), "node 1 starts twice - at `plan.order.2.`"),
        (("order", (1, 0, 2, 3)), "node 1 starts before its operand, node 0 - at `plan.order.0.`"),
        (("order", (3, 0, 1, 2)), "node 3 starts before its operand"),
        (("priority", (3, 2, 2)), "3 numbers for 4 nodes - at `plan.priority`"),
        (("priority", (3, 2, 0, 1)), "got 0 - at `plan.priority.2.`"),
        (("priority", (3, 2, 2**31, 1)), "got 2147483648 - at `plan.priority.2.`"),
        (("priority", (3, 2, 1.0, 1)), "got `float` - at `plan.priority.2.`"),
    ],
)
def test_a_bad_plan_is_refused_with_its_place(path: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        check(GOOD, changed(PLAN, *path))


@pytest.mark.parametrize("other", [None, (), object(), PLAN])
def test_what_is_no_template_is_refused(other: Any) -> None:
    with pytest.raises(TemplateError, match="graph must be a `GraphTemplate`"):
        check(other, PLAN)
    with pytest.raises(TemplateError, match="plan must be a `PlanTemplate`"):
        check(GOOD, GOOD if other is PLAN else other)


def everywhere(value: Any) -> list[tuple[Any, ...]]:
    """The path of every number and tuple in a template."""
    paths: list[tuple[Any, ...]] = []
    steps = enumerate(value) if isinstance(value, tuple) else ((f, getattr(value, f)) for f in value.__struct_fields__)
    for step, part in steps:
        if isinstance(part, (int, tuple)):
            paths.append((step,))
        if isinstance(part, (tuple, msgspec.Struct)):
            paths.extend((step, *rest) for rest in everywhere(part))
    return paths


@given(expressions(8), st.data())
def test_a_changed_graph_is_refused_or_is_one_that_the_builder_makes(target: object, data: st.DataObject) -> None:
    graph = graph_of(target)[0]
    for _ in range(data.draw(st.integers(1, 3))):
        paths = everywhere(graph)
        path = data.draw(st.sampled_from(paths))
        part: Any = graph
        for step in path:
            part = part[step] if isinstance(part, tuple) else getattr(part, step)
        if isinstance(part, int):
            new: Any = data.draw(st.integers(-1, max(len(graph.nodes), graph.slots) + 1))
        else:
            new = tuple(data.draw(st.lists(st.sampled_from(part or (SlotRef(0), NodeRef(0))), max_size=4)))
        graph = changed(graph, *path, new)
    try:
        check(graph, NativeSolver().resolve(graph))
    except TemplateError as error:
        assert " - at `graph" in str(error)
    except (IndexError, TypeError, AttributeError, ValueError):
        assume(False)  # the solver, which is for graphs that were checked
    else:
        core = Core()
        assert build(core.key(expression_of(graph)), core.symbol) == graph


def test_wide_sharing_is_walked_once() -> None:
    """As many paths as 2**200 lead to the leaf."""
    node: Any = Task("leaf")
    for _ in range(200):
        node = Box("list", [node, node])
    graph = graph_of(Fields("P", {"x": node, "y": Dict([("k", node), ("l", Literal())])}))[0]
    check(graph, NativeSolver().resolve(graph))
