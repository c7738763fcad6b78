"""The registry: which provider a name has."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakValueDictionary

from cascade._core.expr.lazy import LazyResult
from cascade._support.boundary import boundary
from cascade._support.forks import new_lock
from cascade._support.public import public_in
from cascade.exceptions import ResourceError
from cascade.resources.binding import Binding, check_lifetimes
from cascade.resources.connected import connected, is_connector
from cascade.resources.provider import Resource, ScopeKind, Value, check_name

__all__ = ["Registry"]


@public_in("cascade.resources")
class Registry:
    """The resources of an engine, as registered by `Engine.register` and overridden by `Engine.override`.

    Attributes:
        version: incremented by every registration, and at the start and end of every override.

    >>> from cascade.resources.registry import Registry
    >>> registry = Registry()
    >>> registry.register("localhost", "host")
    >>> registry.check(["host"])
    >>> registry.check(["port"])
    Traceback (most recent call last):
    cascade.ResourceError: resource must be registered, got `port`
    """

    def __init__(self) -> None:
        self._lock = new_lock()  # registering and overriding is allowed in any thread
        self.version = 0
        self._registered: dict[str, Resource | Value] = {}
        self._overrides: list[tuple[str, Resource | Value]] = []  # the last one of a name counts
        self._connectors: dict[tuple[int, str], tuple[Any, Resource]] = {}  # by id and name, once each
        self._bindings: dict[str, Binding] = {}  # those checked in this version
        self._made: WeakValueDictionary[tuple[Any, ...], Binding] = WeakValueDictionary()

    @boundary
    def register(self, provider: Any, name: str | None = None) -> None:
        """Register a resource under a name. If the name is registered already, it has the new provider from now on.

        Args:
            provider: a `Resource`, made by `cs.resource`; or an object with async ``connect`` and ``close`` methods,
                which is connected before its first use and closed with the engine; or any other object, the value.
            name: the name; None: that of the resource.

        Raises:
            TypeError: there is no name, or ``provider`` is a generator function, which lacks its decorator, or a lazy
                result.
        """
        if name is None:
            if not isinstance(provider, Resource):
                raise TypeError(f"name must be given for a value of type `{type(provider).__name__}`, got None")
            name = provider.name
        with self._lock:
            given = self._provider_of(provider, name)
            before = self._registered.get(name), self._bindings
            self._registered[name] = given
            self._changed()
        del before  # after the lock: destructors of the user's objects may run, take long, or wait for other threads

    @boundary
    def override(self, name: str, provider: Any) -> AbstractContextManager[None]:
        """Return a context manager within which a name has another provider. Overrides nest.

        A run that has used the resource before keeps the one that it has.

        Args:
            name: the name of a registered resource.
            provider: as in `register`; its own name is ignored.

        Raises:
            ResourceError: the name is not registered.
            TypeError: as `register` does.
        """
        check_name(name)
        if name not in self._registered:
            raise ResourceError(self._unknown([name]))
        with self._lock:
            return _Override(self, (name, self._provider_of(provider, name)))

    def check(self, names: Iterable[str]) -> None:
        """Check that resources, with all their needs, can be set up.

        Raises:
            ResourceError: one is not registered, needs itself, or needs one of a shorter lifetime. The message has the
                names that lead to it.
        """
        known = self._bindings
        for name in names:
            if name not in known:
                self._resolve(name)

    def scope_of(self, name: str) -> ScopeKind:
        """Return the scope of a resource: "run", "call" or "engine".

        Raises:
            ResourceError: as `check` does.
        """
        return self.binding(name).scope

    def binding(self, name: str) -> Binding:
        """Return the current binding of a name.

        Raises:
            ResourceError: as `check` does.
        """
        found = self._bindings.get(name)
        return self._resolve(name) if found is None else found

    def join(self, path: Iterable[str], provider: Resource | Value, needs: Mapping[str, Binding]) -> Binding:
        """Return the one binding of these parts, and make it if it does not exist.

        Args:
            path: the names that lead to the binding, its own last.
            provider: its provider.
            needs: the bindings of the provider's parameters.

        Raises:
            ResourceError: one of the needs has a shorter lifetime than the binding.
        """
        *_, name = path = list(path)
        key = (name, provider, *needs.values())
        found = self._made.get(key)
        if found is None:
            check_lifetimes(path, provider, needs.values())
            found = self._made[key] = Binding(name, provider, needs)
        return found

    def _resolve(self, name: str) -> Binding:
        """Bind a name, its needs first. A loop, as a chain of needs may be longer than the stack is deep."""
        bindings = self._bindings
        path = {name: self._current([name])}  # each name needs the next
        while path:
            last, provider = next(reversed(path.items()))
            missing = next((need for need in provider.needs.values() if need not in bindings), None)
            if missing is None:
                needs = {parameter: bindings[need] for parameter, need in provider.needs.items()}
                bindings[last] = self.join(path, provider, needs)
                del path[last]
            elif missing in path:
                circle = [*path, missing]
                circle = circle[circle.index(missing) :]
                raise ResourceError(
                    f"needs of a resource must not form a circle, got one that needs itself - at {' -> '.join(circle)}"
                )
            else:
                path[missing] = self._current([*path, missing])
        return bindings[name]

    def _current(self, path: list[str]) -> Resource | Value:
        """Return the current provider of the last name of a path."""
        name = path[-1]
        provider: Resource | Value
        for overridden, provider in reversed(self._overrides):
            if overridden == name:
                return provider
        if name not in self._registered:
            raise ResourceError(self._unknown(path))
        return self._registered[name]

    def _unknown(self, path: list[str]) -> str:
        from difflib import get_close_matches  # only needed for the error

        near = get_close_matches(path[-1], self._registered, 1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        place = f" - at {' -> '.join(path)}" if len(path) > 1 else ""
        return f"resource must be registered, got `{path[-1]}`{hint}{place}"

    def add_override(self, layer: tuple[str, Resource | Value]) -> None:
        """Start an override."""
        with self._lock:
            before = self._bindings
            self._overrides = [*self._overrides, layer]
            self._changed()
        del before  # after the lock, as in `register`

    def remove_override(self, layer: tuple[str, Resource | Value]) -> None:
        """End an override. Overrides may end in any order."""
        with self._lock:
            before = self._overrides, self._bindings
            self._overrides = [found for found in self._overrides if found is not layer]
            self._changed()
        del before  # after the lock, as in `register`

    def _changed(self) -> None:
        self.version += 1
        self._bindings = {}

    def _provider_of(self, given: Any, name: str) -> Resource | Value:
        check_name(name)
        if isinstance(given, Resource):
            return given
        if isinstance(given, LazyResult):
            raise TypeError(f"provider must be a resource or a value, got a `LazyResult` - at resource `{name}`")
        if inspect.isgeneratorfunction(given) or inspect.isasyncgenfunction(given):
            raise TypeError(
                f"provider must be a resource or a value, got the generator function `{given.__name__}`; "
                f"decorate it with `@cs.resource` - at resource `{name}`"
            )
        if not is_connector(given):
            return Value(given)
        # Registered again under the same name, a connector is the same resource and is not connected again.
        fresh = (given, Resource(connected(given), name, "engine"))
        return self._connectors.setdefault((id(given), name), fresh)[1]


class _Override(AbstractContextManager[None]):
    """The context manager of an override.

    Not a generator with `contextlib`: that sets attributes of exceptions, and some exceptions refuse it.
    """

    def __init__(self, registry: Registry, layer: tuple[str, Resource | Value]) -> None:
        self._registry = registry
        self._layer = layer

    def __enter__(self) -> None:
        self._registry.add_override(self._layer)

    def __exit__(self, *exc: object) -> None:
        self._registry.remove_override(self._layer)
