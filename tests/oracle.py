"""A slow, obvious interpreter of expressions, to hold the engine against.

An expression is described once, as a tree of `Literal`, `Call` and `Box` (the same object reached twice is the
same node). `evaluate` says what it is worth, `build` makes the Cascade expression of it, `shape` says which
expressions ought to share a template. Nothing here recurses in Python: what looks like recursion is a generator
that yields the next one, and `_drive` keeps them on a list.
"""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from values import Point, canonical

import cascade as cs

KINDS = ("inline", "thread", "auto", "async", "suspending", "coroutine")

Record = Callable[[object], None]
RECORD: contextvars.ContextVar[Record] = contextvars.ContextVar("RECORD")

_FAILED = object()


@dataclass(frozen=True, eq=False)
class Literal:
    """A literal argument."""

    value: object


@dataclass(frozen=True, eq=False)
class TaskSpec:
    """A task: `act` gets the arguments and gives a value, a failure or the next expression.

    `fresh` tasks are functions made anew at each call, with what they record to in a closure cell; the others are
    made once and find it in a context variable.
    """

    name: str
    act: Callable[[tuple[object, ...], dict[str, object]], object]
    kind: str = "inline"
    fresh: bool = True


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a task."""

    task: TaskSpec
    args: tuple[Node, ...] = ()
    kwargs: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Box:
    """A container: list, tuple, set, frozenset, dict, struct; or gather, which is a lazy result too."""

    kind: str
    items: tuple[Node, ...]
    keys: tuple[object, ...] = ()


Node = Literal | Call | Box


@dataclass
class Outcome:
    """What came of an expression. `errors` are all that could have ended it, `calls` all that could be made."""

    value: object = None
    errors: list[BaseException] = field(default_factory=list)
    calls: list[object] = field(default_factory=list)


def is_lazy(node: object) -> bool:
    """Tell whether the node is a lazy result, which a task can return as the next expression."""
    return isinstance(node, Call) or (isinstance(node, Box) and node.kind == "gather")


def _drive(generator: Generator) -> object:
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


def _children(node: Node) -> list[Node]:
    if isinstance(node, Call):
        return [*node.args, *(node.kwargs[name] for name in sorted(node.kwargs))]
    return list(node.items) if isinstance(node, Box) else []


def _assemble(node: Box, items: list[object]) -> object:
    if node.kind == "dict":
        return dict(zip(node.keys, items, strict=True))
    if node.kind == "struct":
        return Point(*items)
    return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "gather": list}[node.kind](items)


def _arguments(node: Call, items: list[object]) -> tuple[tuple[object, ...], dict[str, object]]:
    count = len(node.args)
    return tuple(items[:count]), dict(zip(sorted(node.kwargs), items[count:], strict=True))


def entry(path: int, spec: TaskSpec, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    """Give what is recorded of a call; `path` is different for every node of every expression of a run."""
    return (path, spec.name, canonical(args), canonical(kwargs))


# -- what it is worth ------------------------------------------------------------------------------------------


def evaluate(target: Node, *, everything: bool = False) -> Outcome:
    """Evaluate depth first, arguments left to right, then names sorted: what is ready first runs first.

    The first failure ends it. With `everything`, all else that does not need the failed value is evaluated too,
    as it may have been by tasks that run at the same time.
    """
    outcome = Outcome()
    try:
        outcome.value = _drive(_value(target, {}, 0, outcome, everything))
    except Exception as error:
        outcome.errors.append(error)
    if outcome.value is _FAILED:
        outcome.value = None
    return outcome


def _value(node: Node, memo: dict[Node, object], path: int, outcome: Outcome, everything: bool) -> Generator:
    if isinstance(node, Literal):
        return node.value
    if node in memo:
        return memo[node]
    items: list[object] = []
    for child in _children(node):
        items.append((yield _value(child, memo, path, outcome, everything)))
    place = hash((path, len(memo)))
    if any(item is _FAILED for item in items):
        result: object = _FAILED
    else:
        try:
            result = _assemble(node, items) if isinstance(node, Box) else _call(node, items, place, outcome)
        except Exception as error:
            if not everything:
                raise
            outcome.errors.append(error)
            result = _FAILED
    if is_lazy(result):
        result = yield _value(result, {}, place, outcome, everything)
    memo[node] = result
    return result


def _call(node: Call, items: list[object], place: int, outcome: Outcome) -> object:
    args, kwargs = _arguments(node, items)
    outcome.calls.append(entry(place, node.task, args, kwargs))
    try:
        return node.task.act(args, kwargs)
    except (StopIteration, StopAsyncIteration) as error:
        raise RuntimeError("the task raised it") from error


# -- the Cascade expression of it ------------------------------------------------------------------------------


def build(target: Node, record: Record, path: int = 0) -> cs.LazyResult:
    """Make the Cascade expression that the description describes; its tasks record their calls."""
    return _drive(_built(target, {}, path, record))


def _built(node: Node, memo: dict[Node, object], path: int, record: Record) -> Generator:
    if isinstance(node, Literal):
        return node.value
    if node in memo:
        return memo[node]
    items: list[object] = []
    for child in _children(node):
        items.append((yield _built(child, memo, path, record)))
    if isinstance(node, Box):
        result = cs.gather(*items) if node.kind == "gather" else _assemble(node, items)
    else:
        args, kwargs = _arguments(node, items)
        result = make_task(node.task, hash((path, len(memo))), record)(*args, **kwargs)
    memo[node] = result
    return result


_MADE: weakref.WeakKeyDictionary[TaskSpec, dict[int, cs.Task]] = weakref.WeakKeyDictionary()


def make_task(spec: TaskSpec, place: int, record: Record) -> cs.Task:
    """Make the task of a spec, or give the one made before where the spec is not fresh."""
    if spec.fresh:
        return _task(spec, place, lambda: record)
    made = _MADE.setdefault(spec, {})
    if place not in made:
        # The spec is held weakly, or the entry would keep its own key alive.
        made[place] = _task(weakref.proxy(spec), place, RECORD.get)
    return made[place]


def _task(spec: TaskSpec, place: int, recorder: Callable[[], Record]) -> cs.Task:
    kind = spec.kind

    def answer(args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        record = recorder()
        record(entry(place, spec, args, kwargs))
        result = spec.act(args, kwargs)
        return build(result, record, place) if is_lazy(result) else result

    async def suspending(*args: object, **kwargs: object) -> object:
        await asyncio.sleep(0)
        result = answer(args, kwargs)
        await asyncio.sleep(0)
        return result

    async def finishing(*args: object, **kwargs: object) -> object:
        return answer(args, kwargs)

    def returning(*args: object, **kwargs: object) -> object:
        return finishing(*args, **kwargs)

    def plain(*args: object, **kwargs: object) -> object:
        return answer(args, kwargs)

    body = {"suspending": suspending, "async": finishing, "coroutine": returning}.get(kind, plain)
    mode = {"thread": "thread", "auto": "auto"}.get(kind, "inline")
    if kind in ("async", "suspending"):
        return cs.task(name=spec.name)(body)
    return cs.task(name=spec.name, mode=mode)(body)


# -- which expressions share a template ------------------------------------------------------------------------


def shape(target: Node) -> object:
    """Give the structure of an expression as nested tuples: equal exactly where the structure key must be."""
    return _drive(_shape(target, {}))


def holds_lazy(node: Node) -> bool:
    """Tell whether a lazy result is inside, at any depth."""
    todo, seen = [node], set()
    while todo:
        node = todo.pop()
        if is_lazy(node):
            return True
        if node not in seen:
            seen.add(node)
            todo.extend(_children(node))
    return False


def _shape(node: Node, numbers: dict[Node, int]) -> Generator:
    if not holds_lazy(node):
        return "slot"
    if node in numbers:
        return ("ref", numbers[node])
    numbers[node] = len(numbers)
    items = []
    for child in _children(node):
        items.append((yield _shape(child, numbers)))
    if isinstance(node, Call):
        spec = node.task
        # What a body does is no structure: whether it suspends, or gives a coroutine.
        kind = {"coroutine": "inline", "suspending": "async"}.get(spec.kind, spec.kind)
        return ("call", spec.name, kind, len(node.args), tuple(sorted(node.kwargs)), tuple(items))
    return (node.kind, tuple((type(key), repr(key)) for key in node.keys), tuple(items))


def literals(target: Node) -> list[object]:
    """Give the literals of an expression in the order of its slots, those of callables left out."""
    found: list[object] = []
    _drive(_literals(target, set(), found))
    return found


def _literals(node: Node, seen: set[Node], found: list[object]) -> Generator:
    if not holds_lazy(node):
        found.append(_drive(_value(node, {}, 0, Outcome(), False)))
    elif node not in seen:
        seen.add(node)
        for child in _children(node):
            yield _literals(child, seen, found)
