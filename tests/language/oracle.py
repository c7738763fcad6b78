"""A slow, obvious interpreter of expressions, to hold the engine against.

`evaluate` says what a description is worth, which calls are made for it, in which order, and what fails. A frame is
evaluated by need: the target is demanded, what is demanded demands its strict inputs, and of all that is demanded and
has its inputs, what comes first in the traversal is next. Each node ends before the next one starts.
"""

from __future__ import annotations

import operator
import threading
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field

import cascade as cs
from language.acts import Awaited, Stream
from language.descriptions import (
    DEFAULT,
    LIMITS,
    RESOURCES,
    Box,
    Call,
    Data,
    Fallback,
    Flaky,
    Guard,
    Input,
    Literal,
    Map,
    Node,
    Operator,
    Places,
    Race,
    Recover,
    Resource,
    Router,
    Scope,
    TaskSpec,
    as_node,
    assemble,
    call_order,
    children,
    drive,
    holds_lazy,
    is_container,
    is_lazy,
    is_node,
    map_inputs,
    map_order,
    meant,
    params_of,
    payload,
    strict,
)
from language.descriptions import Outcome as Outcome_
from support.values import canonical, failure, leaves

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


@dataclass(eq=False)
class Made:
    """One call in the tree of calls.

    Attributes:
        task: the name of the task; "map" for a map.
        parent: the call that it is a part of; "recover": a handler has returned it; None: it is a part of the target.
        item: of the map that is its parent; None: that is none.
        attempts: how often it was tried.
        end: "finished", "failed" or "stopped", because a part of it has failed.
    """

    task: str
    parent: Made | str | None
    item: int | None = None
    attempts: int = 1
    end: str = "stopped"


@dataclass
class Site:
    """Where a call is: the call that its expression is a part of, and whether it is the last thing in that."""

    parent: Made | str | None = None
    item: int | None = None
    is_tail: bool = False


@dataclass
class Outcome:
    """What came of an expression. `errors` are all that could have ended it, `calls` all that could be made."""

    value: object = None
    errors: list[BaseException] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)
    params: dict[str, object] = field(default_factory=dict)
    tree: list[Made] = field(default_factory=list)

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
        value = drive(_frame(target, 0, outcome, everything, Site()))
        if value is _SKIPPED:
            raise cs.TaskSkippedError("the target was skipped")
    except Exception as error:
        outcome.errors.append(error)
    else:
        outcome.value = None if value is _FAILED else value
    return outcome


def constant(node: Node) -> object:
    """Give the value of a node without a lazy result in it."""
    return node.value if isinstance(node, Literal) else assemble(node, [constant(item) for item in node.items])


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


def _frame(target: Node, path: int, outcome: Outcome, everything: bool, site: Site) -> Generator:
    frame = Frame(meant(target), path, outcome, everything, site)
    while frame.target not in frame.values:
        node = frame.next()
        try:
            yield frame.step(node)
        except Exception as error:
            frame.fail(node, error)
    return frame.values[frame.target]


class Failure:
    """The value of a node that has failed, where something catches that."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Frame:
    """The evaluation of one expression.

    Nothing is remembered of what is demanded: before each step it is found out anew, from the target downwards. So what
    is of no use any longer, as a race is decided or a failure is caught, is not evaluated.

    Args:
        target: the expression.
        path: the place of the call that gave it.
        outcome: of the run.
        everything: whether a failure that nothing catches leaves the rest to be evaluated.
        site: of its target.
    """

    def __init__(self, target: Node, path: int, outcome: Outcome, everything: bool, site: Site) -> None:
        self.target = target
        self._site = site
        self._places = Places(target, path)
        literals = [node for node in self._places.numbers if not holds_lazy(node)]
        self.values: dict[Node, object] = {node: constant(node) for node in literals}
        self._outcome = outcome
        self._everything = everything
        self._absorbing = _absorbing(target)
        self._lacking: set[Node] = set()  # those of them that have something skipped inside
        self._chosen: dict[Node, Node] = {}  # what routers, conditions and fallbacks have decided for
        self._opened: dict[Node, int] = {}  # races and scopes that demand what they take, and which attempt it is

    def _inputs(self, node: Node) -> list[Node]:
        """What a node needs by now."""
        found = [*strict(node), *([self._chosen[node]] if node in self._chosen else [])]
        if node in self._opened:
            found += map(meant, node.arms if isinstance(node, Race) else (node.value,))
        return found

    def _demanded(self) -> list[Node]:
        """What has no value, and the target cannot do without, in the order of traversal."""
        found, todo = set(), [self.target]
        while todo:
            node = todo.pop()
            if node not in found and node not in self.values:
                found.add(node)
                todo += self._inputs(node)
        return sorted(found, key=self._places.numbers.__getitem__)

    def next(self) -> Node:
        """What is evaluated next: data, which is a value already, a race that is decided, or the first ready node."""
        demanded = self._demanded()
        ready = [node for node in demanded if all(one in self.values for one in self._inputs(node))]
        races = [node for node in demanded if isinstance(node, Race) and node in self._opened]
        decided = [node for node in races if node in ready or self._winner(node) is not None]
        return [*(node for node in ready if isinstance(node, Data)), *decided, *ready][0]

    def step(self, node: Node) -> Generator:
        """Evaluate one node, or what it decides."""
        given = [self.values[one] for one in strict(node)]
        passed_on = self._passed_on(node)
        if passed_on is not None:
            if isinstance(passed_on, Failure):
                raise passed_on.error
            if passed_on is _SKIPPED and node in self._absorbing:
                self._lacking.add(node)
                passed_on = assemble(node, [cs.SKIPPED if value is _SKIPPED else value for value in given])
            self.values[node] = passed_on
        elif isinstance(node, Race):
            self._race(node)
        elif isinstance(node, Scope) and node.governed:
            self._scope(node, given)
        elif isinstance(node, Router | Guard | Fallback | Scope) and node not in self._chosen:
            self._choose(node, given)
        elif isinstance(node, Router | Guard | Fallback | Scope):
            self.values[node] = self._unwrap(self._seen(self._chosen[node]))
        elif isinstance(node, Outcome_):
            value = self._seen(meant(node.value))
            error = value.error if isinstance(value, Failure) else None
            skipped = value is _SKIPPED
            self.values[node] = cs.Outcome(None if error is not None or skipped else value, error, skipped)
        elif isinstance(node, Recover):
            value = self.values[meant(node.value)]
            if isinstance(value, Failure):
                value = yield self._recover(node, value.error)
            self.values[node] = value
        else:
            site = Site(self._site.parent, self._site.item, self._is_tail(node))
            self.values[node] = yield _value(node, given, self._places, self._outcome, self._everything, site)

    def _is_tail(self, node: Node) -> bool:
        """Whether the value of a node is that of the frame: what it returns goes on in place of the frame."""
        last = self.target
        while last is not node and last in self._chosen:
            last = self._chosen[last]
        return last is node

    def _passed_on(self, node: Node) -> object:
        """The first skip or failure among what a node needs that it must pass on; None: there is none."""
        if any(self.values[one] is _FAILED for one in strict(node)):
            return _FAILED
        for one in strict(node):
            value = self._seen(one)
            caught = isinstance(node, Recover | Fallback | Outcome_) and one not in _beside(node)
            if isinstance(value, Failure) and not caught:
                return value
            if value is _SKIPPED and (one in _beside(node) or not isinstance(node, Outcome_)):
                return value
        return None

    def _seen(self, node: Node) -> object:
        """The value of a node as another one sees it: a container with something skipped inside is skipped."""
        return _SKIPPED if node in self._lacking else self.values[node]

    def _unwrap(self, value: object) -> object:
        if isinstance(value, Failure):
            raise value.error
        return value

    def _choose(self, node: Router | Guard | Fallback | Scope, given: list[object]) -> None:
        choice: Node | None
        match node:
            case Router():
                choice = _route(node, given[0])
            case Guard():
                choice = _branch(node, given[0])
            case Fallback():
                failure = given[0]
                choice = node.value
                if isinstance(failure, Failure) and matches(node.on, failure.error):
                    choice = node.other
            case Scope():
                choice = node.value
        if choice is None:
            self.values[node] = _SKIPPED
        else:
            self._chosen[node] = meant(choice)

    def _winner(self, node: Race) -> Node | None:
        """The first arm that has a value, by number."""
        for arm in map(meant, node.arms):
            value = self._seen(arm) if arm in self.values else _SKIPPED
            if value is not _SKIPPED and not isinstance(value, Failure):
                return arm
        return None

    def _race(self, node: Race) -> None:
        if node not in self._opened:
            self._opened[node] = 1
            return
        winner = self._winner(node)
        if winner is not None:
            self.values[node] = self.values[winner]
        elif all(arm in self.values for arm in map(meant, node.arms)):
            values = [self._seen(meant(arm)) for arm in node.arms]
            errors = [value.error for value in values if isinstance(value, Failure)]
            if len(errors) > 1:
                raise ExceptionGroup("all failed", errors)
            if errors:
                raise errors[0]
            self.values[node] = _SKIPPED

    def _scope(self, node: Scope, given: list[object]) -> None:
        """Begin an attempt, or end it."""
        policies = {extra.role: extra.operand for extra in node.extras}
        kept, value = self._outcome.journal.results, meant(node.value)
        if node not in self._opened:
            if "cache" in policies and scope_key(policies["cache"]) in kept:
                self.values[node] = kept[scope_key(policies["cache"])][1]
                return
            if any(amount > LIMITS[name] for name, amount in _asked(node, given).items()):
                raise cs.LimitError("more than there is")
            self._open(node, 1)
            return
        result = self._seen(value)
        if isinstance(result, Failure):
            if self._is_retried(node, result.error):
                self._open(node, self._opened[node] + 1)
                return
            del self._opened[node]
            raise result.error
        if "cache" in policies and result is not _SKIPPED and result is not _FAILED:
            kept[scope_key(policies["cache"])] = (), result
        self.values[node] = result

    def _open(self, node: Scope, attempt: int) -> None:
        """Have what a scope alone takes evaluated anew."""
        own = {node}
        for one in sorted(self._places.numbers, key=self._places.numbers.__getitem__, reverse=True):
            takers = [other for other in self._places.numbers if one in children(other)]
            if takers and own.issuperset(takers) and holds_lazy(one) and one not in _beside(node):
                own.add(one)
        for one in own - {node}:
            self.values.pop(one, None)
            self._chosen.pop(one, None)
            self._opened.pop(one, None)
        self._opened[node] = attempt

    def _recover(self, node: Recover, error: BaseException) -> Generator:
        if not matches(node.on, error):
            raise error
        place, given = self._places.of(node), (failure(error),)
        site = Site(self._site.parent, self._site.item) if self._is_tail(node) else Site("recover")
        made = Made(node.task.name, site.parent, site.item, end="failed")
        if not node.plain:  # a task: its call is what the handler returns
            self._outcome.tree.append(made)
        result = _attempts(node.task, place, given, {}, {"max_attempts": 1}, self._outcome.journal, made)
        made.end = "finished"
        return (yield _come_to(result, place, self._outcome, self._everything, site))

    def fail(self, node: Node, error: BaseException) -> None:
        """A node has failed: so do those that need it, up to those that catch it. If the target is among them, all.

        Raises:
            BaseException: the failure, if nothing catches it.
        """
        demanded = self._demanded()
        failed = [node]
        for one in failed:  # which grows
            for taker in demanded:
                if one in self._inputs(taker) and taker not in failed and not self._catches(taker, one, error):
                    failed.append(taker)
        if self.target not in failed:
            self.values |= dict.fromkeys(failed, Failure(error))
        elif self._everything:
            self._outcome.errors.append(error)
            self.values[node] = _FAILED
        else:
            raise error

    def _catches(self, taker: Node, one: Node, error: BaseException) -> bool:
        """Tell whether a node catches the failure of one that it needs."""
        if one in _beside(taker) or taker in self._chosen:
            return False
        match taker:
            case Recover() | Fallback():
                try:
                    return matches(taker.on, error)
                except Exception:
                    return True  # and fails itself, by that
        if isinstance(taker, Scope) and self._everything and taker in self._opened:
            # What else is beneath it may run at the same time, and is evaluated unless there is another attempt.
            return self._is_retried(taker, error)
        return isinstance(taker, Outcome_) or taker in self._opened

    def _is_retried(self, node: Scope, error: BaseException) -> bool:
        retry = next((extra.operand for extra in node.extras if extra.role == "retry"), {"max_attempts": 1})
        return self._opened[node] < retry.get("max_attempts", 3) and is_retried(error, retry)


def _beside(node: Node) -> list[Node]:
    """What a node must have before it starts, beside what it is about."""
    return [meant(extra.operand) for extra in getattr(node, "extras", ()) if is_node(extra.operand)]


def matches(on: object, error: BaseException) -> bool:
    """Tell whether a failure is among those that are caught; of a group, all members must be."""
    if not isinstance(on, type | tuple):
        return bool(on(error))
    if isinstance(error, on) or not isinstance(error, BaseExceptionGroup):
        return isinstance(error, on)
    return all(matches(on, member) for member in error.exceptions)


def scope_key(group: object) -> bytes:
    """Give the key under which the value of a scope is kept."""
    return repr(("scope", group)).encode()


def is_retried(error: BaseException, retry: dict[str, object]) -> bool:
    """Tell whether a failure is worth another attempt."""
    given_up = any(isinstance(each, retry.get("give_up_on", ())) for each in (error, *leaves(error)))
    return matches(retry.get("on", Exception), error) and not given_up


def _route(node: Router, key: object) -> Node:
    routes = dict(zip(node.keys, node.routes, strict=True))
    if key in routes:
        return routes[key]
    if node.default is None:
        raise cs.RouteError(f"no route {key!r}")
    return node.default


def _branch(node: Guard, condition: object) -> Node | None:
    if is_lazy(condition):  # marked as data
        raise TypeError("a lazy result has no truth value")
    return node.node if condition else node.otherwise


def _value(
    node: Node, given: list[object], places: Places, outcome: Outcome, everything: bool, site: Site
) -> Generator:
    match node:
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
            return (yield _call(node, places.of(node), args, kwargs, asked, outcome, everything, site))
        case Map():
            return (yield _items(node, given, places.of(node), outcome, everything, site))
    raise AssertionError(node)


def operate(name: str, operands: list[object]) -> object:
    """Apply an operator, or get an attribute, which has the name of the operator."""
    return getattr(operator, name)(*operands) if hasattr(operator, name) else getattr(operands[0], name)


def arguments(node: Call, items: list[object]) -> tuple[tuple[object, ...], dict[str, object]]:
    """Part what a call is given into positional and keyword arguments."""
    count = len(node.args)
    names = call_order(node.task, node.kwargs)
    return tuple(items[:count]), dict(zip(names, items[count : count + len(names)], strict=True))


def _items(node: Map, given: list[object], place: int, outcome: Outcome, everything: bool, site: Site) -> Generator:
    made = Made("map", site.parent, site.item, end="failed")
    outcome.tree.append(made)
    inputs = list(map_inputs(node))
    zipped, consts = inputs[: len(node.zipped)], inputs[len(node.zipped) :]
    columns = given[: len(zipped)]
    common = dict(zip(consts, given[len(zipped) :], strict=False))
    for name, column in zip(zipped, columns, strict=True):
        if isinstance(column, str | bytes | dict | set | frozenset) or not (
            hasattr(type(column), "__iter__") or isinstance(column, Stream)
        ):
            raise cs.MapError(f"{name} cannot be zipped")
    rows = [column.items if isinstance(column, Stream) else list(column) for column in columns]
    if len({len(row) for row in rows}) > 1:
        raise cs.MapError("the lengths differ")
    results: list[object] = []
    made.end = "stopped"
    for index, items in enumerate(zip(*rows, strict=True)):
        kwargs = {**dict(zip(zipped, items, strict=True)), **common}
        kwargs = {name: kwargs[name] for name in map_order(node)}
        try:
            item = Site(made, index, is_tail=True)
            result = yield _call(node, place, (), kwargs, _asked(node, given), outcome, everything, item)
        except Exception as error:
            if not everything:
                raise
            outcome.errors.append(error)
            result = _FAILED
        results.append(cs.SKIPPED if result is _SKIPPED else result)
    made.end = "finished"
    return _FAILED if any(result is _FAILED for result in results) else results


def _asked(node: Call | Map | Scope, given: list[object]) -> dict[str, float]:
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
    site: Site,
) -> Generator:
    """One call with its policies, and what comes of an expression that it gives."""
    policies = {extra.role: extra.operand for extra in node.extras}
    kept, key = outcome.journal.results, b""
    if "cache" in policies:
        key = cache_key(policies["cache"], args, kwargs)
        if key in kept:
            return kept[key][1]
    made = Made(node.task.name, site.parent, site.item, end="failed")
    outcome.tree.append(made)
    if any(amount > LIMITS[name] for name, amount in asked.items()):
        raise cs.LimitError("more than there is")
    retry = policies.get("retry", {"max_attempts": 1})
    result = _attempts(node.task, place, args, kwargs, retry, outcome.journal, made)
    inner = Site(made)
    if isinstance(result, Awaited):
        result = yield _awaited(result, place, outcome, everything, inner)
    if site.is_tail and "cache" not in policies:
        made.end = "finished"
        inner = Site(site.parent, site.item)
    else:
        made.end = "stopped"
    result = yield _come_to(result, place, outcome, everything, inner)
    made.end = "finished"
    if "cache" in policies and result is not _FAILED and result is not _SKIPPED:
        kept[key] = (args, kwargs), result
    return result


def _come_to(result: object, place: int, outcome: Outcome, everything: bool, site: Site) -> Generator:
    """What comes of the result of a task: the value of an expression, or of a container of expressions, or itself."""
    expression = as_node(result)
    if isinstance(expression, Data):
        return payload(expression.node)
    if holds_lazy(expression):
        return (yield _frame(expression, place, outcome, everything, site))
    return constant(result) if is_node(result) else result


def _awaited(awaited: Awaited, place: int, outcome: Outcome, everything: bool, site: Site) -> Generator:
    values = []
    for index, node in enumerate(awaited.nodes):
        value = yield _frame(node, hash((place, index)), outcome, everything, site)
        if value is _FAILED:
            return value
        values.append("skipped" if value is _SKIPPED else value)
    return awaited.digest(values)


def _attempts(
    spec: TaskSpec,
    place: int,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    retry: dict[str, object],
    journal: Journal,
    made: Made | None = None,
) -> object:
    left = retry.get("max_attempts", 3)
    made = made or Made("", None)
    made.attempts = 0
    while True:
        left -= 1
        made.attempts += 1
        try:
            return perform(spec, journal.record(entry(place, spec, args, kwargs)), args, kwargs)
        except Exception as error:
            if left and is_retried(error, retry):
                continue
            if isinstance(error, StopIteration | StopAsyncIteration):
                raise RuntimeError("the task raised it") from error
            raise


def perform(spec: TaskSpec, attempt: int, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    """Do what a task does, as its call number `attempt` with these arguments."""
    if isinstance(spec.act, Flaky) and attempt <= spec.act.times:
        raise spec.act.error(attempt)
    return spec.act(args, kwargs)
