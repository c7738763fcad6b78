"""From descriptions to Cascade expressions, whose tasks write down their calls."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import operator
import weakref
from collections.abc import Callable, Generator

import cascade as cs
from cascade._core.expr.builtin_nodes import Placeholder
from cascade.cache.protocol import Hit
from language.acts import Awaited
from language.descriptions import (
    DEFAULT,
    RESOURCES,
    Box,
    Call,
    Data,
    Extra,
    Fallback,
    Guard,
    Input,
    Literal,
    Map,
    Node,
    Operator,
    Outcome,
    Pipeline,
    Places,
    Race,
    Recover,
    Resource,
    Router,
    Scope,
    Sequence,
    TaskSpec,
    assemble,
    call_order,
    drive,
    is_node,
    map_inputs,
    map_order,
)
from language.oracle import Journal, arguments, cache_key, entry, operate, perform, scope_key
from support.values import failure

JOURNAL: contextvars.ContextVar[Journal] = contextvars.ContextVar("JOURNAL")


class Remember:
    """A cache policy that keeps results in the journal of a run."""

    def __init__(self, journal: Journal, group: object, blocking: bool = False) -> None:
        self.blocking = blocking
        self.place = journal.results
        self._group = group

    def key(self, task: cs.Task, args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
        """Give the key of a call, or of a scope. What stands for a resource there is as good as the resource."""
        if task.name == "scope":
            return scope_key(self._group)
        given = {name: _worth(value) for name, value in kwargs.items()}
        return cache_key(self._group, tuple(map(_worth, args)), given)

    def load(self, key: bytes, now: float) -> Hit | None:
        """Give the result that is kept."""
        return Hit(self.place[key][1]) if key in self.place else None

    def save(self, key: bytes, value: object, now: float) -> None:
        """Keep a result."""
        self.place[key] = None, value

    def check(self, task: cs.Task) -> None:
        """Take any task."""


def _worth(value: object) -> object:
    return RESOURCES[value.name] if type(value) is Placeholder else value


def build(target: Node, journal: Journal, path: int = 0) -> object:
    """Make the Cascade expression that a description describes."""
    return drive(_built(target, {}, Places(target, path), journal))


def _built(node: Node, memo: dict[Node, object], places: Places, journal: Journal) -> Generator:
    if isinstance(node, Literal):
        return node.value
    if node in memo:
        return memo[node]
    if getattr(node, "base", None) is not None:
        plain, extra = node.base
        lazy = yield _built(plain, memo, places, journal)
        operand = yield _operand(extra, memo, places, journal)
        memo[node] = modify(lazy, extra, operand, journal)
        return memo[node]
    made: list[object] = []
    for part in _parts(node):
        made.append((yield _built(part, memo, places, journal)))
    if isinstance(node, Recover):
        task = make_task(node.task, places.of(node), journal, handles=True)
        memo[node] = cs.recover(made[0], task.fn if node.plain else task, on=node.on)
    elif isinstance(node, Call | Map):
        task = make_task(node.task, places.of(node), journal)
        for extra in node.extras:
            task = modify(task, extra, (yield _operand(extra, memo, places, journal)), journal)
        memo[node] = _called(node, task, made)
    elif isinstance(node, Pipeline):
        tasks = [make_task(call.task, places.of(call), journal) for call in node.calls]
        memo[node] = cs.pipeline(made[0], tasks)
    else:
        memo[node] = _made(node, made)
    return memo[node]


def _parts(node: Node) -> list[Node]:
    """What it is built of, in the order of traversal."""
    match node:
        case Call():
            return [*node.args, *(node.kwargs[name] for name in call_order(node.task, node.kwargs))]
        case Router():
            return [node.selector, *node.routes, *([] if node.default is None else [node.default])]
        case Guard():
            return [node.condition, node.node, *([] if node.otherwise is None else [node.otherwise])]
        case Map():
            return list(map_inputs(node).values())
        case Operator():
            return list(node.operands)
        case Data():
            return [node.node]
        case Pipeline() | Recover() | Outcome() | Scope():
            return [node.value]
        case Fallback():
            return [node.value, node.other]
        case Race():
            return list(node.arms)
        case Box() | Sequence():
            return list(node.items)
    return []


def _made(node: Node, made: list[object]) -> object:
    match node:
        case Box():
            return cs.gather(*made) if node.kind == "gather" else assemble(node, made)
        case Router():
            given = {} if node.default is None else {"default": made.pop()}
            return cs.Router(made[0], dict(zip(node.keys, made[1:], strict=True)), **given)
        case Guard():
            given = {} if node.otherwise is None else {"otherwise": made.pop()}
            return made[1].run_if(made[0], **given)
        case Operator():
            return operate(node.name, made) if hasattr(operator, node.name) else cs.attr(made[0], node.name)
        case Data():
            return cs.data(made[0])
        case Input():
            return cs.Param(node.name, default=DEFAULT)
        case Resource():
            return cs.inject(node.name)
        case Sequence():
            return cs.sequence(made)
        case Fallback():
            return cs.fallback(*made, on=node.on)
        case Outcome():
            return cs.outcome(made[0])
        case Race():
            return cs.race(*made)
        case Scope():
            return cs.scope(made[0])
    raise AssertionError(node)


def _called(node: Call | Map, task: cs.Task, made: list[object]) -> cs.LazyResult:
    if isinstance(node, Call):
        args, kwargs = arguments(node, made)
        return task(*args, **kwargs)
    inputs = dict(zip(map_inputs(node), made, strict=True))
    inputs = {name: inputs[name] for name in map_order(node)}
    return task.map(
        concurrency=node.concurrency,
        **{name: cs.const(value) if name in node.consts else value for name, value in inputs.items()},
    )


def _operand(extra: Extra, memo: dict[Node, object], places: Places, journal: Journal) -> Generator:
    return (yield _built(extra.operand, memo, places, journal)) if is_node(extra.operand) else extra.operand


def modify(made: object, extra: Extra, operand: object, journal: Journal) -> object:
    """Make of a task or a lazy result another one, which has something beside its arguments."""
    match extra.role:
        case "after":
            return made.after(operand)
        case "retry":
            return made.with_retry(**operand)
        case "timeout":
            return made.with_timeout(operand)
        case "cache":
            return made.with_cache(Remember(journal, operand))
        case "constraints":
            return made.with_constraints(**operand)
    raise AssertionError(extra)


_MADE: weakref.WeakKeyDictionary[TaskSpec, dict[int, cs.Task]] = weakref.WeakKeyDictionary()


def make_task(spec: TaskSpec, place: int, journal: Journal, *, handles: bool = False) -> cs.Task:
    """Make the task of a spec, or give the one made before where the spec is not fresh.

    Args:
        spec: of the task.
        place: of its calls.
        journal: that they are recorded in.
        handles: whether it is called with an exception, of which it takes what `failure` gives.
    """
    if spec.fresh:
        return _task(spec, place, lambda: journal, handles)
    made = _MADE.setdefault(spec, {})
    if place not in made:
        # The spec is held weakly, or the entry would keep its own key alive.
        made[place] = _task(weakref.proxy(spec), place, JOURNAL.get, handles)
    return made[place]


def _task(spec: TaskSpec, place: int, journals: Callable[[], Journal], handles: bool) -> cs.Task:
    kind = spec.kind

    def answer(args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        journal = journals()
        if handles:
            args = (failure(args[0]),)
        result = perform(spec, journal.record(entry(place, spec, args, kwargs)), args, kwargs)
        return build(result, journal, place) if is_node(result) else result

    async def suspending(*args: object, **kwargs: object) -> object:
        await asyncio.sleep(0)
        result = await finishing(*args, **kwargs)
        await asyncio.sleep(0)
        return result

    async def finishing(*args: object, **kwargs: object) -> object:
        result = answer(args, kwargs)
        if not isinstance(result, Awaited):
            return result
        values = []
        for index, node in enumerate(result.nodes):
            try:
                values.append(await build(node, journals(), hash((place, index))))
            except cs.TaskSkippedError:
                values.append("skipped")
        return result.digest(values)

    def returning(*args: object, **kwargs: object) -> object:
        return finishing(*args, **kwargs)

    def plain(*args: object, **kwargs: object) -> object:
        return answer(args, kwargs)

    if spec.fixed is not None:
        parameter = inspect.Parameter
        parameters = [parameter("args", parameter.VAR_POSITIONAL)]
        parameters += [parameter(each, parameter.KEYWORD_ONLY) for each in spec.fixed]
        for function in (suspending, returning, plain, finishing):
            function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    body = {"suspending": suspending, "async": finishing, "coroutine": returning}.get(kind, plain)
    mode = {"thread": "thread", "auto": "auto"}.get(kind, "inline")
    if kind in ("async", "suspending"):
        return cs.task(name=spec.name)(body)
    return cs.task(name=spec.name, mode=mode)(body)
