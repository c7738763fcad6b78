"""Teaching the caches a type: which data counts for an instance of it where it is part of a key."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, TypeVar, overload

from cascade._core.expr.task import Task
from cascade._support.boundary import boundary
from cascade._support.public import public
from cascade.cache.composites import forget_kinds, is_known
from cascade.cache.taught import teachings
from cascade.exceptions import PolicyError

__all__ = ["register_key"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@overload
def register_key(kind: type[T], function: Callable[[T], Any], /) -> None: ...
@overload
def register_key(kind: type[Any], /) -> Callable[[F], F]: ...


@public
@boundary
def register_key(kind: type[Any], function: Callable[..., Any] | None = None, /) -> Any:
    """Teach all result caches a type: which data counts for an instance of it, in arguments, closures and ``self``.

    The type counts by its module and name, and its instance by what the function returns, which must be data that can
    be hashed. The code of the function counts, too. A derived class is known by it as well, unless it is taught itself.
    Register a type where it is defined or imported: processes that know it differently find no results of one another.

    Args:
        kind: the type. It must not be one that can be hashed without this by its exact type, such as `list`.
        function: takes an instance and returns what counts for it. None: a decorator for that function is returned.

    Raises:
        PolicyError: ``kind`` is no type, or one that is known, or the function is none, or returns no data when called.

    >>> import cascade as cs
    >>> class Client:
    ...     def __init__(self, base):
    ...         self.base, self.session = base, object()
    ...     @cs.cached
    ...     def get(self, url):
    ...         return self.base + url
    >>> cs.register_key(Client, lambda client: client.base)
    >>> cs.run(Client("a/").get("x"))
    'a/x'
    """
    if not isinstance(kind, type):
        raise PolicyError(f"the type must be a class, got `{type(kind).__name__}`")
    if kind in (object, type) or is_known(kind):
        raise PolicyError(f"the type must be one that caches do not know, got `{kind.__name__}`")
    if function is None:

        def decorate(function: F) -> F:
            register_key(kind, function)
            return function

        return decorate
    if not callable(function) or isinstance(function, (Task, type)) or iscoroutinefunction(function):
        raise PolicyError(f"the function for `{kind.__name__}` must be a plain function, got {function!r}")
    teachings.add(kind, function)
    forget_kinds()
    return None
