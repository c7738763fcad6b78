"""A slow, obvious interpreter of expressions, to hold the engine against.

`evaluate` says what a description is worth, which calls are made for it, in which order, and what fails. A frame is
evaluated by need: the target is wanted, what is wanted wants its strict inputs, and of all that is wanted and has its
inputs, what comes first in the traversal is next. Each node ends before the next one starts.
"""

from __future__ import annotations

import operator
import threading
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field

import cascade as cs
from language.descriptions import (
    DEFAULT,
    LIMITS,
    RESOURCES,
    Box,
    Call,
    Data,
    Flaky,
    Guard,
    Input,
    Literal,
    Map,
    Node,
    Operator,
    Places,
    Resource,
    Router,
    TaskSpec,
    as_node,
    assemble,
    call_order,
    drive,
    holds_lazy,
    is_container,
    is_node,
    map_inputs,
    map_order,
    meant,
    params_of,
    payload,
    strict,
)
from support.values import canonical

_FAILED = object()
_SKIPPED = object()


class Journal:
    """What one run has done: its calls in order, and the results that it keeps."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.results: dict[bytes, tuple[object, object]] = {}  # by key; with the arguments, whose ids are in the key
        self._counts: Counter[object] = Counter()
        self._lock = threading.Lock()

    def record(self, call: object) -> int:
        """Take a call down, and tell how often it was made by now."""
        with self._lock:
            self.calls.append(call)
            self._counts[call] += 1
            return self._counts[call]


@dataclass
class Outcome:
    """What came of an expression. `errors` are all that could have ended it, `calls` all that could be made."""

    value: object = None
    errors: list[BaseException] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)
    params: dict[str, object] = field(default_factory=dict)

    @property
    def calls(self) -> list[object]:
        """The calls that are made, in order."""
        return self.journal.calls


def entry(place: int, spec: TaskSpec, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    """Give what is recorded of a call."""
    return (place, spec.name, canonical(args), canonical(kwargs))


def cache_key(group: object, args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
    """Give the key under which the result of a call is kept."""
    return repr((group, canonical((args, kwargs)))).encode("utf-8", "surrogatepass")


def evaluate(target: Node, *, everything: bool = False, journal: Journal | None = None) -> Outcome:
    """Evaluate a description, one node after another.

    The first failure ends it. With `everything`, all else that does not need the failed value is evaluated too,
    as it may have been by tasks that run at the same time.
    """
    outcome = Outcome(journal=journal or Journal(), params=params_of(target))
    try:
        value = drive(_frame(target, 0, outcome, everything))
        if value is _SKIPPED:
            raise cs.TaskSkippedError("the target was skipped")
    except Exception as error:
        outcome.errors.append(error)
    else:
        outcome.value = None if value is _FAILED else value
    return outcome


def constant(node: Node) -> object:
    """Give the value of a node without a lazy result in it."""
    return drive(_frame(node, 0, Outcome(), False))


def _absorbing(target: Node) -> set[Node]:
    """Give the containers that are the target, or a part of it that no lazy result is between."""
    found: set[Node] = set()
    todo = [meant(target)]
    while todo:
        node = todo.pop()
        if is_container(node) and node not in found:
            found.add(node)
            todo += strict(node)
    return found


def _frame(target: Node, path: int, outcome: Outcome, everything: bool) -> Generator:
    target = meant(target)
    absorbing = _absorbing(target)
    lacking: set[Node] = set()  # those of them that have something skipped inside
    places = Places(target, path)
    values: dict[Node, object] = {}
    chosen: dict[Node, Node] = {}  # what routers and conditions have decided for
    wanted: set[Node] = set()

    def want(node: Node) -> None:
        todo = [node]
        while todo:
            node = todo.pop()
            if node not in wanted:
                wanted.add(node)
                todo += strict(node)

    def inputs(node: Node) -> list[Node]:
        return [*strict(node), *([chosen[node]] if node in chosen else [])]

    want(target)
    while target not in values:
        ready = (node for node in wanted if node not in values and all(one in values for one in inputs(node)))
        node = min(ready, key=places.numbers.__getitem__)
        given = [values[one] for one in inputs(node)]
        try:
            if any(value is _FAILED for value in given):
                values[node] = _FAILED
            elif any(values[one] is _SKIPPED or one in lacking for one in inputs(node)):
                if node in absorbing:
                    lacking.add(node)
                    given = [cs.SKIPPED if value is _SKIPPED else value for value in given]
                    values[node] = assemble(node, given)
                else:
                    values[node] = _SKIPPED
            elif isinstance(node, Router | Guard) and node not in chosen:
                choice = _route(node, given[0]) if isinstance(node, Router) else _branch(node, given[0])
                if choice is None:
                    values[node] = _SKIPPED
                else:
                    chosen[node] = meant(choice)
                    want(chosen[node])
            else:
                values[node] = yield _value(node, given, places, outcome, everything)
        except Exception as error:
            if not everything:
                raise
            outcome.errors.append(error)
            values[node] = _FAILED
    return values[target]


def _route(node: Router, key: object) -> Node:
    routes = dict(zip(node.keys, node.routes, strict=True))
    if key in routes:
        return routes[key]
    if node.default is None:
        raise cs.RouteError(f"no route {key!r}")
    return node.default


def _branch(node: Guard, condition: object) -> Node | None:
    return node.node if condition else node.otherwise


def _value(node: Node, given: list[object], places: Places, outcome: Outcome, everything: bool) -> Generator:
    match node:
        case Literal():
            return node.value
        case Router() | Guard():
            return given[-1]
        case Input():
            return outcome.params.get(node.name, DEFAULT)
        case Resource():
            return RESOURCES[node.name]
        case Box():
            return assemble(node, given[: len(node.items)])
        case Data():
            return payload(node.node)
        case Operator():
            return operate(node.name, given[: len(node.operands)])
        case Call():
            args, kwargs = arguments(node, given)
            asked = _asked(node, given)
            return (yield _call(node, places.of(node), args, kwargs, asked, outcome, everything))
        case Map():
            return (yield _items(node, given, places.of(node), outcome, everything))
    raise AssertionError(node)


def operate(name: str, operands: list[object]) -> object:
    """Apply an operator, or get an attribute, which has the name of the operator."""
    return getattr(operator, name)(*operands) if hasattr(operator, name) else getattr(operands[0], name)


def arguments(node: Call, items: list[object]) -> tuple[tuple[object, ...], dict[str, object]]:
    """Part what a call is given into positional and keyword arguments."""
    count = len(node.args)
    names = call_order(node.task, node.kwargs)
    return tuple(items[:count]), dict(zip(names, items[count : count + len(names)], strict=True))


def _items(node: Map, given: list[object], place: int, outcome: Outcome, everything: bool) -> Generator:
    inputs = list(map_inputs(node))
    zipped, consts = inputs[: len(node.zipped)], inputs[len(node.zipped) :]
    columns = given[: len(zipped)]
    common = dict(zip(consts, given[len(zipped) :], strict=False))
    for name, column in zip(zipped, columns, strict=True):
        if isinstance(column, str | bytes | dict | set | frozenset) or not hasattr(type(column), "__iter__"):
            raise cs.MapError(f"{name} cannot be zipped")
    rows = [list(column) for column in columns]
    if len({len(row) for row in rows}) > 1:
        raise cs.MapError("the lengths differ")
    results: list[object] = []
    for items in zip(*rows, strict=True):
        kwargs = {**dict(zip(zipped, items, strict=True)), **common}
        kwargs = {name: kwargs[name] for name in map_order(node)}
        try:
            result = yield _call(node, place, (), kwargs, _asked(node, given), outcome, everything)
        except Exception as error:
            if not everything:
                raise
            outcome.errors.append(error)
            result = _FAILED
        results.append(cs.SKIPPED if result is _SKIPPED else result)
    return _FAILED if any(result is _FAILED for result in results) else results


def _asked(node: Call | Map, given: list[object]) -> dict[str, float]:
    """Give what a call asks of limits; the values of what is beside its arguments come last."""
    nodes = [extra.operand for extra in node.extras if is_node(extra.operand)]
    for operand, value in zip(nodes, given[len(given) - len(nodes) :], strict=True):
        if any(extra.role == "constraints" and extra.operand is operand for extra in node.extras):
            return value
    return {}


def _call(
    node: Call | Map,
    place: int,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    asked: dict[str, float],
    outcome: Outcome,
    everything: bool,
) -> Generator:
    """One call with its policies, and what comes of an expression that it gives."""
    policies = {extra.role: extra.operand for extra in node.extras}
    kept, key = outcome.journal.results, b""
    if "cache" in policies:
        key = cache_key(policies["cache"], args, kwargs)
        if key in kept:
            return kept[key][1]
    if any(amount > LIMITS[name] for name, amount in asked.items()):
        raise cs.LimitError("more than there is")
    result = _attempts(node.task, place, args, kwargs, policies.get("retry", {"max_attempts": 1}), outcome.journal)
    expression = as_node(result)
    if isinstance(expression, Data):
        result = payload(expression.node)
    elif holds_lazy(expression):
        result = yield _frame(expression, place, outcome, everything)
    elif is_node(result):
        result = constant(result)
    if "cache" in policies and result is not _FAILED and result is not _SKIPPED:
        kept[key] = (args, kwargs), result
    return result


def _attempts(
    spec: TaskSpec,
    place: int,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    retry: dict[str, object],
    journal: Journal,
) -> object:
    left = retry.get("max_attempts", 3)
    while True:
        left -= 1
        try:
            return perform(spec, journal.record(entry(place, spec, args, kwargs)), args, kwargs)
        except Exception as error:
            again = isinstance(error, retry.get("on", Exception)) and not isinstance(error, retry.get("give_up_on", ()))
            if left and again:
                continue
            if isinstance(error, StopIteration | StopAsyncIteration):
                raise RuntimeError("the task raised it") from error
            raise


def perform(spec: TaskSpec, attempt: int, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    """Do what a task does, as its call number `attempt` with these arguments."""
    if isinstance(spec.act, Flaky) and attempt <= spec.act.times:
        raise spec.act.error(attempt)
    return spec.act(args, kwargs)
