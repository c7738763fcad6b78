"""Scopes: the lifetimes of resources."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, NamedTuple

from cascade._support.failures import add_note, describe
from cascade._support.futures import settle
from cascade.exceptions import EngineStateError, InternalError, ResourceError
from cascade.resources.binding import Binding
from cascade.resources.instance import URGENT, Instance
from cascade.resources.provider import Resource, ScopeKind, Value
from cascade.resources.registry import Registry

__all__ = ["Hooks", "Scope"]


class Hooks(NamedTuple):
    """Callbacks about resources. They must not raise.

    Attributes:
        acquired: called after a set-up with the name of the resource and the kind of its scope.
        released: called after a teardown with the same, and the exception of the teardown or None.
        report: called with a message and an exception that no run raises.
    """

    acquired: Callable[[str, ScopeKind], object]
    released: Callable[[str, ScopeKind, BaseException | None], object]
    report: Callable[[str, BaseException], object]


class Scope:
    """One lifetime: that of an engine, of a run, or of a call. It belongs to one event loop and its thread.

    Args:
        registry: which provider a name has.
        kind: "engine", "run" or "call".
        parent: the scope around it, which lasts longer: a run's is the engine's, a call's is the run's.
        hooks: callbacks about set-ups, teardowns and their failures.
        context: each resource is set up and torn down in a copy of it; None: the current one.
    """

    __slots__ = ("_bindings", "_closed", "_closing", "_context", "_instances", "_order", "hooks", "kind", "parent",
                 "registry")  # fmt: skip

    def __init__(
        self,
        registry: Registry,
        kind: ScopeKind,
        parent: Scope | None,
        hooks: Hooks,
        context: Context | None = None,
    ) -> None:
        self.registry = registry
        self.kind: ScopeKind = kind
        self.parent = parent
        self.hooks = hooks
        self._context = copy_context() if context is None else context
        self._bindings: dict[str, Binding] = {}  # of names used here: later overrides do not change them
        self._instances: dict[Binding, Instance] = {}
        self._order: list[Instance] = []  # those that are set up, in order of set-up
        self._closing = False
        self._closed: list[asyncio.Future[None]] | None = []  # done when the scope is closed; None: it is

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tear down."""
        return not self._instances

    # --------------------------------------------------------------------------------------------------- getting

    def ready(self, name: str) -> tuple[bool, Any]:
        """Return whether a resource is set up in this scope or a wider one, and its value.

        Raises:
            ResourceError: there is no such resource.
        """
        binding = self._bind(name)
        if isinstance(binding.provider, Value):
            return True, binding.provider.value
        instance = self._owner(binding)._instances.get(binding)
        if instance is None or instance.state != "ready":
            return False, None
        return True, instance.value

    def open(self, name: str) -> tuple[bool, Any]:
        """Set up a resource if that awaits nothing; return whether it is set up, and its value.

        Raises:
            ResourceError: there is no such resource.
            EngineStateError: the scope to which it belongs has ended.
            BaseException: the exception of its set-up.
        """
        binding = self._bind(name)
        if isinstance(binding.provider, Value):
            return True, binding.provider.value
        instance = self._open(binding)
        if instance is None or instance.state != "ready":
            return False, None
        return True, instance.value

    def binding(self, name: str) -> Binding:
        """Return the binding of a name in this scope.

        Raises:
            ResourceError: there is no such resource.
        """
        return self._bind(name)

    async def get(self, name: str) -> Any:
        """Return a resource. If necessary it is set up in the scope to which it belongs, its needs first.

        It awaits nothing if the set-ups await nothing. If a set-up fails, all calls that wait for it raise its
        exception, and the next use tries again. A set-up is stopped when all calls that wait for it are cancelled;
        they raise `CancelledError` when it has stopped.

        Raises:
            ResourceError: there is no such resource, or it does not yield once.
            EngineStateError: the scope to which it belongs has ended.
            BaseException: the exception of its set-up.
        """
        return await self.obtain(self._bind(name))

    async def obtain(self, binding: Binding) -> Any:
        """Return the resource of a binding of this scope; see `get`."""
        if isinstance(binding.provider, Value):
            return binding.provider.value
        while True:
            instance = self._open(binding)
            if instance is None:
                instance = self._owner(binding)._add(binding)
                instance.open_later()
            if instance.state != "ready":
                await instance.wait()
            if instance.state == "ready":
                return instance.value
            if (error := instance.failure()) is not None:
                try:
                    raise error
                finally:
                    del error  # its traceback leads to this frame
            # The set-up was given up by other calls, or the resource ended by itself: try again.

    def _bind(self, name: str) -> Binding:
        """Return the binding of a name. A run keeps the binding of its first use, whatever is overridden later."""
        found = self._bound(name)
        if found is not None:
            return found
        current = self.registry.binding(name)
        if self.kind == "engine":
            return current
        self._owner(current)
        for member in current.order:
            found = self._bound(member.name)
            if found is None:
                needs = {parameter: self._bind(need.name) for parameter, need in member.needs.items()}
                found = self.registry.join([member.name], member.provider, needs)
                (self if found.scope == "call" else self._around("run"))._bindings[member.name] = found
        return self._bind(name)

    def _bound(self, name: str) -> Binding | None:
        scope: Scope | None = self
        while scope is not None:
            if (found := scope._bindings.get(name)) is not None:
                return found
            scope = scope.parent
        return None

    def _around(self, kind: ScopeKind) -> Scope:
        """Return the enclosing scope of a kind (this one, if it is of that kind), or this one if there is none."""
        scope: Scope | None = self
        while scope is not None:
            if scope.kind == kind:
                return scope
            scope = scope.parent
        return self

    def _owner(self, binding: Binding) -> Scope:
        """Return the scope in which a binding is set up."""
        owner = self._around(binding.scope)
        if owner.kind != binding.scope:
            raise ResourceError(
                f"resource must be of scope {self.kind} or longer, got `{binding.name}` of scope {binding.scope}"
            )
        return owner

    # --------------------------------------------------------------------------------------------------- set-up

    def _open(self, binding: Binding) -> Instance | None:
        """Set up what awaits nothing; return the instance, which may still be opening, or None if there is none."""
        found = self._owner(binding)._instances.get(binding)
        if found is not None:
            return found
        for member in binding.order:
            if isinstance(member.provider, Value):
                continue
            owner = self._owner(member)
            found = owner._instances.get(member)
            if found is None:
                if not member.provider.is_sync:
                    return None
                found = owner._add(member)
                found.open_now({parameter: owner._value(need) for parameter, need in member.needs.items()})
            if found.state != "ready":
                return found if member is binding else None
        return found

    def _add(self, binding: Binding) -> Instance:
        if self._closing:
            raise EngineStateError(f"cannot set up resource `{binding.name}`: its {self.kind} has ended")
        if not isinstance(binding.provider, Resource):
            raise InternalError(f"a value was to be set up: {binding!r}")
        instance = self._instances[binding] = Instance(self, binding, binding.provider, self._context.copy())
        return instance

    def _value(self, binding: Binding) -> Any:
        """Return the value of a binding that is set up."""
        if isinstance(binding.provider, Value):
            return binding.provider.value
        return self._owner(binding)._instances[binding].value

    def opened(self, instance: Instance) -> None:
        """Note that an instance is set up."""
        self._order.append(instance)
        self.hooks.acquired(instance.binding.name, self.kind)

    def forget(self, instance: Instance) -> None:
        """Note that an instance is gone: the next use of its binding sets up another one."""
        if self._instances.get(instance.binding) is instance:
            del self._instances[instance.binding]

    # -------------------------------------------------------------------------------------------------- teardown

    async def close(self, error: BaseException | None) -> BaseException | None:
        """Tear down all instances of this scope, the last one first. None of them may still be in use.

        All teardowns are done, even if some fail. The first failure in a scope that has none becomes the failure of the
        scope, and is raised in the generators that follow; any other is reported, and added to that failure as a note.
        A cancellation does not stop it, but is raised at the end. It awaits nothing if the teardowns await nothing.

        Args:
            error: the failure of the run or call, which is raised in the generators; None: it has not failed.

        Returns:
            The failure of a teardown, if ``error`` is None: the run or call fails with it.
        """
        if self._closing:
            if (cancelled := await self._wait_closed()) is not None:
                raise cancelled
            return None
        self._closing = True
        cancelled = None
        urgent: list[BaseException] = []
        opening = [instance for instance in self._instances.values() if instance.state == "opening"]
        for instance in opening:
            instance.abandon()
        for instance in opening:
            cancelled = await instance.wait_while("opening") or cancelled
        first: Instance | None = None  # the instance whose teardown is the failure of the scope
        failure = error
        while self._order:
            instance = self._order[-1]
            if not instance.end_now(failure):
                instance.end_later(failure)
                cancelled = await instance.wait_while("ready", "ending") or cancelled
            if instance.teardown_error is None:
                continue
            if isinstance(instance.teardown_error, URGENT):
                urgent.append(instance.teardown_error)
            elif failure is None:
                first, failure = instance, instance.teardown_error
            else:
                self._report(instance)
                name = instance.binding.name
                add_note(failure, f"resource `{name}` failed in its teardown: {describe(instance.teardown_error)}")
        self._has_closed()
        if first is not None and (urgent or cancelled is not None):
            self._report(first)
        if urgent:
            raise urgent[0]
        if cancelled is not None:
            raise cancelled
        return None if first is None else first.teardown_error

    def abandon(self, error: BaseException) -> None:
        """End a scope whose event loop was closed: tear down what awaits nothing, report the rest as lost."""
        self._closing = True
        for instance in [*self._order[::-1], *self._instances.values()]:
            if instance.state != "ready" or not instance.end_now(error):
                instance.abandon_teardown(error)
            if instance.teardown_error is not None:
                self._report(instance)
                instance.teardown_error = None
        self._closed = None

    def _report(self, instance: Instance) -> None:
        assert instance.teardown_error is not None
        self.hooks.report(f"resource `{instance.binding.name}` failed in its teardown", instance.teardown_error)

    def closed(self, instance: Instance, wrong: BaseException | None, *, early: bool) -> None:
        """Note that an instance is torn down.

        Args:
            instance: the instance.
            wrong: the exception of its teardown, or None.
            early: whether it ended by itself, before its scope.
        """
        name = instance.binding.name
        self.forget(instance)
        if instance in self._order:
            self._order.remove(instance)
        if not early:
            instance.teardown_error = wrong
        elif wrong is not None and not isinstance(wrong, URGENT):
            self.hooks.report(f"resource `{name}` ended before its {self.kind} did", wrong)
        self.hooks.released(name, self.kind, wrong)

    def report(self, message: str, error: BaseException) -> None:
        """Report an exception that no run raises."""
        self.hooks.report(message, error)

    async def _wait_closed(self) -> CancelledError | None:
        cancelled = None
        while self._closed is not None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._closed.append(waiter)
            try:
                await waiter
            except CancelledError as error:
                cancelled = error
        return cancelled

    def _has_closed(self) -> None:
        waiting, self._closed = self._closed, None
        for waiter in waiting or ():
            settle(waiter)
