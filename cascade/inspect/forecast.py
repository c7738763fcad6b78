"""Forecasts: which nodes of an expression would start, as far as this is known before the run.

Conditions and selectors that are data, or params with a value, are decided. The results of tasks are unknown, so all
routes that depend on them are possible. The forecast assumes that no task fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from cascade.exceptions import RouteError
from cascade.graph.kinds import KINDS
from cascade.graph.labels import literal
from cascade.graph.model import Call, GraphTemplate, Key, NodeRef, PlanTemplate, Ref, SlotRef
from cascade.graph.model import Mapping as Dict
from cascade.graph.path import locate
from cascade.inspect.fold import folded, part

__all__ = ["Forecast", "Runs", "forecast"]

Runs: TypeAlias = Literal["surely", "perhaps", "never"]

REASONS = 4  # the maximum number of reasons of a node
NEAR = 1000  # nodes of a graph up to which nodes have paths; in a larger one these take too long

_EXACT = (
    type(None),
    bool,
    int,
    float,
    str,
    bytes,
    list,
    tuple,
    dict,
    set,
    frozenset,
)  # comparing them runs no code of users


class Forecast(Struct, frozen=True):
    """The facts about the nodes of an expression that are known before it runs.

    Attributes:
        order: the nodes that may start, in order of start, without dicts that are part of another node.
        runs: "surely", "perhaps" or "never" for each node of the graph.
        reasons: for each node, the conditions on which it depends ("perhaps"), or why it does not start ("never").
        values: the known values of nodes.
        skip_reasons: why the target is surely skipped; empty: it may have a value.
        parts: the numbers of the dicts that are part of another node.
        problems: the routers without a route for the known value of their selector.
    """

    order: tuple[int, ...]
    runs: tuple[Runs, ...]
    reasons: tuple[tuple[str, ...], ...]
    values: dict[int, Any]
    skip_reasons: tuple[str, ...]
    parts: frozenset[int]
    problems: tuple[str, ...]


class _Choice(Struct):
    """The operands that a node may demand, each with its reason, and whether the only one is certain."""

    options: list[tuple[Ref | None, str]]
    decided: bool
    data: bool = False  # whether it may also select data
    first: bool = False  # whether the first one is demanded in any case


def forecast(graph: GraphTemplate, plan: PlanTemplate, slots: list[Any], values: Mapping[int, Any]) -> Forecast:
    """Return the forecast of an expression.

    Args:
        graph: a graph that was built or checked.
        plan: its plan.
        slots: the data of the expression.
        values: the known values of nodes: those of params.
    """
    return _Forecaster(graph, slots, dict(values)).result(plan)


class _Forecaster:
    """One forecast: first which nodes may be skipped, in post-order; then which are demanded, from the target."""

    def __init__(self, graph: GraphTemplate, slots: list[Any], values: dict[int, Any]) -> None:
        count = len(graph.nodes)
        self.graph = graph
        self.slots = slots
        self.values = values
        self.choices: dict[int, _Choice] = {}
        self.unrouted: dict[int, str] = {}  # routers without a route, with the error
        # Why a node may be skipped, and why it surely is; empty: it is not.
        self.may_skip: list[tuple[str, ...]] = [()] * count
        self.must_skip: list[tuple[str, ...]] = [()] * count
        # The same for the operands that a node waits for.
        self.may_lack: list[tuple[str, ...]] = [()] * count
        self.must_lack: list[tuple[str, ...]] = [()] * count
        self.absorbing = _absorbing(graph)
        for index in range(count):
            self._examine(index)

    def result(self, plan: PlanTemplate) -> Forecast:
        """Return the forecast."""
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
        skip_reasons = self.must_lack[-1] if len(self.graph.nodes) - 1 in self.absorbing else self.must_skip[-1]
        if not set(skip_reasons).isdisjoint(self.unrouted.values()):
            skip_reasons = ()  # it fails instead
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
        """Yield the errors of nodes that surely start, and whose failure nothing catches."""
        for index, problem in self.unrouted.items():
            if wanted[index] == "surely" and not self.may_lack[index] and self._ends_the_run(index):
                yield problem

    def _ends_the_run(self, failed: int) -> bool:
        """Return whether a way leads from a node that fails to the target on which nothing catches the failure."""
        reached = {failed}
        for index in range(failed + 1, len(self.graph.nodes)):
            for position, ref in enumerate(self.graph.nodes[index].operands):
                if type(ref) is NodeRef and ref.index in reached and not self._catches(index, position):
                    reached.add(index)
        return len(self.graph.nodes) - 1 in reached

    def _catches(self, index: int, position: int) -> bool:
        """Return whether a node catches a `RouteError` of one of its operands. A predicate is taken to say yes."""
        node = self.graph.nodes[index]
        if type(node) is not Call:
            return False
        symbol = self.graph.calls[node.symbol]
        if symbol.kind == "race":
            return position < symbol.positional
        if not KINDS[symbol.kind].core.may_catch or symbol.kind == "scope" or position > 0:
            return False
        kinds = self.slots[node.args[2].index] if symbol.positional > 2 and type(node.args[2]) is SlotRef else ()
        return type(kinds) is not tuple or not kinds or any(issubclass(RouteError, kind) for kind in kinds)

    # ------------------------------------------------------------------------------------------------- upwards

    def _examine(self, index: int) -> None:
        node = self.graph.nodes[index]
        symbol = self.graph.calls[node.symbol] if type(node) is Call else None
        needs = self.waits_for(index)
        if symbol is not None and KINDS[symbol.kind].core.accepts_skips:
            needs = [ref for ref in needs if ref not in node.operands[: symbol.positional]]
        self.may_lack[index] = _joined(self._of(self.may_skip, ref) for ref in needs)
        self.must_lack[index] = _joined(self._of(self.must_skip, ref) for ref in needs)
        if self.unrouted and self._catches(index, 0):  # a router without a route fails, and skips nothing
            for lacks in (self.may_lack, self.must_lack):
                lacks[index] = tuple([why for why in lacks[index] if why not in self.unrouted.values()])
        self.may_skip[index] = self.may_lack[index]
        self.must_skip[index] = self.must_lack[index]
        if index in self.absorbing:  # it has a value all the same; but a call that takes it, too, has not
            self.may_lack[index] = self.must_lack[index] = ()
        if symbol is not None and KINDS[symbol.kind].core.chooses:
            assert type(node) is Call
            examine = {
                "router": self._router,
                "guard": self._condition,
                "fallback": self._fallback,
                "scope": self._scope,
                "race": self._race,
            }[symbol.kind]
            choice = examine(index, node)
            self.choices[index] = choice
            self._choose(index, choice, all_skipped=symbol.kind == "race")

    def waits_for(self, index: int) -> list[Ref]:
        """Return the operands that a node needs to start: without those that it demands itself."""
        node = self.graph.nodes[index]
        symbol = self.graph.calls[node.symbol] if type(node) is Call else None
        if symbol is None or not KINDS[symbol.kind].core.chooses:
            return [*node.operands]
        first = 0 if KINDS[symbol.kind].core.begins_alone else 1
        return [*node.operands[:first], *node.operands[symbol.positional :]]

    def _of(self, skips: list[tuple[str, ...]], ref: Ref) -> tuple[str, ...]:
        return skips[ref.index] if type(ref) is NodeRef else ()

    def _choose(self, index: int, choice: _Choice, *, all_skipped: bool) -> None:
        """Derive whether a router, a condition or the like may be skipped, and its value, from its options.

        Args:
            index: of the node.
            choice: its options.
            all_skipped: it is skipped only if all of them are.
        """
        may: list[tuple[str, ...]] = []
        must: list[tuple[str, ...]] = []
        for ref, why in choice.options:
            if ref is None:
                may.append((why,))
                must.append((why,))
            else:
                may.append(self._of(self.may_skip, ref))
                must.append(self._of(self.must_skip, ref))
        if all_skipped and not all(may):
            may.clear()
        self.may_skip[index] = _joined([self.may_lack[index], *may])
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

    def _fallback(self, index: int, node: Call) -> _Choice:
        """Return the choice of a fallback, which takes the other expression after a failure, and no failure is sure."""
        value, other, *_ = node.args
        if self._value(value)[0]:
            return _Choice([(value, "")], True)
        return _Choice([(other, f"the expression {self._where(index)} fails")], False, data=True)

    def _scope(self, index: int, node: Call) -> _Choice:
        return _Choice([(node.args[0], "")], True)

    def _race(self, index: int, node: Call) -> _Choice:
        """Return the choice of a race. A literal has won at once; else any may win, and the first one surely starts."""
        arms = node.args[: self.graph.calls[node.symbol].positional]
        for arm in arms:
            if type(arm) is SlotRef:
                return _Choice([(arm, "")], True)
        why = f"the race {self._where(index)} is not decided before"
        return _Choice([(arm, why) for arm in arms], False, first=True)

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
            # Equal keys are one key: 1, 1.0 and True.
            if type(key) is Key and key.load() == value:
                return _Choice([options[number]], True)
        if any(type(key) is not Key for key in routes):
            return _Choice(options, False)
        if default is not None:
            return _Choice([options[-1]], True)
        return self._unrouted(index, where)

    def _unrouted(self, index: int, where: str) -> _Choice:
        """Note that a router has no route, and return its choice."""
        problem = f"no route for its selector's value, and no default - at router {where.removeprefix('at ')}"
        self.unrouted[index] = problem
        return _Choice([(None, problem)], True)

    def _routes(self, node: Call) -> dict[Key | SlotRef, Ref]:
        routes = self.graph.nodes[node.args[1].index]
        assert type(routes) is Dict
        return dict(zip(routes.keys, routes.values, strict=True))

    def _router_of_data(self, index: int, node: Call) -> _Choice:
        """Return the choice of a router whose routes are data, in one slot; only its default may be a node."""
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
                if choice.first and option == choice.options[0][0] and not self.may_lack[index]:
                    _raise(wanted, gates, option.index, wanted[index], gates[index])
                elif not choice.decided:
                    _raise(wanted, gates, option.index, "perhaps", (why,))
                elif self.may_lack[index]:
                    _raise(wanted, gates, option.index, "perhaps", self.may_lack[index])
                else:
                    _raise(wanted, gates, option.index, wanted[index], gates[index])
        return wanted, gates

    def _order(self, plan: PlanTemplate) -> list[int]:
        """Return the order of starts in a run whose nodes end at once and whose possible options are all taken."""
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


def _absorbing(graph: GraphTemplate) -> set[int]:
    """Return the containers that are the target, or a part of it that no call is between: `SKIPPED` may be in them."""
    found: set[int] = set()
    rest = [len(graph.nodes) - 1]
    while rest:
        index = rest.pop()
        node = graph.nodes[index]
        if type(node) is not Call and index not in found:
            found.add(index)
            rest.extend(ref.index for ref in node.operands if type(ref) is NodeRef)
    return found


def _raise(wanted: list[Runs], gates: list[tuple[str, ...]], index: int, runs: Runs, why: tuple[str, ...]) -> None:
    """Raise the demand for a node to at least `runs`."""
    if wanted[index] != "surely":
        wanted[index] = runs
        gates[index] = _joined((gates[index], why))


def _joined(reasons: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the reasons of several nodes without duplicates, at most `REASONS`."""
    found: dict[str, None] = {}
    for several in reasons:
        for one in several:
            if len(found) == REASONS:
                return tuple(found)
            found[one] = None
    return tuple(found)


def _is_exact(value: Any) -> bool:
    """Whether comparing and hashing a value runs no code of users."""
    if type(value) is tuple:
        return len(value) < 16 and all(type(item) in _EXACT[:6] for item in value)
    return type(value) in _EXACT[:6]
