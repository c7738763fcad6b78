"""Injected resources in the key of a call: by their providers, not by their instances in this run.

A registered value counts as data. A function that makes a resource counts by its code and by all that it holds and
reads, and so do the resources that it needs. A provider that cannot be hashed in this way is identified within this
process only, and other processes must not find its results.
"""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Sequence
from typing import Any, Protocol

from cascade.cache.fingerprint import fingerprint
from cascade.cache.identity import identity
from cascade.exceptions import CacheKeyError

__all__ = ["ResourceKey"]

_tokens: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()  # by provider


class Binding(Protocol):
    """A binding, as `cascade.resources.binding.Binding`: a name, its provider, and its needs."""

    name: str

    @property
    def provider(self) -> Any:
        """The function that makes the resource, or its value."""

    @property
    def order(self) -> Sequence[Binding]:
        """The bindings of its needs, and itself last."""


class ResourceKey:
    """An injected resource among the arguments of a call, as a cache policy gets them.

    Attributes:
        name: the name of the resource.
        binding: its binding in the run.
        outlives: whether other processes may find the results; set by the policy.
    """

    __slots__ = ("binding", "name", "outlives")

    def __init__(self, name: str, binding: Binding) -> None:
        self.name = name
        self.binding = binding
        self.outlives = True

    def __cascade_content__(self) -> dict[str, Any]:
        """Return the providers of the resource and of its needs by name, for `fingerprint`.

        Raises:
            CacheKeyError: results outlive the process, but a provider is known in this process only.
        """
        return {"": self.name, "providers": [self._provider(member) for member in self.binding.order]}

    def _provider(self, member: Binding) -> list[Any]:
        provider = member.provider
        try:
            if hasattr(provider, "fn"):
                return [member.name, provider.scope, identity(provider.fn, member.name)]
            return [member.name, provider.scope, fingerprint(provider.value, member.name)]
        except CacheKeyError as error:
            if self.outlives:
                raise CacheKeyError(
                    f"resource `{member.name}` must be known to other processes where results are kept for them: "
                    f"{error}, or register a function made with `cs.resource`"
                ) from None
        token = _tokens.get(provider)
        if token is None:
            token = _tokens.setdefault(provider, secrets.token_hex(16))
        return [member.name, provider.scope, token]

    def __repr__(self) -> str:
        return f"<resource {self.name}>"
