"""The protocols, and the checks of implementations: they pass ours, and name what is wrong with others."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from cascade import protocols
from cascade.durable.memory import MemoryState
from cascade.graph.solver import NativeSolver
from cascade.messaging.local_connector import LocalConnector
from cascade.protocols import Connector, Executor, Solver, StateBackend
from cascade.workers.executors import ProcessExecutor, ThreadExecutor

OURS = [
    (Solver, NativeSolver()),
    (Executor, ThreadExecutor()),
    (Executor, ProcessExecutor()),
    (Connector, LocalConnector()),
    (StateBackend, MemoryState()),
]


@pytest.mark.parametrize(("protocol", "ours"), OURS, ids=lambda value: getattr(value, "__name__", ""))
def test_ours_are_instances_and_nothing_else_is(protocol: Any, ours: object) -> None:
    assert isinstance(ours, protocol)
    assert not isinstance(object(), protocol)
    others = [other for other, _ in OURS if other is not protocol]
    assert not any(isinstance(ours, other) for other in others)


def test_those_of_caches_are_named_here_too() -> None:
    cache = pytest.importorskip("cascade.cache.protocol")
    assert protocols.CachePolicy is cache.CachePolicy
    assert protocols.CacheStore is cache.CacheStore
    conformance = pytest.importorskip("cascade.testing.conformance")
    assert conformance.check_cache_store is not None
    assert conformance.check_cache_policy is not None
    assert all(hasattr(conformance, name) for name in conformance.__all__)
    assert all(hasattr(protocols, name) for name in protocols.__all__)


@pytest.mark.parametrize("name", ["cascade.protocols", "cascade.testing.conformance"])
def test_what_is_not_there(name: str) -> None:
    module = __import__(name, fromlist=["x"])
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = module.nothing


def test_the_protocols_are_light() -> None:
    code = "import sys, cascade.protocols; print(*sorted({'asyncio', 'sqlite3', 'multiprocessing'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# ---------------------------------------------------------------------------------------------------------- solvers


# -------------------------------------------------------------------------------------------------------- executors


# ------------------------------------------------------------------------------------------------------- connectors


# --------------------------------------------------------------------------------------------------- state backends
