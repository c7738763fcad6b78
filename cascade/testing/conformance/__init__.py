"""Conformance checks for implementations of the protocols in `cascade.protocols`.

    check_solver           solver.py
    check_executor         executor.py
    check_connector        connector.py
    check_state_backend    state.py
    check_cache_store      cache.py
    check_cache_policy     cache.py

Each is a function that returns None if the implementation conforms, and otherwise raises an `AssertionError` whose
message begins with the violated requirement. They need no test framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade._support.lazy_names import lazy_names

if TYPE_CHECKING:
    from cascade.testing.conformance.cache import check_cache_policy, check_cache_store
    from cascade.testing.conformance.connector import check_connector
    from cascade.testing.conformance.executor import check_executor
    from cascade.testing.conformance.solver import check_solver
    from cascade.testing.conformance.state import check_state_backend

# Imported on first access: each check needs only the part of Cascade that it is about.
_LATER = {
    "check_cache_policy": "cascade.testing.conformance.cache",
    "check_cache_store": "cascade.testing.conformance.cache",
    "check_connector": "cascade.testing.conformance.connector",
    "check_executor": "cascade.testing.conformance.executor",
    "check_solver": "cascade.testing.conformance.solver",
    "check_state_backend": "cascade.testing.conformance.state",
}


__all__ = [
    "check_cache_policy",
    "check_cache_store",
    "check_connector",
    "check_executor",
    "check_solver",
    "check_state_backend",
]

__getattr__, __dir__ = lazy_names(__name__, _LATER, __all__)
