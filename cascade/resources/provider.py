"""Providers: the function that makes a resource, with its scope and its needs; or a value."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

from cascade._core.expr.builtin_nodes import injected_name
from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task_spec import signature_of
from cascade._support.public import public, public_in
from cascade._support.type_variables import P, R_co

__all__ = ["Kind", "Resource", "ScopeKind", "Value", "resource"]

ScopeKind = Literal["run", "call", "engine"]
Kind = Literal["generator", "async generator", "async", "plain"]

# From the longest to the shortest: a resource may only need resources that last at least as long as itself.
LIFETIMES: Final[tuple[ScopeKind, ...]] = ("engine", "run", "call")

Q = ParamSpec("Q")
R = TypeVar("R")

_NONE_NEEDED: Final[Mapping[str, str]] = MappingProxyType({})


class Value:
    """A registered value: it lasts as long as the engine, and is neither set up nor torn down.

    Attributes:
        value: the value that tasks are given.
    """

    __slots__ = ("__weakref__", "value")

    scope: Final[ScopeKind] = "engine"
    needs: Final = _NONE_NEEDED

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"<Value `{type(self.value).__name__}`>"


@public_in("cascade.resources")
class Resource(Generic[P, R_co]):
    """A function that makes a resource. Made by `cs.resource`; calling it calls the function.

    Attributes:
        fn: the function.
        name: the name under which `Engine.register` registers it, unless it is given another one.
        scope: its lifetime: "run", "call" or "engine".
        kind: "generator", "async generator", "async" or "plain".
        needs: the parameters that are resources themselves, each with the name of its resource.
    """

    __slots__ = ("__weakref__", "_by_position", "fn", "kind", "name", "needs", "scope")

    def __init__(self, fn: Callable[P, R_co], name: str, scope: ScopeKind) -> None:
        self.fn = fn
        self.name = name
        self.scope: ScopeKind = scope
        self.kind = _kind_of(fn)
        needs: dict[str, str] = {}
        by_position: list[tuple[str, Any]] = []
        for parameter in _parameters_of(fn):
            needed = _need_of(parameter, name)
            if needed is not None:
                needs[parameter.name] = needed
            if parameter.kind is parameter.POSITIONAL_ONLY:
                by_position.append((parameter.name, parameter.default))
        self.needs: Mapping[str, str] = MappingProxyType(needs)
        self._by_position = tuple(by_position)

    @property
    def is_sync(self) -> bool:
        """Whether it is set up without awaiting. A plain function that returns a coroutine is the exception."""
        return self.kind == "generator" or self.kind == "plain"

    def call(self, needed: Mapping[str, Any]) -> Any:
        """Call the function with the values of its needs, by the names of its parameters."""
        fn: Callable[..., Any] = self.fn
        if not self._by_position:
            return fn(**needed)
        keywords = dict(needed)
        by_position = [keywords.pop(name, default) for name, default in self._by_position]
        return fn(*by_position, **keywords)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself, for tests of it."""
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Resource {self.name}: {self.kind}, scope {self.scope}>"


class _Decorator(Protocol):
    def __call__(self, fn: Callable[Q, R], /) -> Resource[Q, R]: ...


@overload
def resource(fn: Callable[Q, R], /, *, scope: ScopeKind = "run", name: str | None = None) -> Resource[Q, R]: ...
@overload
def resource(fn: None = None, /, *, scope: ScopeKind = "run", name: str | None = None) -> _Decorator: ...
@public
def resource(fn: Any = None, /, *, scope: ScopeKind = "run", name: str | None = None) -> Any:
    """Make a resource of a function, for `Engine.register`.

    A generator function, async or not, yields the resource once; the code after the ``yield`` is its teardown, and a
    failure is raised at the ``yield``. A function without ``yield``, async or not, returns the resource. Parameters are
    resources themselves: a parameter with the default ``cs.Inject("other")`` is that resource, one without a default is
    the resource of its own name; any other default is kept.

    Args:
        fn: the function.
        scope: its lifetime. "run": one instance for each run that needs it; "call": one for each call of a task that
            takes it; "engine": one for all runs, until the engine is closed.
        name: the name under which it is registered; None: the function's.

    Returns:
        A `Resource`; without ``fn``, a decorator that makes one.

    Raises:
        TypeError: ``fn`` is not callable or is a resource already, ``name`` is not a non-empty str, or the default of a
            parameter is a lazy result or a resource.
        ValueError: ``scope`` is none of the three.

    >>> from cascade.resources.provider import resource
    >>> @resource(scope="engine")
    ... def numbers():
    ...     yield [1, 2, 3]
    >>> numbers
    <Resource numbers: generator, scope engine>
    """
    if scope not in LIFETIMES:
        raise ValueError(f"scope must be 'run', 'call' or 'engine', got {scope!r}")
    if name is not None:
        check_name(name)
    if fn is None:
        return lambda function: _resource_of(function, scope, name)
    return _resource_of(fn, scope, name)


def check_name(name: object) -> None:
    """Raise `TypeError` unless `name` is a non-empty str."""
    if type(name) is not str or not name:
        raise TypeError(f"name of a resource must be a non-empty str, got {name!r}")


def _resource_of(fn: Any, scope: ScopeKind, name: str | None) -> Resource:
    if isinstance(fn, Resource):
        raise TypeError(f"fn must be a function, got `{fn.name}`, which is a resource already")
    if not callable(fn):
        hint = "; give the scope as `scope=...`" if type(fn) is str and fn in LIFETIMES else ""
        raise TypeError(f"fn must be a function, got `{type(fn).__name__}`{hint}")
    if name is None:
        name = getattr(fn, "__name__", None)
        if type(name) is not str or not name:
            raise TypeError(f"name must be given for a `{type(fn).__name__}`, which has none of its own, got None")
    return Resource(fn, name, scope)


def _kind_of(fn: Callable[..., Any]) -> Kind:
    # A function wrapped with `functools.wraps` is of the kind of the inner one, and an object of that of `__call__`.
    inside: Any = inspect.unwrap(fn)
    while isinstance(inside, partial):
        inside = inspect.unwrap(inside.func)
    for found in (inside, inspect.getattr_static(type(inside), "__call__", None)):
        if inspect.isgeneratorfunction(found):
            return "generator"
        if inspect.isasyncgenfunction(found):
            return "async generator"
        if inspect.iscoroutinefunction(found):
            return "async"
    return "plain"


def _parameters_of(fn: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        found = signature_of(fn).parameters.values()
    except ValueError:  # some builtins have no signature
        return []
    return [p for p in found if p.kind is not p.VAR_POSITIONAL and p.kind is not p.VAR_KEYWORD]


def _need_of(parameter: inspect.Parameter, name: str) -> str | None:
    """Return the name of the resource that a parameter takes, or None if it has another default."""
    default = parameter.default
    if default is parameter.empty:
        return parameter.name
    injected = injected_name(default)
    if injected is None and isinstance(default, LazyResult | Resource):
        raise TypeError(
            f"default must be a value or `cs.Inject(...)`, got `{type(default).__name__}` "
            f"- at parameter `{parameter.name}` of resource `{name}`"
        )
    return injected
