"""Routers: a value selects one of several expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never, TypeAlias, TypeVar, overload

from cascade._core.expr.builtin_nodes import router_call
from cascade._core.expr.lazy import LazyResult, refuse_task_as
from cascade._core.tracebacks import hide_frames
from cascade._support.public import public
from cascade.exceptions import PolicyError

__all__ = ["Router"]

_nothing: Any = object()

R = TypeVar("R")
D = TypeVar("D")
G = TypeVar("G", bound=list[Any] | dict[Any, Any] | set[Any])

Empty: TypeAlias = list[Never] | dict[Never, Never] | set[Never]  # pyright does not know what `[]` is a list of


@overload
def Router(selector: object, routes: Mapping[Any, LazyResult[R]]) -> R: ...
@overload
def Router(selector: object, routes: Mapping[Any, R]) -> R: ...
@overload
def Router(selector: object, routes: Mapping[Any, LazyResult[R]], *, default: LazyResult[D]) -> R | D: ...
@overload
def Router(selector: object, routes: Mapping[Any, LazyResult[G]], *, default: Empty) -> G: ...
@overload
def Router(selector: object, routes: Mapping[Any, LazyResult[R]], *, default: D) -> R | D: ...
@overload
def Router(selector: object, routes: Mapping[Any, R], *, default: LazyResult[D]) -> R | D: ...
@overload
def Router(selector: object, routes: Mapping[Any, G], *, default: Empty) -> G: ...
@overload
def Router(selector: object, routes: Mapping[Any, R], *, default: D) -> R | D: ...
@public
def Router(selector: object, routes: Mapping[Any, Any], *, default: Any = _nothing) -> Any:
    """Return a lazy result with the value of one of several routes, selected by a key. The other routes never run.

    Nodes that only the other routes need do not run, either.

    Args:
        selector: a lazy result, or any value: the key of the route.
        routes: lazy results, or any values, by key; keys of any hashable types.
        default: the route for all other keys.

    Returns:
        A `LazyResult`. Without a default, it fails with `RouteError` if there is no route for the key.

    Raises:
        PolicyError: ``routes`` is not a mapping, or is empty; or a task that was not called is a route, the default or
            the selector.

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
    try:
        if not isinstance(routes, Mapping):
            raise PolicyError(
                f"routes must be a mapping from keys to lazy results or values, got `{type(routes).__name__}`"
            )
        if not routes:
            raise PolicyError("routes must have at least one route, got none")
        refuse_task_as(selector, "selector")
        for key, route in routes.items():
            refuse_task_as(route, f"route {key!r}")
        refuse_task_as(default, "default")
        return router_call(selector, dict(routes), *(() if default is _nothing else (default,)))
    except BaseException as error:
        hide_frames(error)
        raise
