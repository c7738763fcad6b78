"""What the tests of resources share: who is told, scopes in one another, and resources that say what they do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cascade.resources.provider import Resource, ScopeKind, resource
from cascade.resources.registry import Registry
from cascade.resources.scope import Hooks, Scope


@dataclass
class Told:
    """Hooks that keep what they are told."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    reports: list[tuple[str, BaseException]] = field(default_factory=list)

    def acquired(self, name: str, scope_kind: ScopeKind) -> None:
        self.events.append(("acquired", name, scope_kind))

    def released(self, name: str, scope_kind: ScopeKind, error: BaseException | None) -> None:
        self.events.append(("released", name, scope_kind, error))

    def report(self, message: str, error: BaseException) -> None:
        self.reports.append((message, error))


class Lives:
    """A registry with an engine's scope, a run's in it, and a call's in that."""

    def __init__(self, *providers: Resource, **values: object) -> None:
        self.registry = Registry()
        for provider in providers:
            self.registry.register(provider)
        for name, value in values.items():
            self.registry.register(value, name)
        self.told = Told()
        self.hooks = Hooks(self.told.acquired, self.told.released, self.told.report)
        self.engine = Scope(self.registry, "engine", None, self.hooks)
        self.run = self.new_run()
        self.call = self.new_call()

    def new_run(self) -> Scope:
        return Scope(self.registry, "run", self.engine, self.hooks)

    def new_call(self, run: Scope | None = None) -> Scope:
        return Scope(self.registry, "call", run or self.run, self.hooks)

    async def close(self, error: BaseException | None = None) -> None:
        for scope in (self.call, self.run, self.engine):
            await scope.close(error)


def sync_one(name: str, log: list[str], scope: ScopeKind = "run") -> Resource:
    def one() -> Iterator[str]:
        log.append(f"+{name}")
        try:
            yield name
        except BaseException as error:
            log.append(f"!{name} {type(error).__name__}")
            raise
        finally:
            log.append(f"-{name}")

    return resource(one, scope=scope, name=name)


def async_one(name: str, log: list[str], scope: ScopeKind = "run", pause: Callable[[], Any] | None = None) -> Resource:
    async def one() -> AsyncIterator[str]:
        log.append(f"({name}")
        try:
            if pause is not None:
                await pause()
        except BaseException:
            log.append(f"{name} stopped)")
            raise
        log.append(f"+{name}")
        try:
            yield name
        except BaseException as error:
            log.append(f"!{name} {type(error).__name__}")
            raise
        finally:
            if pause is not None:
                await pause()
            log.append(f"-{name}")

    return resource(one, scope=scope, name=name)


def returns_at_once(coroutine: Any) -> Any:
    """Run a coroutine that must not await anything."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise AssertionError("it awaits something")
