"""Resources: what tasks are given by name, set up when it is needed and torn down after its last use.

    provider      `cs.resource`: a function that makes a resource, its scope, and what it needs; ready-made values
    connector     connections to message brokers, as resources
    binding       a name, its provider, and the bindings of all that this needs: what is set up once a scope
    registry      which provider stands for a name now; overrides; what cannot be set up is found here
    scope         one lifetime: what is set up in it, in which order, and its end
    instance      one resource in one scope, from set-up to teardown
    generator     the two halves of a generator: up to its yield, and from there to its end

Only scopes and instances take asyncio. To define resources, as worker processes do, takes none of it.
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
