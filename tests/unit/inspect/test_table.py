"""A template as text."""

from __future__ import annotations

from textwrap import dedent

from hypothesis import given

from cascade.graph.builder import build
from cascade.graph.model import PlanTemplate
from cascade.graph.solver import NativeSolver
from cascade.inspect.table import explain
from support.graph_shapes import OPAQUE, Box, Dict, Fields, Literal, Task, chain, expressions, graph_of


def explained(target: object) -> str:
    graph = graph_of(target)[0]
    return explain(graph, NativeSolver().resolve(graph))


def test_one_of_everything() -> None:
    load = Task("load", [Literal()], kind="async", injected=("db",))
    point = Fields("Point", {"x": load, "y": Literal()})
    target = Task(
        "step", [Box("list", [load, Literal()]), point], {"by": Dict([("k", load), (OPAQUE, Literal())])}, mode="thread"
    )
    assert explained(target) == dedent("""\
        5 nodes, 6 edges, 8 slots, longest path 3

        node  start  priority  kind         makes       slot  operands
          #0      0         3  async        jobs.load      1  slot 2, inject db
          #1      1         2  container    list              #0, slot 3
          #2      2         2  struct       jobs.Point     4  x=#0, y=slot 5
          #3      3         2  container    dict              'k': #0, slot 6: slot 7
          #4      4         1  sync thread  jobs.step      0  #1, #2, by=#3  <- target""")


def test_the_plan_is_shown() -> None:
    graph = graph_of(Box("list", [Task("a"), Task("b")]))[0]
    lines = explain(graph, PlanTemplate((1, 0, 2), (70, 80, 1))).splitlines()
    assert lines[3].split()[:3] == ["#0", "1", "70"]
    assert lines[4].split()[:3] == ["#1", "0", "80"]


def test_a_node_without_operands_is_the_target() -> None:
    assert explained(Task("a")).endswith("jobs.a     0  <- target")


def test_long_graphs_lose_their_middle() -> None:
    graph = build(*chain(1_000_000))
    lines = explain(graph, NativeSolver().resolve(graph)).splitlines()
    assert lines[0] == "1,000,000 nodes, 999,999 edges, 1,000,001 slots, longest path 1,000,000"
    assert len(lines) == 2 + 1 + 201
    assert lines[2 + 100].split()[0] == "#99"
    assert lines[3 + 100] == "  … 999,800 nodes left out, #100 to #999899 …"
    assert lines[4 + 100].split()[0] == "#999900"
    assert lines[-1].endswith("<- target")


def test_many_operands_lose_their_end() -> None:
    assert "slot 7, … 92 more" in explained(Box("list", [Literal()] * 100))


@given(expressions())
def test_columns_are_aligned_whatever_the_names_are(target: object) -> None:
    summary, empty, header, *rows = explained(target).splitlines()
    assert empty == ""
    kind, slot = header.index("kind"), header.index("slot") + len("slot")
    for row in rows:
        assert row[kind - 1] == " " != row[kind]
        assert row[slot : slot + 2].strip() == ""
    assert summary.startswith(str(len(rows)))
