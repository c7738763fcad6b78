"""The forecast: which nodes of an expression would start, as far as it can be told before any of them has.

What is data from the start decides: a condition or a selector that is a plain value, or a param that has one. Of what
a task will give nothing is known, so both ways are open. That no task fails is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from cascade.graph.kinds import KINDS
from cascade.graph.labels import literal
from cascade.graph.model import Call, GraphTemplate, Key, NodeRef, PlanTemplate, Ref, SlotRef
from cascade.graph.model import Mapping as Dict
from cascade.graph.path import locate
from cascade.inspect.fold import folded, part

__all__ = ["Forecast", "Runs", "forecast"]

Runs: TypeAlias = Literal["surely", "perhaps", "never"]

REASONS = 4  # of more things on which a node depends, only the first are told
NEAR = 1000  # of a larger graph, it is too much to say of each node where it is

_EXACT = (type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset)  # asking them runs no code


class Forecast(Struct, frozen=True):
    """What is known of the nodes of an expression before it runs.

    Attributes:
        order: the nodes that may start, in the order in which they would, dicts that belong to another node left out.
        runs: of each node of the graph, "surely", "perhaps" or "never".
        reasons: of each node, on what it depends if it runs "perhaps", and why it does not if "never".
        values: of nodes, what is known to be their values.
        skip_reasons: why the target has no value, as it is surely skipped; empty: it may have one.
        parts: the numbers of the dicts that belong to another node.
        problems: routers that have no route for what is known to be their selector's value.
    """

    order: tuple[int, ...]
    runs: tuple[Runs, ...]
    reasons: tuple[tuple[str, ...], ...]
    values: dict[int, Any]
    skip_reasons: tuple[str, ...]
    parts: frozenset[int]
    problems: tuple[str, ...]


class _Choice(Struct):
    """A router or a condition: what it may want, each with what it depends on, and whether one of them is certain."""

    options: list[tuple[Ref | None, str]]
    decided: bool
    data: bool = False  # it may also be a piece of data, which is there


def forecast(graph: GraphTemplate, plan: PlanTemplate, slots: list[Any], values: Mapping[int, Any]) -> Forecast:
    """Return what is known of the nodes of an expression.

    Args:
        graph: a graph that was built or checked.
        plan: its plan.
        slots: the data of the expression.
        values: of nodes, what is known to be their values: those of params.
    """
    return _Forecaster(graph, slots, dict(values)).result(plan)


class _Forecaster:
    """One look at an expression: what may be skipped, upwards; then what is wanted, downwards from the target."""

    def __init__(self, graph: GraphTemplate, slots: list[Any], values: dict[int, Any]) -> None:
        count = len(graph.nodes)
        self.graph = graph
        self.slots = slots
        self.values = values
        self.choices: dict[int, _Choice] = {}
        self.unrouted: dict[int, str] = {}  # routers without a route, and what to say of them
        # Why a node's value may be missing, and why it must be; empty: it will not.
        self.may_skip: list[tuple[str, ...]] = [()] * count
        self.must_skip: list[tuple[str, ...]] = [()] * count
        # Of what a node waits for: the same.
        self.may_lack: list[tuple[str, ...]] = [()] * count
        self.must_lack: list[tuple[str, ...]] = [()] * count
        for index in range(count):
            self._examine(index)

    def result(self, plan: PlanTemplate) -> Forecast:
        """Ask what is wanted, and put it together."""
        wanted, gates = self._demand()
        runs: list[Runs] = []
        reasons: list[tuple[str, ...]] = []
        for index in range(len(self.graph.nodes)):
            why: tuple[str, ...]
            if wanted[index] == "never" or self.must_lack[index]:
                runs.append("never")
                why = self.must_lack[index] or ("not needed",)
            elif wanted[index] == "perhaps" or self.may_lack[index]:
                runs.append("perhaps")
                why = _joined((gates[index], self.may_lack[index]))
            else:
                runs.append("surely")
                why = ()
            reasons.append(why)
        parts = frozenset(folded(self.graph))
        order = tuple([index for index in self._order(plan) if index not in parts and runs[index] != "never"])
        skip_reasons = self.must_skip[-1]
        if not set(skip_reasons).isdisjoint(self.unrouted.values()):
            skip_reasons = ()  # it may fail as well
        return Forecast(
            order,
            tuple(runs),
            tuple(reasons),
            self.values,
            skip_reasons,
            parts,
            tuple(dict.fromkeys(self._certain_failures(wanted))),
        )

    def _certain_failures(self, wanted: list[Runs]) -> Iterable[str]:
        """What goes wrong for sure, in nodes that start for sure."""
        for index, problem in self.unrouted.items():
            if wanted[index] == "surely" and not self.may_lack[index]:
                yield problem

    # ------------------------------------------------------------------------------------------------- upwards

    def _examine(self, index: int) -> None:
        node = self.graph.nodes[index]
        symbol = self.graph.calls[node.symbol] if type(node) is Call else None
        if symbol is not None and KINDS[symbol.kind].core.accepts_skips:
            return
        self.may_lack[index] = _joined(self._of(self.may_skip, ref) for ref in self.waits_for(index))
        self.must_lack[index] = _joined(self._of(self.must_skip, ref) for ref in self.waits_for(index))
        self.may_skip[index] = self.may_lack[index]
        self.must_skip[index] = self.must_lack[index]
        if symbol is not None and KINDS[symbol.kind].core.chooses:
            assert type(node) is Call
            choice = {"router": self._router, "guard": self._condition}[symbol.kind](index, node)
            self.choices[index] = choice
            self._choose(index, choice)

    def waits_for(self, index: int) -> list[Ref]:
        """What a node must have before it starts: of routers and conditions, what they may choose is not among it."""
        node = self.graph.nodes[index]
        if type(node) is not Call or not KINDS[self.graph.calls[node.symbol].kind].core.chooses:
            return [*node.operands]
        return [node.args[0], *node.args[self.graph.calls[node.symbol].positional :]]

    def _of(self, skips: list[tuple[str, ...]], ref: Ref) -> tuple[str, ...]:
        return skips[ref.index] if type(ref) is NodeRef else ()

    def _choose(self, index: int, choice: _Choice) -> None:
        """What follows for the value of a router or a condition from what its options are."""
        may = [self.may_lack[index]]
        must: list[tuple[str, ...]] = []
        for ref, why in choice.options:
            if ref is None:
                may.append((why,))
                must.append((why,))
            else:
                may.append(self._of(self.may_skip, ref))
                must.append(self._of(self.must_skip, ref))
        self.may_skip[index] = _joined(may)
        if must and all(must) and not choice.data:
            self.must_skip[index] = _joined([self.must_lack[index], *must])
        if choice.decided and choice.options and not self.may_lack[index]:
            ref = choice.options[0][0]
            known, value = (False, None) if ref is None else self._value(ref)
            if known:
                self.values[index] = value

    def _value(self, ref: Ref) -> tuple[bool, Any]:
        if type(ref) is SlotRef:
            return True, self.slots[ref.index]
        return ref.index in self.values, self.values.get(ref.index)

    def _where(self, index: int) -> str:
        return f"at {locate(self.graph, index)}" if len(self.graph.nodes) <= NEAR else f"#{index}"

    def _condition(self, index: int, node: Call) -> _Choice:
        then, *otherwise = node.args[1 : self.graph.calls[node.symbol].positional]
        where = self._where(index)
        options: list[tuple[Ref | None, str]] = [
            (then, f"the condition {where} is true"),
            (otherwise[0] if otherwise else None, f"the condition {where} is false"),
        ]
        known, value = self._value(node.args[0])
        if not known or type(value) not in _EXACT:
            if options[1][0] is None:
                options[1] = None, f"the condition {where} may be false"
            return _Choice(options, False)
        return _Choice([options[0 if value else 1]], True)

    def _router(self, index: int, node: Call) -> _Choice:
        if not part(self.graph, node, 1):
            return self._router_of_data(index, node)
        routes = self._routes(node)
        where = self._where(index)
        options: list[tuple[Ref | None, str]] = [
            (ref, f"route {literal(key)} of the router {where}") for key, ref in routes.items()
        ]
        default = node.args[2] if self.graph.calls[node.symbol].positional > 2 else None
        if default is not None:
            options.append((default, f"the default of the router {where}"))
        known, value = self._value(node.args[0])
        if not known or not _is_exact(value):
            return _Choice(options, False)
        for number, (key, _) in enumerate(routes.items()):
            # Keys that are equal are one key, be they 1, 1.0 or True.
            if type(key) is Key and key.load() == value:
                return _Choice([options[number]], True)
        if any(type(key) is not Key for key in routes):
            return _Choice(options, False)
        if default is not None:
            return _Choice([options[-1]], True)
        return self._unrouted(index, where)

    def _unrouted(self, index: int, where: str) -> _Choice:
        """A router without a route."""
        problem = f"no route for its selector's value, and no default - at router {where.removeprefix('at ')}"
        self.unrouted[index] = problem
        return _Choice([(None, problem)], True)

    def _routes(self, node: Call) -> dict[Key | SlotRef, Ref]:
        routes = self.graph.nodes[node.args[1].index]
        assert type(routes) is Dict
        return dict(zip(routes.keys, routes.values, strict=True))

    def _router_of_data(self, index: int, node: Call) -> _Choice:
        """No route is an expression: they lie in a slot, and so do their keys. Only the default may be one."""
        known, value = self._value(node.args[0])
        routes = self.slots[node.args[1].index]
        default = node.args[2] if self.graph.calls[node.symbol].positional > 2 else None
        where = self._where(index)
        options: list[tuple[Ref | None, str]] = []
        if default is not None:
            options.append((default, f"the default of the router {where}"))
        if not known or not _is_exact(value) or type(routes) is not dict or not all(map(_is_exact, routes)):
            return _Choice(options, False, data=True)
        if value not in routes:
            return _Choice(options, True) if options else self._unrouted(index, where)
        if not self.may_lack[index]:
            self.values[index] = routes[value]
        return _Choice([], True)

    # ----------------------------------------------------------------------------------------------- downwards

    def _demand(self) -> tuple[list[Runs], list[tuple[str, ...]]]:
        count = len(self.graph.nodes)
        wanted: list[Runs] = ["never"] * count
        gates: list[tuple[str, ...]] = [()] * count
        wanted[-1] = "surely"
        for index in range(count - 1, -1, -1):
            if wanted[index] == "never":
                continue
            if wanted[index] == "surely":
                gates[index] = ()
            for ref in self.waits_for(index):
                if type(ref) is NodeRef:
                    _raise(wanted, gates, ref.index, wanted[index], gates[index])
            choice = self.choices.get(index)
            if choice is None or self.must_lack[index]:
                continue
            for option, why in choice.options:
                if type(option) is not NodeRef:
                    continue
                if not choice.decided:
                    _raise(wanted, gates, option.index, "perhaps", (why,))
                elif self.may_lack[index]:
                    _raise(wanted, gates, option.index, "perhaps", self.may_lack[index])
                else:
                    _raise(wanted, gates, option.index, wanted[index], gates[index])
        return wanted, gates

    def _order(self, plan: PlanTemplate) -> list[int]:
        """Play it through, each node done as soon as it has started, every choice that is open made."""
        nodes = self.graph.nodes
        place = [0] * len(nodes)
        for rank, index in enumerate(plan.order):
            place[index] = rank
        lacks: dict[int, int] = {}
        waiting: dict[int, list[int]] = {}
        ready: list[tuple[int, int]] = []
        order: list[int] = []
        done: set[int] = set()
        begun: set[int] = set()

        def want(rest: list[int]) -> None:
            while rest:
                index = rest.pop()
                if index in lacks:
                    continue
                needs = {ref.index for ref in self.waits_for(index) if type(ref) is NodeRef} - done
                lacks[index] = len(needs)
                for need in needs:
                    waiting.setdefault(need, []).append(index)
                    rest.append(need)
                if not needs:
                    heappush(ready, (place[index], index))

        want([len(nodes) - 1])
        while ready:
            _, index = heappop(ready)
            if index not in begun:
                begun.add(index)
                order.append(index)
                choice = self.choices.get(index)
                options = choice.options if choice is not None and not self.must_lack[index] else []
                chosen = {ref.index for ref, _ in options if type(ref) is NodeRef} - done
                want([*chosen])
                if chosen:
                    lacks[index] = len(chosen)
                    for option in chosen:
                        waiting.setdefault(option, []).append(index)
                    continue
            done.add(index)
            for consumer in waiting.pop(index, ()):
                lacks[consumer] -= 1
                if not lacks[consumer]:
                    heappush(ready, (place[consumer], consumer))
        return order


def _raise(wanted: list[Runs], gates: list[tuple[str, ...]], index: int, runs: Runs, why: tuple[str, ...]) -> None:
    """Somebody wants a node's value."""
    if wanted[index] != "surely":
        wanted[index] = runs
        gates[index] = _joined((gates[index], why))


def _joined(reasons: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Reasons of several nodes, each once, and not too many."""
    found: dict[str, None] = {}
    for several in reasons:
        for one in several:
            if len(found) == REASONS:
                return tuple(found)
            found[one] = None
    return tuple(found)


def _is_exact(value: Any) -> bool:
    """Whether a value can be compared and hashed without any code of its own."""
    if type(value) is tuple:
        return len(value) < 16 and all(type(item) in _EXACT[:6] for item in value)
    return type(value) in _EXACT[:6]
