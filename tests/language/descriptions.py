"""Expressions as descriptions: what the oracle evaluates, and what Cascade expressions are built from.

A description is a tree of nodes; the same object reached twice is the same node. A node that was made of another by a
modifier (`after`, `with_retry`, ...) says so, as it must be built in the same way: `base` is the node and the modifier.
Nothing here recurses in Python: what looks like recursion is a generator that yields the next one, and `drive` keeps
them on a list.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from support.values import Card, Pair, Point

KINDS = ("inline", "thread", "auto", "async", "suspending", "coroutine")

PARAMS = {"n": 3, "word": "given", "flag": True}
"""What runs are given for the params that their target has; all others have a default."""

DEFAULT = "by default"
RECORDS = {"struct": Point, "pair": Pair, "card": Card}
RESOURCES = {"db": "the database", "bus": "the bus"}
LIMITS = {"gpu": 1, "mem": 3, "hall": 1000}


@dataclass(frozen=True, eq=False)
class Literal:
    """A literal argument."""

    value: object

    @cached_property
    def meaning(self) -> Node:
        """What it is if a lazy result is in it, which a task was given as data and passes on: not a literal."""
        node = as_node(self.value)
        return self if isinstance(node, Literal) else node


@dataclass(frozen=True, eq=False)
class TaskSpec:
    """A task: `act` gets the arguments and gives a value, a failure or the next expression.

    `fresh` tasks are functions made anew at each call, with what they record to in a closure cell; the others are
    made once and find it in a context variable. The calls of tasks of one `group` are recorded as if they were those of
    one node: for those that share results, where it does not matter which of them runs. `fixed` tasks have a parameter
    for each of these names; all others take any names, and are given them in the order of the call.
    """

    name: str
    act: Callable[[tuple[object, ...], dict[str, object]], object]
    kind: str = "inline"
    fresh: bool = True
    group: int | None = None
    fixed: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Flaky:
    """What a task does that fails the first times that it is called with the same arguments."""

    times: int
    error: type[Exception]
    then: Callable[[tuple[object, ...], dict[str, object]], object]

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        return self.then(args, kwargs)


@dataclass(frozen=True, eq=False)
class Extra:
    """What a call is given beside its arguments.

    "after": a node. "constraints": a dict box. "retry": keyword arguments. "timeout": seconds. "cache": a group.
    """

    role: str
    operand: object


Base = tuple["Node", Extra]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a task. Extras of a call that has no base are given to the task, before it is called."""

    task: TaskSpec
    args: tuple[Node, ...] = ()
    kwargs: dict[str, Node] = field(default_factory=dict)
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


CALLED = ("gather", "sequence")  # containers that a task makes


@dataclass(frozen=True, eq=False)
class Box:
    """A container: list, tuple, set, frozenset, dict, struct, pair, card; or gather or sequence, lazy results too."""

    kind: str
    items: tuple[Node, ...]
    keys: tuple[object, ...] = ()
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Router:
    """One of several nodes, by key."""

    selector: Node
    keys: tuple[object, ...]
    routes: tuple[Node, ...]
    default: Node | None = None
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Guard:
    """A node under a condition."""

    condition: Node
    node: Node
    otherwise: Node | None = None
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Map:
    """A call for each item. Extras of a map that has no base are given to the task.

    `order` are the names of all inputs in the order of the call, if that is not the zipped ones and then the constants.
    """

    task: TaskSpec
    zipped: dict[str, Node]
    consts: dict[str, Node] = field(default_factory=dict)
    concurrency: int | None = None
    order: tuple[str, ...] = ()
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator on one or two operands, at least one of which is a lazy result; or an attribute of a lazy result."""

    name: str
    operands: tuple[Node, ...]
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Data:
    """A node that is marked as data."""

    node: Node


@dataclass(frozen=True, eq=False)
class Input:
    """A param."""

    name: str
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Resource:
    """A resource of the engine."""

    name: str
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Recover:
    """A node, or what a handler gives for its failure.

    `task` is the handler; `plain`: its function is handed in, not the task. `on`: exception types, or a predicate.
    """

    value: Node
    task: TaskSpec
    on: object = Exception
    plain: bool = False
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Fallback:
    """A node, or another one in place of its failure."""

    value: Node
    other: Node
    on: object = Exception
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a node, as a value."""

    value: Node
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Race:
    """The first of several nodes that has a value."""

    arms: tuple[Node, ...]
    extras: tuple[Extra, ...] = ()
    base: Base | None = None


@dataclass(frozen=True, eq=False)
class Scope:
    """A node with all that is beneath it, as one unit."""

    value: Node
    extras: tuple[Extra, ...] = ()
    base: Base | None = None

    @property
    def governed(self) -> bool:
        """Tell whether it has policies: an attempt is evaluated for itself then."""
        return any(extra.role != "after" for extra in self.extras)


@dataclass(frozen=True, eq=False)
class Sequence:
    """Nodes one after another."""

    items: tuple[Node, ...]

    @cached_property
    def meaning(self) -> Node:
        """What it is short for."""
        made: list[Node] = []
        for item in self.items:
            made.append(derive(item, Extra("after", made[-1])) if made else item)
        return Box("sequence", tuple(made))


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Tasks one after another, each called with what the one before gives."""

    value: Node
    steps: tuple[TaskSpec, ...]

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """The calls that it is short for, from the inside out."""
        made: list[Call] = []
        for spec in self.steps:
            made.append(Call(spec, (made[-1] if made else self.value,)))
        return tuple(made)

    @property
    def meaning(self) -> Node:
        """What it is short for."""
        return self.calls[-1]


Node = (
    Literal
    | Call
    | Box
    | Router
    | Guard
    | Map
    | Operator
    | Data
    | Input
    | Resource
    | Recover
    | Fallback
    | Outcome
    | Race
    | Scope
    | Sequence
    | Pipeline
)


def is_node(value: object) -> bool:
    """Tell whether it is a description."""
    return isinstance(value, Node)


def meant(node: Node) -> Node:
    """Give the node that a node is short for, or itself."""
    while isinstance(node, Literal | Sequence | Pipeline) and node.meaning is not node:
        node = node.meaning
    return node


def is_lazy(node: object) -> bool:
    """Tell whether the node is a lazy result."""
    return is_node(node) and not isinstance(node, Literal | Data) and not is_container(node)


def is_container(node: object) -> bool:
    """Tell whether the node is a container that Python builds, whatever is in it."""
    return isinstance(node, Box) and node.kind not in CALLED


def holds_lazy(node: Node) -> bool:
    """Tell whether a lazy result is inside, at any depth, or what is marked as data: then it is no literal."""
    todo, seen = [meant(node)], set()
    while todo:
        node = todo.pop()
        if is_lazy(node) or isinstance(node, Data):
            return True
        if node not in seen:
            seen.add(node)
            todo.extend(children(node))
    return False


def as_node(value: object) -> Node:
    """Give the node that a value is: a lazy result, a container of one, or a literal."""
    if is_node(value):
        return value
    kind = type(value)
    parts = list(value.values()) if kind is dict else list(value) if kind in (list, tuple, set, frozenset, Pair) else []
    if kind in (Point, Card):
        parts = [value.x, value.y]
    nodes = tuple(map(as_node, parts))
    if not any(map(holds_lazy, nodes)):
        return Literal(value)
    name = next((name for name, record in RECORDS.items() if record is kind), kind.__name__)
    return Box(name, nodes, tuple(value) if kind is dict else ())


def call_order(task: TaskSpec, names: Iterable[str]) -> list[str]:
    """Give names of arguments in the order in which a task is given them."""
    return list(names) if task.fixed is None else sorted(names)


def map_order(node: Map) -> list[str]:
    """Give the names of the arguments of an item in the order in which the task is given them."""
    return call_order(node.task, node.order or (*node.zipped, *node.consts))


def map_inputs(node: Map) -> dict[str, Node]:
    """Give the inputs of a map in the order of traversal: those that are zipped come first."""
    order = map_order(node)
    return {name: inputs[name] for inputs in (node.zipped, node.consts) for name in order if name in inputs}


def under_conditions(node: Node) -> Node:
    """Give the node under all conditions, which is the one that modifiers are about."""
    node = meant(node)
    while isinstance(node, Guard):
        node = meant(node.node)
    return node


def is_call(node: Node) -> bool:
    """Tell whether policies that it is given are those of a call, or of a scope that it is: no scope is made for it."""
    return isinstance(under_conditions(node), Call | Scope)


def takes_timeouts(node: Node) -> bool:
    """Tell whether it can be given up: it is no call that holds up the event loop."""
    node = under_conditions(node)
    return not isinstance(node, Call) or node.task.kind not in ("inline", "coroutine")


def derive(node: Node, extra: Extra) -> Node:
    """Make the node that a modifier makes of a node."""
    meaning = meant(node)
    if isinstance(meaning, Guard):
        return replace(meaning, node=derive(meaning.node, extra), base=(node, extra))
    if extra.role != "after" and not is_call(meaning):
        return Scope(meaning, (extra,), base=(node, extra))
    extras = list(meaning.extras)
    roles = [given.role for given in extras]
    if extra.role == "after" or extra.role not in roles:
        extras.append(extra)
    else:
        place = roles.index(extra.role)
        new = extra
        if extra.role == "constraints":
            old = extras[place].operand
            merged = dict(zip(old.keys, old.items, strict=True)) | dict(
                zip(extra.operand.keys, extra.operand.items, strict=True)
            )
            new = Extra("constraints", Box("dict", tuple(merged.values()), tuple(merged)))
        extras[place] = new
    return replace(meaning, extras=tuple(extras), base=(node, extra))


def origin(node: Node) -> Node:
    """Give the node that it was made of by modifiers, or itself."""
    while getattr(node, "base", None) is not None:
        node = meant(node.base[0])
    return node


def strict(node: Node) -> list[Node]:
    """Give what a node needs whatever the values are, in the order of traversal."""
    node = meant(node)
    extras = [extra.operand for extra in getattr(node, "extras", ()) if is_node(extra.operand)]
    match node:
        case Call():
            found = [*node.args, *(node.kwargs[name] for name in call_order(node.task, node.kwargs))]
        case Box():
            found = list(node.items)
        case Router():
            found = [node.selector]
        case Guard():
            found = [node.condition]
        case Map():
            found = list(map_inputs(node).values())
        case Operator():
            found = list(node.operands)
        case Recover() | Fallback() | Outcome():
            found = [node.value]
        case _:  # races and scopes begin before what they take
            found = []
    return [meant(one) for one in (*found, *extras)]


def children(node: Node) -> list[Node]:
    """Give all that a node refers to, in the order of traversal."""
    node, found = meant(node), strict(node)
    if isinstance(node, Router):
        found[1:1] = map(meant, (*node.routes, *(() if node.default is None else (node.default,))))
    if isinstance(node, Guard):
        found += map(meant, (node.node, *(() if node.otherwise is None else (node.otherwise,))))
    if isinstance(node, Fallback):
        found.insert(1, meant(node.other))
    if isinstance(node, Race):
        found[:0] = map(meant, node.arms)
    if isinstance(node, Scope):
        found.insert(0, meant(node.value))
    return found


def payload(node: Node) -> object:
    """Give the value of a node that is marked as data: lazy results in it stay what they are."""
    if isinstance(node, Literal):
        return node.value
    return assemble(node, [payload(item) for item in node.items]) if is_container(node) else node


def assemble(node: Box, items: list[object]) -> object:
    """Make the container of a box."""
    if node.kind == "dict":
        return dict(zip(node.keys, items, strict=True))
    if node.kind in RECORDS:
        return RECORDS[node.kind](*items)
    made_by = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "gather": tuple, "sequence": list}
    return made_by[node.kind](items)


def drive(generator: Generator) -> object:
    """Run a generator that yields others and wants their results, without recursion."""
    stack, value, error = [generator], None, None
    while stack:
        try:
            inner = stack[-1].send(value) if error is None else stack[-1].throw(error)
        except StopIteration as stop:
            stack.pop()
            value, error = stop.value, None
        except BaseException as raised:
            stack.pop()
            value, error = None, raised
        else:
            stack.append(inner)
            value = error = None
    if error is not None:
        raise error
    return value


def traverse(target: Node) -> dict[Node, int]:
    """Number all nodes in post-order, each when it is reached first."""
    numbers: dict[Node, int] = {}

    def visit(node: Node) -> Generator:
        for child in children(node):
            if child not in numbers:
                yield visit(child)
        numbers.setdefault(node, len(numbers))

    drive(visit(meant(target)))
    return numbers


def params_of(target: Node) -> dict[str, object]:
    """Give the values that a run of a target is given for its params."""
    names = {node.name for node in traverse(target) if isinstance(node, Input)}
    return {name: value for name, value in PARAMS.items() if name in names}


class Places:
    """Where the calls of one expression are: a number for each, the same for what modifiers have made of it.

    Args:
        target: the expression.
        path: the place of the call that gave it.
    """

    def __init__(self, target: Node, path: int) -> None:
        self.numbers = traverse(target)
        self._path = path
        self._origins: dict[Node, int] = {}
        for node in self.numbers:
            if not isinstance(node, Call | Map) or node.task.group is not None:
                continue  # only these are asked for
            self._origins.setdefault(origin(node), len(self._origins))

    def of(self, node: Call | Map | Recover) -> int:
        """Give the place of a node, different for every node of every expression of a run."""
        if node.task.group is not None:
            return hash(("group", node.task.group))
        # What a later modifier has replaced is built as well, and never runs.
        return hash((self._path, self._origins.get(origin(node), -1)))
