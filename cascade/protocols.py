"""The protocols of the parts of Cascade that can be replaced. A class fulfils one by having its methods.

    Solver          makes plans of graphs                       `Engine(solver=...)`, `Templates(solver=...)`
    Executor        calls sync tasks off the event loop         `Engine(executors={"thread": ..., "process": ...})`
    CachePolicy     decides under which key a result is kept    `LazyResult.with_cache(...)`
    CacheStore      keeps results                               `ResultCache(store=...)`, `cached(store=...)`
    Connector       transports messages by topic                `Engine.register(...)`
    StateBackend    stores the state of runs at tail calls      `Engine(state=...)`

Beside them, the types of the arguments and results of their methods, and Cascade's own implementations.
`cascade.testing.conformance` has a check for each protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade._support.lazy_names import lazy_names

if TYPE_CHECKING:
    from cascade.cache.protocol import CachePolicy, CacheStore, Hit, NoResult
    from cascade.durable.checkpoint import Boundary
    from cascade.durable.memory import MemoryState
    from cascade.durable.protocol import StateBackend
    from cascade.graph.model import GraphTemplate, PlanTemplate
    from cascade.graph.solver import NativeSolver, Solver
    from cascade.messaging.local_connector import LocalConnector
    from cascade.messaging.protocol import Connector
    from cascade.workers.executors import ProcessExecutor, ThreadExecutor
    from cascade.workers.protocol import Executor

__all__ = [
    "Boundary",
    "CachePolicy",
    "CacheStore",
    "Connector",
    "Executor",
    "GraphTemplate",
    "Hit",
    "LocalConnector",
    "MemoryState",
    "NativeSolver",
    "NoResult",
    "PlanTemplate",
    "ProcessExecutor",
    "Solver",
    "StateBackend",
    "ThreadExecutor",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Boundary": "cascade.durable.checkpoint",
        "CachePolicy": "cascade.cache.protocol",
        "CacheStore": "cascade.cache.protocol",
        "Connector": "cascade.messaging.protocol",
        "Executor": "cascade.workers.protocol",
        "GraphTemplate": "cascade.graph.model",
        "Hit": "cascade.cache.protocol",
        "LocalConnector": "cascade.messaging.local_connector",
        "MemoryState": "cascade.durable.memory",
        "NativeSolver": "cascade.graph.solver",
        "NoResult": "cascade.cache.protocol",
        "PlanTemplate": "cascade.graph.model",
        "ProcessExecutor": "cascade.workers.executors",
        "Solver": "cascade.graph.solver",
        "StateBackend": "cascade.durable.protocol",
        "ThreadExecutor": "cascade.workers.executors",
    },
    __all__,
)
