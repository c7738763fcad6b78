"""Bindings: a name, the provider that stands for it, and the bindings of what that needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cascade.exceptions import ResourceError
from cascade.resources.provider import LIVES, Resource, ScopeKind, Value

__all__ = ["Binding", "check_lives"]


class Binding:
    """What is set up once in a scope. Two that were made of the same parts are one object; see `Registry.join`.

    So an override gives other bindings to all that needs what it overrides, and only to that; and when it is over,
    the former bindings are back, with what was set up for them.

    Attributes:
        name: under which the provider is registered.
        provider: makes it, or is its value.
        needs: for each parameter of the provider that is a resource, its binding.
        order: all that must be set up for it, each after what it needs; itself last.
    """

    __slots__ = ("__weakref__", "name", "needs", "order", "provider")

    def __init__(self, name: str, provider: Resource | Value, needs: Mapping[str, Binding]) -> None:
        self.name = name
        self.provider = provider
        self.needs = needs
        order: dict[Binding, None] = {}
        for need in needs.values():
            order |= dict.fromkeys(need.order)
        self.order: tuple[Binding, ...] = (*order, self)

    @property
    def scope(self) -> ScopeKind:
        """What it lasts for."""
        return self.provider.scope

    def __repr__(self) -> str:
        return f"<Binding {self.name}: {self.provider!r}>"


def check_lives(path: Iterable[str], provider: Resource | Value, needs: Iterable[Binding]) -> None:
    """Raise if something would not last as long as what needs it.

    Args:
        path: the names that led here, the one of the provider last.
        provider: what needs the others.
        needs: the others.
    """
    for need in needs:
        if LIVES.index(need.scope) > LIVES.index(provider.scope):
            *_, name = names = list(path)
            raise ResourceError(
                f"resource `{name}` of scope {provider.scope} needs `{need.name}` of scope {need.scope}, "
                f"which does not last as long - at {' -> '.join([*names, need.name])}"
            )
