"""Injected resources in the key of a call: not what they are in this run, but what provides them.

A value that was registered is data. A function that makes a resource is its code, and what it holds and reads; so are
the resources that it needs. What cannot be told in that way from its like is itself alone: an object of this process,
whose results no other process may find.
"""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Sequence
from typing import Any, Protocol

from cascade.cache.fingerprint import fingerprint
from cascade.cache.identity import identity
from cascade.exceptions import CacheKeyError

__all__ = ["Provided"]

_tokens: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()  # by provider


class Binding(Protocol):
    """What is asked of `cascade.resources.binding.Binding`: a name, its provider, and all that it needs."""

    name: str

    @property
    def provider(self) -> Any:
        """What makes the resource, or has its value."""

    @property
    def order(self) -> Sequence[Binding]:
        """The bindings that it needs, and itself last."""


class Provided:
    """Stands for an injected resource where a cache policy is given the arguments of a call.

    Attributes:
        name: of the resource.
        binding: what the name stands for in the run.
        outlives: whether results may be found by other processes; the policy says so.
    """

    __slots__ = ("binding", "name", "outlives")

    def __init__(self, name: str, binding: Binding) -> None:
        self.name = name
        self.binding = binding
        self.outlives = True

    def __cascade_content__(self) -> dict[str, Any]:
        """For `fingerprint`: the providers of the resource and of all that it needs, by name.

        Raises:
            CacheKeyError: results outlive the process, and a provider is known in this one alone.
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
                    f"{error}; register a function made with `cs.resource`, or say with `key=` what counts of the call"
                ) from None
        token = _tokens.get(provider)
        if token is None:
            token = _tokens.setdefault(provider, secrets.token_hex(16))
        return [member.name, provider.scope, token]

    def __repr__(self) -> str:
        return f"<resource {self.name}>"
