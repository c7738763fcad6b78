"""Checks that implementations of the protocols in `cascade.protocols` can be given to.

    check_solver           solver.py
    check_executor         executor.py
    check_connector        connector.py
    check_state_backend    state.py
    check_cache_store      cascade/testing/conformance/cache.py
    check_cache_policy     the same

Each is a function that returns if all is well, and raises an `AssertionError` that begins with the requirement of the
protocol that is broken. They need no test framework.
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

# Each needs the part of Cascade that it is about, and no more.
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
