"""The table of node kinds, the core, the types, the oracle and the documents agree on what kinds there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

import cascade as cs
from cascade._core.expr.arities import ARITIES, STEPS
from cascade._core.expr.task_spec import kind_traits, mode_names
from cascade.expressions.targets import expression
from cascade.graph.describe import describe
from cascade.graph.kinds import CALL_POLICIES, KINDS, MOST_OPERANDS, POLICIES, BoxShape
from cascade.graph.labels import heading, kind
from cascade.graph.model import CallKind, CallMode, GraphTemplate
from cascade.graph.solver import check
from cascade.inspect.render import _DOT, _MERMAID
from language import descriptions
from language.descriptions import (
    Box,
    Call,
    Fallback,
    Guard,
    Input,
    Literal,
    Map,
    Node,
    Operator,
    Outcome,
    Race,
    Recover,
    Resource,
    Router,
    Scope,
    TaskSpec,
)
from language.oracle import Journal
from language.oracle_build import build
from support.shapes import MODULE, define
from support.template_files import template_of

FORMAT = Path(__file__).parents[3] / "docs" / "internals" / "template-format.md"


def samples() -> dict[str, list[cs.LazyResult]]:
    """By kind, expressions whose target is a call of that kind: with the fewest arguments, and with the most."""
    f, later, channel = define("f"), define("later", kind="async"), cs.Channel()
    full = cs.Channel(capacity=1, overflow="block")
    return {
        "sync": [f(), f(1, x=f())],
        "async": [later(), later(1, x=f())],
        "wait": [cs.wait(1)],
        "wait_until": [cs.wait_until(1)],
        "ticks": [cs.ticks(1)],
        "recv": [channel.recv(), channel.recv(timeout=1)],
        "send": [full.send(f())],
        "select": [cs.select([channel]), cs.select([channel, full], timeout=1)],
        "router": [cs.Router(f(), {1: f()}), cs.Router(f(), {1: f()}, default=f())],
        "guard": [f().run_if(f()), f().run_if(f(), otherwise=f())],
        "map": [f.map(x=[1]), f.map(x=[1], k=cs.const(7), concurrency=3)],
        "param": [cs.Param("n", type=int)],
        "env": [cs.Env("HOME")],
        "inject": [cs.inject("db")],
        "recover": [cs.recover(f(), repr)],
        "fallback": [cs.fallback(f(), f())],
        "outcome": [cs.outcome(f())],
        "scope": [cs.scope(f())],
        "race": [cs.race(f()), cs.race(f(), later(), f())],
    }


def own(graph: GraphTemplate) -> Any:
    """The symbol of the target."""
    return graph.calls[graph.nodes[-1].symbol]  # type: ignore[union-attr]


def test_the_core_and_the_types_have_the_same_kinds_in_the_same_order() -> None:
    assert [(traits.number, traits.name) for traits in kind_traits()] == [*enumerate(get_args(CallKind))]
    assert mode_names() == get_args(CallMode)


def test_the_table_has_a_row_for_each_kind() -> None:
    assert [*KINDS] == [*get_args(CallKind)] and samples().keys() == KINDS.keys()


def test_what_the_core_does_with_which_kinds() -> None:
    found = {
        trait: {name for name, row in KINDS.items() if getattr(row.core, trait)}
        for trait in (
            "calls_function",
            "takes_policies",
            "waits",
            "chooses",
            "begins_alone",
            "may_catch",
            "accepts_skips",
            "reads_input",
        )
    }
    assert found == {
        "calls_function": {"sync", "async"},
        "takes_policies": {"sync", "async", "map", "scope"},
        "waits": {"wait", "wait_until", "ticks", "recv", "send", "select"},
        "chooses": {"router", "guard", "fallback", "scope", "race"},
        "begins_alone": {"scope", "race"},
        "may_catch": {"recover", "fallback", "outcome", "scope", "race"},
        "accepts_skips": {"outcome", "race"},
        "reads_input": {"param", "env"},
    }


def test_operands_are_known_of_each_kind_that_calls_no_function() -> None:
    kinds = [name for name, row in KINDS.items() if not row.core.calls_function and name != "map"]
    assert [*ARITIES] == kinds
    assert {name for name, row in KINDS.items() if row.parts} == STEPS.keys()


@pytest.mark.parametrize("name", KINDS)
def test_what_users_write_becomes_a_node_of_that_kind(name: str) -> None:
    row = KINDS[name]
    counts = set()
    for target in samples()[name]:
        _, _, graph, plan = template_of(target)
        symbol = own(graph)
        assert symbol.kind == name
        check(graph, plan)
        counts.add(symbol.positional)
        assert {role for role in symbol.roles if not role.startswith("const ")} <= row.policies
    if name == "race":
        assert counts == {1, 3} and row.arguments == (1, MOST_OPERANDS)
    elif row.arguments is not None:
        assert counts == {*row.arguments}


@pytest.mark.parametrize("name", KINDS)
def test_policies_are_for_calls_and_scopes(name: str) -> None:
    row = KINDS[name]
    assert bool(row.policies) == row.core.takes_policies
    assert row.policies in (frozenset(), CALL_POLICIES, POLICIES)
    target = samples()[name][0]
    if row.bare:  # the node below gets what it is given
        _, _, graph, _ = template_of(target.with_retry(2).after(define("g")()))
        assert not own(graph).roles
        assert any(call.roles == ("retry", "after") for call in graph.calls)
    else:
        made = own(template_of(target.with_retry(2))[2])
        assert made.roles == ("retry",)
        assert made.kind == (name if row.core.calls_function else "scope")


@pytest.mark.parametrize(
    ("name", "short", "words", "sentence"),
    [
        ("sync", "sync inline", f"{MODULE}.f", f"task {MODULE}.f"),
        ("async", "async", f"{MODULE}.later", f"task {MODULE}.later"),
        ("wait", "wait inline", "cascade.wait", "task cascade.wait"),
        ("wait_until", "wait_until inline", "cascade.wait_until", "task cascade.wait_until"),
        ("ticks", "ticks inline", "cascade.ticks", "task cascade.ticks"),
        ("recv", "recv inline", "cascade.recv", "task cascade.recv"),
        ("send", "send inline", "cascade.send", "task cascade.send"),
        ("select", "select inline", "cascade.select", "task cascade.select"),
        ("router", "router", "router", "router"),
        ("guard", "condition", "condition", "condition"),
        ("map", "map inline", f"map of {MODULE}.f", f"map of task {MODULE}.f"),
        ("param", "param", "param 'n'", "param 'n'"),
        ("env", "variable", "variable 'HOME'", "variable 'HOME'"),
        ("inject", "resource", "resource 'db'", "resource 'db'"),
        ("recover", "recover", "recover", "recover"),
        ("fallback", "fallback", "fallback", "fallback"),
        ("outcome", "outcome", "outcome", "outcome"),
        ("scope", "scope", "scope", "scope"),
        ("race", "race", "race", "race"),
    ],
)
def test_what_nodes_are_called(name: str, short: str, words: str, sentence: str) -> None:
    for target in samples()[name]:
        _, _, graph, _ = template_of(target)
        node = graph.nodes[-1]
        assert (kind(graph, node), heading(graph, node)) == (short, words)
        assert describe(graph, len(graph.nodes) - 1) == f"{sentence} at $"


@pytest.mark.parametrize("name", KINDS)
def test_nodes_of_every_kind_can_be_looked_at(name: str) -> None:
    for target in samples()[name]:
        assert cs.explain(target) and cs.visualize(target).mermaid and cs.visualize(target).dot
        assert cs.from_json(cs.to_json(target))
        assert any(node.number for node in cs.dry_run(target).nodes) or len(template_of(target)[2].nodes) == 1


def test_every_shape_of_a_box_can_be_drawn() -> None:
    assert set(_MERMAID) == set(_DOT) == {*get_args(BoxShape)}
    assert {row.shape for row in KINDS.values()} == {*get_args(BoxShape)} - {"elsewhere"}


# By class of descriptions, the kinds that such a node can be of, and one such node.
_leaf = Call(TaskSpec("leaf", lambda args, kwargs: 1))
ORACLE: dict[type, tuple[set[str], Node]] = {
    Call: ({"sync", "async"}, _leaf),
    Operator: ({"sync"}, Operator("neg", (_leaf,))),
    Router: ({"router"}, Router(_leaf, (1,), (_leaf,))),
    Guard: ({"guard"}, Guard(_leaf, _leaf)),
    Map: ({"map"}, Map(TaskSpec("each", lambda args, kwargs: 1), {"x": Literal([1])})),
    Input: ({"param"}, Input("n")),
    Resource: ({"inject"}, Resource("db")),
    Recover: ({"recover"}, Recover(_leaf, TaskSpec("handle", lambda args, kwargs: 1))),
    Fallback: ({"fallback"}, Fallback(_leaf, _leaf)),
    Outcome: ({"outcome"}, Outcome(_leaf)),
    Race: ({"race"}, Race((_leaf,))),
    Scope: ({"scope"}, Scope(_leaf)),
}
# What the oracle has no words for: the time and messages (the model of channels has them), and the environment.
NOT_IN_THE_ORACLE = {"wait", "wait_until", "ticks", "recv", "send", "select", "env"}


def test_the_oracle_has_all_kinds_or_leaves_them_out_on_purpose() -> None:
    found = set().union(*(kinds for kinds, _ in ORACLE.values()))
    assert found | NOT_IN_THE_ORACLE == set(KINDS) and not found & NOT_IN_THE_ORACLE
    # Data, containers, and what is short for the others.
    short = {Literal, descriptions.Data, Box, descriptions.Sequence, descriptions.Pipeline}
    assert {*ORACLE} == {*get_args(Node)} - short


@pytest.mark.parametrize("described", ORACLE)
def test_the_oracle_and_the_core_mean_the_same_by_a_kind(described: type) -> None:
    kinds, node = ORACLE[described]
    symbol = own(template_of(expression(build(node, Journal())))[2])
    assert symbol.kind in kinds
    row = KINDS[symbol.kind]
    if not row.bare and described is not Operator:  # a policy on that is one on all that it takes
        calls = row.core.calls_function or symbol.kind == "scope"
        assert descriptions.is_call(node) == calls
    assert (len(descriptions.strict(node)) < len(descriptions.children(node))) == row.core.chooses


def test_the_documents_list_the_kinds() -> None:
    """With the number of positional arguments that each takes."""
    _, _, table = FORMAT.read_text().partition("| kind | positional arguments |")
    found = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table, re.MULTILINE)
    expected = []
    for name, row in KINDS.items():
        least, most = row.arguments or ("any", "any")
        words = f"{least} or {'more' if most == MOST_OPERANDS else most}"
        expected.append((name, str(least) if least == most else words))
    assert found == expected
