"""Dry runs: the nodes, inputs, resources and limits of a target, without running it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cascade._core.expr.policy import ScopeCache
from cascade._core.shape.extract import structure
from cascade._core.shape.template import Template
from cascade._support.notebooks import PLAIN, Types, bundle
from cascade._support.public import public, public_in
from cascade.engine.engine import Engine
from cascade.exceptions import LimitError, PolicyError, ResourceError
from cascade.expressions.conversion import shown
from cascade.expressions.targets import expression
from cascade.graph import labels as text
from cascade.graph.kinds import KINDS, POLICIES
from cascade.graph.model import Call, Key, SlotRef
from cascade.graph.model import Mapping as Dict
from cascade.graph.path import locate
from cascade.inspect.fold import part
from cascade.inspect.forecast import NEAR, Forecast, Runs, forecast
from cascade.inspect.policy_text import amount, describe
from cascade.resources.binding import outside_call
from cascade.templates.cache import default_templates

if TYPE_CHECKING:
    from cascade.expressions.inputs import Spec
    from cascade.resources.provider import ScopeKind

__all__ = ["DryRun", "PlannedInput", "PlannedLimit", "PlannedNode", "PlannedResource", "dry_run"]

LINES = 200  # of a longer list of nodes the middle is not printed


@public_in("cascade.inspect")
class PlannedNode(Struct, frozen=True):
    """One node of a target that may start.

    Attributes:
        number: its number, as in `cascade.explain`.
        kind: its kind, as in `cascade.explain`: "sync", "async inline", "map", "router", "condition", "container"...
        name: the name of its task, param, variable, resource, struct or container: "shop.pay", "n", "list"; "" for
            routers and conditions.
        place: its path from the target: "$.args[0]"; in a target of more than 1,000 nodes its number, "#17".
        runs: "surely", "perhaps" or "never".
        reasons: the conditions on which it depends ("perhaps"), or the reasons why it does not start ("never").
        policies: the policies of the call, by role: "retry" (`cascade._core.expr.policy.Retry`), "timeout", "cache",
            "constraints" (a dict of amounts by name; None: a task computes the amount), "concurrency".
    """

    number: int
    kind: str
    name: str
    place: str
    runs: Runs
    reasons: tuple[str, ...]
    policies: dict[str, Any]


@public_in("cascade.inspect")
class PlannedInput(Struct, frozen=True):
    """A param, or a variable of the environment.

    Attributes:
        kind: "param" or "env".
        name: its name.
        known: whether it has a value.
        value: its value, converted; None if it has none.
    """

    kind: str
    name: str
    known: bool
    value: Any


@public_in("cascade.inspect")
class PlannedResource(Struct, frozen=True):
    """A resource that the target, or another resource, needs.

    Attributes:
        name: its name.
        scope: its scope; None: it is not registered, or no engine was given.
        registered: whether it and all its needs are registered; None: no engine was given.
    """

    name: str
    scope: ScopeKind | None
    registered: bool | None


@public_in("cascade.inspect")
class PlannedLimit(Struct, frozen=True):
    """A limit that calls ask for.

    Attributes:
        name: its name.
        most: the largest amount that one call needs; None: a task computes it.
        capacity: its capacity; None: no engine was given, or the engine has no such limit.
    """

    name: str
    most: float | None
    capacity: float | None


@public
class DryRun(Struct, frozen=True):
    """The result of `cascade.dry_run`. `str` makes a report of it.

    Attributes:
        nodes: the nodes that may start, in the order in which they would if each ended at once and all possible routes
            were taken; then those that never start.
        inputs: the params and variables, without duplicates.
        resources: the resources that are needed, each after its own needs.
        limits: the limits that calls need.
        problems: the errors for which a run would fail.
    """

    nodes: tuple[PlannedNode, ...]
    inputs: tuple[PlannedInput, ...]
    resources: tuple[PlannedResource, ...]
    limits: tuple[PlannedLimit, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def _repr_mimebundle_(self, include: Types = None, exclude: Types = None) -> dict[str, str]:
        """What a notebook shows: the report."""
        return bundle({PLAIN: self.__str__}, include, exclude)


@public
def dry_run(target: Any, *, params: Mapping[str, Any] | None = None, engine: Engine | None = None) -> DryRun:
    """Return what a run of a target would do, as far as this is known before it. Nothing is run.

    Args:
        target: a lazy result, or a container of lazy results.
        params: the values of its params, as for `cascade.run`.
        engine: the engine whose resources and limits are checked; None: they are only listed.

    Returns:
        A `DryRun`. Errors of a run are its ``problems``; they are not raised.

    Raises:
        TargetError: ``target`` is not a target.
        StructureError: the expression has no structure: a container holds itself.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def ship(to):
    ...     return f"shipped to {to}"
    >>> print(cs.dry_run(ship("me").run_if(cs.Param("paid", type=bool)).with_retry(3), params={"paid": "no"}))
    2 nodes surely start, none perhaps, 1 never
    <BLANKLINE>
    node  runs    kind         name              place        policies and reasons
      #0  surely  param        paid              $.condition
      #2  surely  condition                      $
      #1  never   sync inline  cascade.inspect.dry_run.ship  $            retry 3 attempts; not needed
    <BLANKLINE>
    params and variables:
      param 'paid' = False
    <BLANKLINE>
    problems:
      the target would be skipped: the condition at $ is false
    """
    wanted = expression(target)
    templates = default_templates if engine is None else engine.templates
    template: Template = templates.lookup(wanted)
    _, slots = structure(wanted)
    return _DryRunner(template, slots, params, engine).result()


class _DryRunner:
    """One dry run; collects the problems."""

    def __init__(
        self, template: Template, slots: list[Any], params: Mapping[str, Any] | None, engine: Engine | None
    ) -> None:
        self.template = template
        self.graph = template.graph
        self.slots = slots
        self.engine = engine
        self.problems: list[str] = []
        self.inputs, values = self._inputs(params)
        self.forecast: Forecast = forecast(self.graph, template.plan, slots, values)
        self.problems.extend(self.forecast.problems)

    def result(self) -> DryRun:
        """Return the dry run."""
        resources = self._resources()
        started = self.forecast.order
        never = [index for index, runs in enumerate(self.forecast.runs) if runs == "never" and self._counts(index)]
        nodes = tuple([self._node(index) for index in (*started, *never)])
        limits = self._limits(nodes)
        if self.forecast.skip_reasons:
            self.problems.append(f"the target would be skipped: {'; '.join(self.forecast.skip_reasons)}")
        return DryRun(nodes, self.inputs, resources, limits, tuple(self.problems))

    def _counts(self, index: int) -> bool:
        return index not in self.forecast.parts

    def _inputs(self, params: Mapping[str, Any] | None) -> tuple[tuple[PlannedInput, ...], dict[int, Any]]:
        """Return the params and variables, and the values of their nodes."""
        from cascade.expressions.inputs import examine

        specs: dict[int, Spec] = {}
        for index in self.template.inputs:
            node = self.graph.nodes[index]
            assert type(node) is Call
            specs[index] = self.slots[node.args[0].index]
        values, problems = examine(specs.values(), params, os.environ)
        self.problems.extend(map(str, problems))
        texts = [
            PlannedInput(spec.kind, spec.name, spec in values, values.get(spec))
            for spec in dict.fromkeys(specs[index] for index in sorted(specs))
        ]
        return tuple(texts), {index: values[spec] for index, spec in specs.items() if spec in values}

    def _resources(self) -> tuple[PlannedResource, ...]:
        if self.engine is None:
            return tuple([PlannedResource(name, None, None) for name in dict.fromkeys(self.template.resources)])
        registry = self.engine.resources
        found: dict[str, PlannedResource] = {}
        for name in dict.fromkeys(self.template.resources):
            try:
                binding = registry.binding(name)
            except ResourceError as error:
                self.problems.append(str(error))
                found.setdefault(name, PlannedResource(name, None, False))
                continue
            for member in binding.order:
                found.setdefault(member.name, PlannedResource(member.name, member.scope, True))
            if binding.scope == "call" and name in self.template.resources_outside_calls:
                self.problems.append(outside_call(name))
        return tuple(found.values())

    def _node(self, index: int) -> PlannedNode:
        node = self.graph.nodes[index]
        policies: dict[str, Any] = {}
        if type(node) is Call:
            for position, ref in enumerate(node.args):
                role = text.beside(self.graph, node, position)
                if role not in POLICIES:
                    continue
                if type(ref) is SlotRef:
                    policy = self.slots[ref.index]
                    policies[role] = policy.policy if type(policy) is ScopeCache else policy
                elif part(self.graph, node, position):
                    policies[role] = self._amounts(ref.index)
        place = locate(self.graph, index) if len(self.graph.nodes) <= NEAR else f"#{index}"
        return PlannedNode(
            index, text.kind(self.graph, node), text.name(self.graph, node), place, self.forecast.runs[index],
            self.forecast.reasons[index], policies,
        )  # fmt: skip

    def _amounts(self, index: int) -> dict[str, Any]:
        """Return the constraints of a call of which some are lazy results."""
        amounts: dict[str, Any] = {}
        node = self.graph.nodes[index]
        assert type(node) is Dict
        for key, ref in zip(node.keys, node.values, strict=True):
            limit = str(key.load()) if isinstance(key, Key) else text.literal(key)
            if type(ref) is SlotRef:
                amounts[limit] = self.slots[ref.index]
            else:
                amounts[limit] = self.forecast.values.get(ref.index)
        return amounts

    def _limits(self, nodes: tuple[PlannedNode, ...]) -> tuple[PlannedLimit, ...]:
        """Return the limits that calls need; a request that cannot be met is a problem."""
        limits = None if self.engine is None else self.engine.limits
        asked: dict[str, list[Any]] = {}
        for planned in nodes:
            node = self.graph.nodes[planned.number]
            if type(node) is not Call or planned.runs == "never":
                continue
            call = self.graph.calls[node.symbol]
            for name, wanted in planned.policies.get("constraints", {}).items():
                asked.setdefault(name, []).append(wanted)
                if limits is not None:
                    try:
                        limits.request(f"{call.module}.{call.qualname}", call.qualname, 0, {name: wanted or 0})
                    except (LimitError, PolicyError) as error:
                        self.problems.append(str(error))
        known = {} if limits is None else {s.name: s.capacity for s in limits.snapshot() if s.kind == "limit"}
        return tuple([PlannedLimit(name, _most(wanted), known.get(name)) for name, wanted in asked.items()])


def _most(amounts: list[Any]) -> float | None:
    """Return the largest amount; None if one is unknown or not a number."""
    if all(type(one) in (int, float) for one in amounts):
        largest: float = max(amounts)
        return largest
    return None


# ------------------------------------------------------------------------------------------------ for people


def _lines(run: DryRun) -> Iterator[str]:
    count = {word: sum(node.runs == word for node in run.nodes) for word in ("surely", "perhaps", "never")}
    surely, perhaps, never = (f"{number:,}" if number else "none" for number in count.values())
    yield f"{surely} node{'' if count['surely'] == 1 else 's'} surely start, {perhaps} perhaps, {never} never"
    yield ""
    yield from _table(run.nodes)
    if run.inputs:
        yield from ("", "params and variables:")
        for given in run.inputs:
            value = text.printable(shown(given.value)) if given.known else "?"
            yield f"  {KINDS[given.kind].word} '{text.printable(given.name)}' = {value}"
    if run.resources:
        yield from ("", "resources:")
        for resource in run.resources:
            scope = f", scope {resource.scope}" if resource.scope is not None else ""
            missing = ", not available" if resource.registered is False else ""
            yield f"  {text.printable(resource.name)}{scope}{missing}"
    if run.limits:
        yield from ("", "limits:")
        for limit in run.limits:
            there = "" if limit.capacity is None else f" of {amount(limit.capacity)}"
            yield f"  {text.printable(limit.name)}: at most {amount(limit.most)}{there}"
    if run.problems:
        yield from ("", "problems:")
        for problem in run.problems:
            yield f"  {text.printable(problem, 400)}"


def _table(nodes: tuple[PlannedNode, ...]) -> Iterator[str]:
    shown_nodes = nodes if len(nodes) <= LINES else (*nodes[: LINES // 2], *nodes[-LINES // 2 :])
    rows = [("node", "runs", "kind", "name", "place", "policies and reasons")]
    for node in shown_nodes:
        texts = [f"{role} {describe(role, setting)}" for role, setting in node.policies.items()]
        texts.extend(node.reasons)
        rows.append((f"#{node.number}", node.runs, node.kind, node.name, node.place, "; ".join(texts)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for at, row in enumerate(rows):
        if len(shown_nodes) < len(nodes) and at == 1 + LINES // 2:
            yield f"  … {len(nodes) - LINES:,} nodes left out …"
        first, *rest = (cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].rjust(widths[0]), first, *rest]).rstrip()
