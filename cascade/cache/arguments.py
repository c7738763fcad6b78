"""Arguments by parameter, so that `f(1, 2)`, `f(1, b=2)` and a default of 2 are equal calls."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import FunctionType, MethodType
from typing import Any

from cascade._core.expr.task_spec import signature_of

__all__ = ["BoundArguments", "bind"]

CO_VARARGS = inspect.CO_VARARGS
CO_VARKEYWORDS = inspect.CO_VARKEYWORDS


class BoundArguments:
    """The arguments of one call.

    Attributes:
        names: the parameters, in order; "*" and "**" for variable ones.
        values: the value of each parameter.
        origins: the origin of each value, for errors: "args[0]", "kwargs['x']", "default of x".
    """

    __slots__ = ("names", "origins", "values")

    def __init__(self, names: list[str], values: list[Any], origins: list[str]) -> None:
        self.names = names
        self.values = values
        self.origins = origins


def bind(fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> BoundArguments:
    """Return the arguments of a call by the parameters of its callable.

    The signature is that of the callable itself, not of a wrapped one: a wrapper with ``*args, **kwargs`` may treat
    ``b=2`` and a second argument differently. Without a signature, or if it does not accept the arguments, these are
    returned as given.

    Args:
        fn: the callable.
        args: the positional arguments.
        kwargs: the keyword arguments.

    >>> def f(a, b=2, *rest, c, **more): ...
    >>> bind(f, (1,), {"x": 5, "c": 3}).values
    [1, 2, (), 3, {'x': 5}]
    """
    skip = 0
    if type(fn) is MethodType and type(fn.__func__) is FunctionType:
        # The bound object is data of the callable; here it only fills the first parameter.
        fn, args, skip = fn.__func__, (None, *args), 1
    is_function = type(fn) is FunctionType
    bound = _bind_function(fn, args, kwargs, skip) if is_function else _bind_signature(fn, args, kwargs)
    return _as_given(args[skip:], kwargs) if bound is None else bound


def _bind_function(
    fn: FunctionType, args: tuple[Any, ...], kwargs: Mapping[str, Any], skip: int
) -> BoundArguments | None:
    """Bind by the code object: `inspect` takes ten times as long, and this runs at every call."""
    code = fn.__code__
    positional = code.co_argcount
    count = positional + code.co_kwonlyargcount
    names = code.co_varnames[:count]
    defaults = fn.__defaults__ or ()
    first_default = positional - len(defaults)
    kwdefaults = fn.__kwdefaults__ or {}
    bound = BoundArguments([], [], [])
    left = dict(kwargs)
    for i, name in enumerate(names):
        if i < positional and i < len(args):
            value, origin = args[i], f"args[{i - skip}]"
            if name in left and i >= code.co_posonlyargcount:
                return None
        elif name in left and i >= code.co_posonlyargcount:
            value, origin = left.pop(name), f"kwargs[{name!r}]"
        elif first_default <= i < positional:
            value, origin = defaults[i - first_default], f"default of {name}"
        elif i >= positional and name in kwdefaults:
            value, origin = kwdefaults[name], f"default of {name}"
        else:
            return None
        bound.names.append(name)
        bound.values.append(value)
        bound.origins.append(origin)
    rest = args[positional:]
    if code.co_flags & CO_VARARGS:
        # Before the keyword-only parameters, as in the definition.
        bound.names.insert(positional, "*")
        bound.values.insert(positional, rest)
        bound.origins.insert(positional, f"args[{max(positional - skip, 0)}:]")
    elif rest:
        return None
    if code.co_flags & CO_VARKEYWORDS:
        bound.names.append("**")
        bound.values.append(left)  # in the order of the call, which the function can see
        bound.origins.append("kwargs")
    elif left:
        return None
    return _without(bound, skip if positional else 0)


def _without(bound: BoundArguments, skip: int) -> BoundArguments:
    return BoundArguments(bound.names[skip:], bound.values[skip:], bound.origins[skip:]) if skip else bound


def _bind_signature(fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> BoundArguments | None:
    try:
        taken = signature_of(fn, follow_wrapped=False).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return None
    given = set(taken.arguments)
    taken.apply_defaults()
    bound = BoundArguments([], [], [])
    for name, value in taken.arguments.items():
        kind = taken.signature.parameters[name].kind
        bound.names.append("**" if kind is kind.VAR_KEYWORD else "*" if kind is kind.VAR_POSITIONAL else name)
        bound.values.append(value)
        bound.origins.append(name if name in given else f"default of {name}")
    return bound


def _as_given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> BoundArguments:
    return BoundArguments(
        ["()", *kwargs],
        [args, *kwargs.values()],
        ["args", *(f"kwargs[{name!r}]" for name in kwargs)],
    )
