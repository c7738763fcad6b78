"""Pictures: what is drawn, and that a name cannot be anything but text."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.graph.labels import printable
from cascade.graph.solver import NativeSolver
from cascade.inspect.fold import folded
from cascade.inspect.render import Picture, picture
from support.graph_shapes import Box, Dict, Literal, Role, Task, expressions, graph_of, operands_of


def drawn(target: object, *args: object, **kwargs: object) -> Picture:
    graph = graph_of(target)[0]
    return picture(graph, NativeSolver().resolve(graph), *args, **kwargs)  # type: ignore[arg-type]


def sample() -> object:
    noop = Task("noop", [Literal()])
    return Task("step", [Dict([("k", noop)])], {"by": noop, "of": Literal()}, mode="inline")


def test_a_graph_with_a_tail_call_to_itself() -> None:
    made = drawn(sample(), [("me", "me"), ("me", "me")], itself="me")
    assert made.mermaid == dedent("""\
        flowchart TD
            n0["jobs.noop<br/>slot 2"]
            n1("dict")
            n2["jobs.step<br/>sync inline<br/>of=slot 3"]
            n0 -->|"#39;k#39;"| n1
            n1 --> n2
            n0 -->|"by"| n2
            n2 -.->|"tail call"| n0
            style n2 stroke-width:3px""")
    assert (
        made.dot
        == dedent(r"""
        digraph template {
            n0 [shape=box, label="jobs.noop\nslot 2"];
            n1 [shape=ellipse, label="dict"];
            n2 [shape=box, label="jobs.step\nsync inline\nof=slot 3", penwidth=3];
            n0 -> n1 [label="'k'"];
            n1 -> n2;
            n0 -> n2 [label="by"];
            n2 -> n0 [style=dashed, constraint=false, label="tail call"];
        }""").lstrip()
    )


def test_tail_calls_among_several_templates() -> None:
    tails = [("a", "b"), ("b", "c"), ("c", "a"), ("b", "b")]
    made = drawn(Task("a"), tails, itself="a", labels={"b": "jobs.b"})
    for line in (
        't0[["jobs.b"]]', 't1[["c"]]', 'n0 -.->|"tail call"| t0', 't0 -.->|"tail call"| t1', 't1 -.->|"tail call"| n0',
        't0 -.->|"tail call"| t0',
    ):  # fmt: skip
        assert f"    {line}\n" in made.mermaid
    assert '    t0 [shape=component, label="jobs.b"];\n' in made.dot
    assert '    t1 -> n0 [style=dashed, constraint=false, label="tail call"];\n' in made.dot


def test_a_tail_call_goes_to_all_nodes_that_start_first_unless_there_are_many() -> None:
    few = drawn(Box("list", [Task("a"), Task("b")]), [("", "")]).mermaid
    assert re.findall(r"n2 -\.->.* (n\d+)", few) == ["n0", "n1"]
    many = drawn(Box("list", [Task("a") for _ in range(9)]), [("", "")]).mermaid
    assert re.findall(r"n9 -\.->.* (n\d+)", many) == ["n0"]


def mermaid_label(text: str) -> str:
    return re.sub(r"#(\d+);", lambda number: chr(int(number[1])), text)


def dot_label(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text).replace("&amp;", "&")


AWKWARD = [
    '"',
    "\\",
    "\\n",
    "\n",
    "<b>",
    "&lt;",
    "#34;",
    "`",
    "__x__",
    "*",
    "1. a",
    "- a",
    "    a",
    "|",
    "]",
    "end",
    "\0",
]
AWKWARD += [
    "\ud800",
    "%%{init}%%",
    "style:x#",
    "classDef a:#;",
    "ﬂ°°34¶ß",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "é",
    "日本",
    "🔥",
    "->",
    "",
]


@given(st.sampled_from(AWKWARD) | st.text(st.characters(), max_size=20))
def test_any_name_can_be_read_back_from_its_label(name: str) -> None:
    made = drawn(Task(name, kwargs={name: Task("leaf", module=name)}))
    titles = [f"{printable(name)}.leaf", f"jobs.{printable(name)}"]
    labels = re.findall(r'^    n\d\["(.*)"\]$', made.mermaid, re.M)
    assert [mermaid_label(label.partition("<br/>")[0]) for label in labels] == titles
    # Nothing is left that Mermaid, Markdown or HTML gives a meaning.
    assert not any(set('"`*_<>&[]{}|\\:~%-') & set(label.replace("<br/>", "")) for label in labels)
    labels = re.findall(r'^    n\d \[shape=box, label="((?:[^"\\]|\\.)*)"(?:, penwidth=3)?\];$', made.dot, re.M)
    assert [dot_label(label.partition(r"\nslot")[0]) for label in labels] == titles
    if name:
        assert mermaid_label(re.findall(r'n0 -->\|"(.*)"\| n1', made.mermaid)[0]) == printable(name)
        assert dot_label(re.findall(r'n0 -> n1 \[label="(.*)"\];', made.dot)[0]) == printable(name)
    made.mermaid.encode()
    made.dot.encode()


@given(expressions())
def test_every_node_and_edge_is_drawn(target: object) -> None:
    graph, origins = graph_of(target)
    made = drawn(target)
    belongs = folded(graph)
    # By the expression itself: dicts of routes and constraints are drawn as edges to the node that they belong to.
    edges = []
    for index, origin in enumerate(origins):
        for name, operand in () if index in belongs else operands_of(origin):
            routes = getattr(origin, "kind", "") == "router" and name == 1
            inside = routes or (name == "constraints" and isinstance(name, Role))
            edges += [value for _, value in operand.pairs] if inside and isinstance(operand, Dict) else [operand]
    count = sum(not isinstance(operand, Literal) for operand in edges)
    assert len(re.findall(r"^    n\d+[\[({]", made.mermaid, re.M)) == len(graph.nodes) - len(belongs)
    assert len(re.findall(r"^    n\d+ (?:-->|-\.->|--o)", made.mermaid, re.M)) == count
    assert len(re.findall(r"^    n\d+ \[shape", made.dot, re.M)) == len(graph.nodes) - len(belongs)
    assert len(re.findall(r"^    n\d+ -> n\d+", made.dot, re.M)) == count


@given(expressions())
def test_edges_lead_from_box_to_box_and_strokes_to_edges(target: object) -> None:
    made = drawn(target)
    boxes = set(re.findall(r"^    (n\d+)[\[({]", made.mermaid, re.M))
    edges = re.findall(r"^    (n\d+) (-->|-\.->|--o)(?:\|\".*\"\|)? (n\d+)$", made.mermaid, re.M)
    assert {end for one, _, other in edges for end in (one, other)} <= boxes
    styled = re.findall(r"linkStyle ([\d,]+) ", made.mermaid)
    told = [int(number) for numbers in styled for number in numbers.split(",")]
    assert sorted(told) == [number for number, edge in enumerate(edges) if edge[1] == "-.->"]
    assert len(re.findall("style=(?:dashed|dotted)", made.dot)) == len(told)


def everything() -> Task:
    """Of each of the engine's own kinds one."""
    n = Task("n", [Literal()], module="cascade", kind="param", mode="inline")
    db = Task("db", module="cascade", kind="inject", mode="inline")
    gpu = Dict([("gpu", Literal()), ("mem", n)])
    pay = Task("pay", [db], beside=[("retry", Literal()), ("constraints", gpu), ("after", n)])
    routes = Dict([("a", pay), (1, Literal())])
    router = Task("router", [n, routes, db], {}, "cascade", "router", "inline")
    many = Task("pay", [], {"x": router}, "jobs", "map", beside=[("const k", Literal()), ("concurrency", Literal())])
    return Task("run_if", [n, many, Literal()], {}, "cascade", "guard", "inline")


def test_the_engines_own_kinds() -> None:
    made = drawn(everything(), settings={7: "3 attempts", 8: "1", 11: "4"})
    assert made.mermaid == dedent("""\
        flowchart TD
            n0[/"param #39;n#39;<br/>slot 2"/]
            n1[("resource #39;db#39;")]
            n3["jobs.pay<br/>retry 3 attempts<br/>constraints gpu=1, mem"]
            n5{"router<br/>#49;=slot 9"}
            n6{{"map of jobs.pay<br/>const k=slot 10<br/>concurrency 4"}}
            n7{"condition<br/>otherwise=slot 12"}
            n1 --> n3
            n0 -->|"constraints mem"| n3
            n0 --o|"after"| n3
            n0 -->|"selector"| n5
            n3 -.->|"#39;a#39;"| n5
            n1 -.->|"default"| n5
            n5 -->|"x"| n6
            n0 -.->|"condition"| n7
            n6 -.->|"then"| n7
            linkStyle 4,5,8 stroke-dasharray:8 5
            linkStyle 7 stroke-dasharray:2 4
            style n7 stroke-width:3px""")
    assert (
        made.dot
        == dedent(r"""
        digraph template {
            n0 [shape=parallelogram, label="param 'n'\nslot 2"];
            n1 [shape=cylinder, label="resource 'db'"];
            n3 [shape=box, label="jobs.pay\nretry 3 attempts\nconstraints gpu=1, mem"];
            n5 [shape=diamond, label="router\n1=slot 9"];
            n6 [shape=box3d, label="map of jobs.pay\nconst k=slot 10\nconcurrency 4"];
            n7 [shape=diamond, label="condition\notherwise=slot 12", penwidth=3];
            n1 -> n3;
            n0 -> n3 [label="constraints mem"];
            n0 -> n3 [arrowhead=odot, label="after"];
            n0 -> n5 [label="selector"];
            n3 -> n5 [style=dashed, label="'a'"];
            n1 -> n5 [style=dashed, label="default"];
            n5 -> n6 [label="x"];
            n0 -> n7 [style=dotted, label="condition"];
            n6 -> n7 [style=dashed, label="then"];
        }""").lstrip()
    )


@pytest.mark.parametrize("text", AWKWARD)
def test_labels_of_other_templates_are_text_too(text: str) -> None:
    made = drawn(Task("a"), [("", "other")], labels={"other": text})
    assert mermaid_label(re.findall(r't0\[\["(.*)"\]\]', made.mermaid)[0]) == (printable(text) or " ")
