"""Bindings: a name, its provider, and the bindings of its needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cascade.exceptions import ResourceError
from cascade.resources.provider import LIFETIMES, Resource, ScopeKind, Value

__all__ = ["Binding", "check_lifetimes", "outside_call"]


class Binding:
    """What is set up once in a scope. Bindings made of the same parts are one object; see `Registry.join`.

    So an override changes the bindings of exactly those resources that need, directly or not, what it overrides; and
    when it ends, the former bindings are valid again, with the instances that were set up for them.

    Attributes:
        name: the name under which the provider is registered.
        provider: makes the resource, or is its value.
        needs: the binding of each parameter of the provider that is a resource.
        order: all bindings to set up for it, each after its needs; itself last.
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
        """The scope in which it is set up."""
        return self.provider.scope

    def __repr__(self) -> str:
        return f"<Binding {self.name}: {self.provider!r}>"


def check_lifetimes(path: Iterable[str], provider: Resource | Value, needs: Iterable[Binding]) -> None:
    """Check that no need of a provider has a shorter lifetime than the provider.

    Args:
        path: the names that lead to the provider, its own last.
        provider: the provider.
        needs: the bindings of its needs.

    Raises:
        ResourceError: one has a shorter lifetime.
    """
    for need in needs:
        if LIFETIMES.index(need.scope) > LIFETIMES.index(provider.scope):
            *_, name = names = list(path)
            raise ResourceError(
                f"resource `{name}` of scope {provider.scope} needs `{need.name}` of scope {need.scope}, "
                f"which does not last as long - at {' -> '.join([*names, need.name])}"
            )


def outside_call(name: str) -> str:
    """Return the message for a resource of scope "call" that is used elsewhere than as an argument of a call."""
    return (
        f"resource {name!r} of scope 'call' must be an argument of a call, got it elsewhere; "
        f"pass it as an argument of its own, or give it the scope 'run'"
    )
