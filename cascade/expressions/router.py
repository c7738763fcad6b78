"""Routers: one of several expressions, as a value says which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from cascade._core.expr.builtin_nodes import router_call
from cascade._core.expr.lazy import LazyResult
from cascade._support.public import public
from cascade.exceptions import PolicyError

__all__ = ["Router"]

_nothing: Any = object()

R = TypeVar("R")
D = TypeVar("D")


@overload
def Router(selector: object, routes: Mapping[Any, LazyResult[R]]) -> R: ...
@overload
def Router(selector: object, routes: Mapping[Any, R]) -> R: ...
@overload
def Router(selector: object, routes: Mapping[Any, LazyResult[R]], *, default: LazyResult[D]) -> R | D: ...
@overload
def Router(selector: object, routes: Mapping[Any, LazyResult[R]], *, default: D) -> R | D: ...
@overload
def Router(selector: object, routes: Mapping[Any, R], *, default: LazyResult[D]) -> R | D: ...
@overload
def Router(selector: object, routes: Mapping[Any, R], *, default: D) -> R | D: ...
@public
def Router(selector: object, routes: Mapping[Any, Any], *, default: Any = _nothing) -> Any:
    """A lazy result that is one of several, as another value says which. The others, and all only they need, never run.

    Args:
        selector: a lazy result, or any value: the key of the route to take.
        routes: lazy results, or any values, by key. Keys of any hashable types, which a dict can tell apart.
        default: what to take if no route has the selector's value as its key.

    Returns:
        A `LazyResult`. Without a default, it fails with `RouteError` if there is no route for a key.

    Raises:
        PolicyError: ``routes`` is no mapping, or empty.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def weekday(day):
    ...     return "weekend" if day in ("sat", "sun") else "work"
    >>> @cs.task(mode="inline")
    ... def do(what):
    ...     return f"now {what}"
    >>> cs.run(cs.Router(weekday("sun"), {"work": do("hurry"), "weekend": do("rest")}))
    'now rest'
    """
    if not isinstance(routes, Mapping):
        raise PolicyError(f"expected the routes of a router as a mapping, got `{type(routes).__name__}`")
    if not routes:
        raise PolicyError("expected at least one route of a router, got none")
    return router_call(selector, dict(routes), *(() if default is _nothing else (default,)))
