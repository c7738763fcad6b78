"""Templates as JSON: there and back, and nothing from strangers that is not whole."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cascade as cs
from cascade.graph.model import Call, CallSymbol, GraphTemplate, PlanTemplate, SlotRef
from cascade.graph.solver import NativeSolver
from cascade.inspect.json_document import FORMAT, Shape, dump, from_json
from support.graph_shapes import expressions, graph_of

any_text = st.text(st.characters(exclude_categories=())) | st.text("\0\\u0d8cf", max_size=12)


def shape_of(target: object) -> Shape:
    graph, _ = graph_of(target)
    return Shape(graph, NativeSolver().resolve(graph))


@settings(max_examples=50)
@given(expressions())
def test_there_and_back(target: object) -> None:
    shape = shape_of(target)
    text = dump(shape)
    assert from_json(text) == shape
    assert from_json(text.encode()) == shape
    assert dump(from_json(text)) == text
    assert cs.to_json(shape) == text
    assert cs.explain(shape) == cs.explain(from_json(text))
    assert cs.visualize(shape) == cs.visualize(from_json(text))


@given(any_text, any_text)
def test_any_text_may_be_a_name(module: str, name: str) -> None:
    call = CallSymbol(module, name, "sync", "default", (name,), 0, (name,), ("after",))
    graph = GraphTemplate((call,), (), (Call(0, SlotRef(0), (SlotRef(1), SlotRef(2))),), 3)
    shape = Shape(graph, PlanTemplate((0,), (1,)))
    assert from_json(dump(shape)) == shape
    json.loads(dump(shape))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON document: the container and the key."""
    found = []
    rest = [value]
    while rest:
        top = rest.pop()
        for key, item in top.items() if isinstance(top, dict) else enumerate(top):
            found.append((top, key))
            if isinstance(item, (dict, list)):
                rest.append(item)
    return found


STRANGE = [None, True, -1, 0, 1, 2, 10**30, 1.5, "", "router", "s", [], [[]], ["n", 0], {}, {"a": 1}]
strange = st.sampled_from(STRANGE).map(deepcopy)


@settings(max_examples=100)
@given(expressions(6), st.data())
def test_what_was_changed_is_whole_or_refused(target: object, data: st.DataObject) -> None:
    document = json.loads(dump(shape_of(target)))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(document)))
        match data.draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                container[key] = data.draw(strange)
            case "remove":
                del container[key]
            case _ if isinstance(container, list):
                container.insert(key, data.draw(strange))
            case _:
                container["more"] = data.draw(strange)
    text = json.dumps(document)
    try:
        shape = from_json(text)
    except cs.TemplateError as error:
        assert " - at `" in str(error)
    else:
        assert from_json(dump(shape)) == shape
        assert cs.explain(shape)


@given(st.text(max_size=30) | st.binary(max_size=30))
def test_what_is_no_document_is_refused(text: str | bytes) -> None:
    with pytest.raises(cs.TemplateError):
        from_json(text)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, '{"format":1,"graph":' + "[" * 200_000])
def test_any_depth_is_an_error_and_no_crash(text: str) -> None:
    with pytest.raises(cs.TemplateError):
        from_json(text)


@pytest.mark.parametrize("number", [0, 2, -1, 10**40])
def test_other_formats(number: int) -> None:
    with pytest.raises(cs.TemplateError, match=r"at `\$.format`"):
        from_json(json.dumps({"format": number, "anything": [1]}))


def test_other_types() -> None:
    with pytest.raises(cs.TemplateError, match="got `NoneType`"):
        from_json(None)  # type: ignore[arg-type]


def test_the_document() -> None:
    graph = GraphTemplate(
        (CallSymbol("jobs", "noop", "sync", "default", (), 0, ()),), (), (Call(0, SlotRef(0), ()),), 1
    )
    assert json.loads(dump(Shape(graph, PlanTemplate((0,), (1,))))) == {
        "format": FORMAT,
        "graph": {
            "calls": [
                {
                    "module": "jobs", "qualname": "noop", "kind": "sync", "mode": "default", "injected": [],
                    "positional": 0, "names": [], "roles": [],
                }
            ],
            "structs": [],
            "nodes": [{"node": "call", "symbol": 0, "task": ["s", 0], "args": []}],
            "slots": 1,
        },
        "plan": {"order": [0], "priority": [1]},
    }  # fmt: skip


def test_of_an_expression() -> None:
    @cs.task
    def add(a: int, b: int) -> int:
        return a + b

    shape = cs.from_json(cs.to_json(add(1, b=add(2, 3))))
    assert cs.explain(shape) == cs.explain(add(4, b=add(5, 6)))
    with pytest.raises(cs.TargetError):
        cs.to_json(add)
