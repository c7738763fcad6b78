"""Resources: what tasks are given by name. Set up before its first use and torn down after its last.

    provider      `cs.resource`: the function that makes a resource, its scope and its needs; values
    connected     connections to message brokers, as resources
    binding       a name, its provider, and the bindings of its needs: what is set up once a scope
    registry      which provider a name has now; overrides; finds what cannot be set up
    scope         one lifetime: its instances, in order of set-up, and its end
    instance      one resource in one scope, from set-up to teardown
    generator     the two halves of a generator: up to its yield, and from there to its end

Only scopes and instances need asyncio: worker processes, which only define resources, do not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade._support.lazy_names import lazy_names
from cascade.resources.provider import Resource, resource

if TYPE_CHECKING:
    from cascade.resources.registry import Registry
    from cascade.resources.scope import Hooks, Scope

__all__ = ["Hooks", "Registry", "Resource", "Scope", "resource"]

_LATER = {
    "Hooks": "cascade.resources.scope",
    "Registry": "cascade.resources.registry",
    "Scope": "cascade.resources.scope",
}

__getattr__, __dir__ = lazy_names(__name__, _LATER, __all__)
