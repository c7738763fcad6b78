"""The registry: which provider stands for a name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakValueDictionary

from cascade._core.expr.lazy import LazyResult
from cascade._support.forks import new_lock
from cascade.exceptions import ResourceError
from cascade.resources.binding import Binding, check_lives
from cascade.resources.connected import connected, is_connector
from cascade.resources.provider import Resource, ScopeKind, Value, check_name

__all__ = ["Registry"]


class Registry:
    """The resources of an engine: `Engine.register` and `Engine.override` lead here.

    Attributes:
        version: changes with every registration, and at both ends of every override.

    >>> from cascade.resources.registry import Registry
    >>> registry = Registry()
    >>> registry.register("localhost", "host")
    >>> registry.check(["host"])
    >>> registry.check(["port"])
    Traceback (most recent call last):
    cascade.ResourceError: expected a registered resource, got `port`
    """

    def __init__(self) -> None:
        self._lock = new_lock()  # for what changes it, which is allowed from any thread
        self.version = 0
        self._registered: dict[str, Resource | Value] = {}
        self._overrides: list[tuple[str, Resource | Value]] = []  # the last one of a name counts
        self._connectors: dict[tuple[int, str], tuple[Any, Resource]] = {}  # by id and name, once each
        self._bindings: dict[str, Binding] = {}  # those found good in this version
        self._made: WeakValueDictionary[tuple[Any, ...], Binding] = WeakValueDictionary()

    def register(self, provider: Any, name: str | None = None) -> None:
        """Have a name stand for a resource. A name that is registered already stands for the new one from now on.

        Args:
            provider: what `cs.resource` has made; or an object with async ``connect`` and ``close`` methods, which is
                connected before its first use and closed with the engine; or any other object, which is the value.
            name: the name; None: that of the resource.

        Raises:
            TypeError: there is no name, or ``provider`` is a generator function, which lacks its decorator, or a lazy
                result.
        """
        if name is None:
            if not isinstance(provider, Resource):
                raise TypeError(f"expected a name for a `{type(provider).__name__}`, which is no resource, got None")
            name = provider.name
        with self._lock:
            self._registered[name] = self._provider_of(provider, name)
            self._changed()

    def override(self, name: str, provider: Any) -> AbstractContextManager[None]:
        """Have a name stand for something else while a ``with`` block lasts. Overrides nest.

        A run that has asked for the resource before keeps what it has.

        Args:
            name: the name of a registered resource.
            provider: as in `register`; its own name, if it has one, does not matter.

        Raises:
            ResourceError: nothing is registered under the name.
            TypeError: as `register` does.
        """
        check_name(name)
        if name not in self._registered:
            raise ResourceError(self._unknown([name]))
        with self._lock:
            return _Override(self, (name, self._provider_of(provider, name)))

    def check(self, names: Iterable[str]) -> None:
        """Raise unless all of them, with all that they need, can be set up.

        Raises:
            ResourceError: one is not registered, needs itself, or needs what does not last as long. The message has
                the names that lead there.
        """
        known = self._bindings
        for name in names:
            if name not in known:
                self._resolve(name)

    def scope_of(self, name: str) -> ScopeKind:
        """What a resource lasts for: "run", "step" or "engine".

        Raises:
            ResourceError: as `check` does.
        """
        return self.binding(name).scope

    def binding(self, name: str) -> Binding:
        """Give the binding of a name as of now.

        Raises:
            ResourceError: as `check` does.
        """
        found = self._bindings.get(name)
        return self._resolve(name) if found is None else found

    def join(self, path: Iterable[str], provider: Resource | Value, needs: Mapping[str, Binding]) -> Binding:
        """Give the one binding of these parts.

        Args:
            path: the names that led here, that of the binding last.
            provider: what stands for it.
            needs: the bindings of the provider's parameters.

        Raises:
            ResourceError: one of the needs does not last as long as the binding would.
        """
        *_, name = path = list(path)
        key = (name, provider, *needs.values())
        found = self._made.get(key)
        if found is None:
            check_lives(path, provider, needs.values())
            found = self._made[key] = Binding(name, provider, needs)
        return found

    def _resolve(self, name: str) -> Binding:
        """Bind what it needs first. A loop: how long the chain of needs is does not matter."""
        bindings = self._bindings
        path = {name: self._current([name])}  # in the order in which one led to the other
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
                    f"expected resources without a circle, got one that needs itself - at {' -> '.join(circle)}"
                )
            else:
                path[missing] = self._current([*path, missing])
        return bindings[name]

    def _current(self, path: list[str]) -> Resource | Value:
        """What the last name of a path stands for now."""
        name = path[-1]
        for overridden, provider in reversed(self._overrides):
            if overridden == name:
                return provider
        if name not in self._registered:
            raise ResourceError(self._unknown(path))
        return self._registered[name]

    def _unknown(self, path: list[str]) -> str:
        from difflib import get_close_matches  # nobody needs it who makes no mistake

        near = get_close_matches(path[-1], self._registered, 1)
        hint = f", perhaps `{near[0]}` was meant" if near else ""
        place = f" - at {' -> '.join(path)}" if len(path) > 1 else ""
        return f"expected a registered resource, got `{path[-1]}`{hint}{place}"

    def put_over(self, layer: tuple[str, Resource | Value]) -> None:
        """Have an override begin."""
        with self._lock:
            self._overrides = [*self._overrides, layer]
            self._changed()

    def take_away(self, layer: tuple[str, Resource | Value]) -> None:
        """Have an override end: not the last one, if overrides end in another order than they began."""
        with self._lock:
            self._overrides = [found for found in self._overrides if found is not layer]
            self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._bindings = {}

    def _provider_of(self, given: Any, name: str) -> Resource | Value:
        check_name(name)
        if isinstance(given, Resource):
            return given
        if isinstance(given, LazyResult):
            raise TypeError(f"expected a resource or a value, got `{type(given).__name__}` - at resource `{name}`")
        if inspect.isgeneratorfunction(given) or inspect.isasyncgenfunction(given):
            raise TypeError(
                f"expected a resource or a value, got the generator function `{given.__name__}` without `@cs.resource` "
                f"- at resource `{name}`"
            )
        if not is_connector(given):
            return Value(given)
        # Registered again under its name it is the same resource, and not connected a second time.
        fresh = (given, Resource(connected(given), name, "engine"))
        return self._connectors.setdefault((id(given), name), fresh)[1]


class _Override(AbstractContextManager[None]):
    """A ``with`` block in which a name stands for something else.

    A class: a generator of `contextlib` would set attributes of exceptions, and some refuse that.
    """

    def __init__(self, registry: Registry, layer: tuple[str, Resource | Value]) -> None:
        self._registry = registry
        self._layer = layer

    def __enter__(self) -> None:
        self._registry.put_over(self._layer)

    def __exit__(self, *exc: object) -> None:
        self._registry.take_away(self._layer)
