"""Cascade: declarative, recursive task graphs at the speed of a hand-written loop.

    task, LazyResult, gather    what expressions are written with      cascade/_core/expr/task.pyx, expr/lazy.pyx; gather.py
    Router, SKIPPED             which parts of them are evaluated      cascade/expressions/router.py, cascade/_core/run/branching.pyx
    sequence, pipeline          in which order                         cascade/expressions/order.py
    const                       and how often: maps                    cascade/_core/expr/map_inputs.pyx
    Param, Env, cli             what they are given from outside       cascade/expressions/inputs.py, cascade/command_line/program.py
    resource, inject, Inject    and by the engine                      cascade/resources/, cascade/_core/expr/builtin_nodes.pyx
    cached, ResultCache         results that are kept                  cascade/cache/
    EventLog, EventConsole      what happens, for those who listen     cascade/events/
    run, Engine, Run            what runs them                         cascade/engine/engine.py, cascade/engine/run.py
    Population, Restart         many runs at once                      cascade/engine/population.py
    wait, Channel, Received     waiting and messages                   cascade/messaging/channel.py, cascade/_core/run/mailbox.pyx
    Clock, VirtualLoop          in which time                          cascade/_core/time/clock.pyx, cascade/clock/virtual_loop.py
    Templates, structural_hash  the shapes of expressions              cascade/templates/cache.py, cascade/inspect/api.py
    preload                     shapes met by other processes          cascade/templates/cache.py, cascade/templates/store.py
    explain, visualize          pictures of them                       cascade/inspect/api.py, cascade/graph/
    to_json, from_json, Shape   and documents                          cascade/inspect/json_document.py
    dry_run, DryRun             what a run would do                    cascade/inspect/dry_run.py
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cascade._core.expr.builtin_nodes import SKIPPED, inject
from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.map_inputs import Const as const
from cascade._core.expr.task import Task, task
from cascade._core.run.choice import select
from cascade._core.run.mailbox import Received, wait
from cascade._core.time.clock import Clock
from cascade._support import loading as _loading  # noqa: F401  first of all: it loads the compiled core
from cascade.exceptions import (
    CacheKeyError,
    CascadeError,
    ChannelClosedError,
    ChannelFullError,
    DeadlockError,
    EngineClosedError,
    EngineStateError,
    InputError,
    InternalError,
    LimitError,
    MapError,
    PolicyError,
    ResourceError,
    RouteError,
    StructureError,
    TargetError,
    TaskArgumentError,
    TaskDefinitionError,
    TaskSkippedError,
    TaskTimeoutError,
    TemplateError,
    VirtualTimeError,
    WorkerError,
)
from cascade.expressions.gather import gather
from cascade.expressions.order import pipeline, sequence
from cascade.expressions.router import Router

if TYPE_CHECKING:
    from cascade.cache.file_exists import FileExists
    from cascade.cache.memory_store import MemoryStore
    from cascade.cache.policy import ResultCache, cached
    from cascade.cache.protocol import Hit
    from cascade.cache.sqlite_store import DiskStore
    from cascade.clock.virtual_loop import VirtualLoop
    from cascade.command_line.program import cli
    from cascade.durable.memory import MemoryState
    from cascade.engine.engine import Engine, run
    from cascade.engine.population import Population, PopulationCounts, Restart
    from cascade.engine.run import Run
    from cascade.events import EventConsole, EventLog, EventLogger
    from cascade.expressions.inputs import Env, Param
    from cascade.inspect.api import Picture, explain, structural_hash, to_json, visualize
    from cascade.inspect.dry_run import DryRun, dry_run
    from cascade.inspect.json_document import Shape, from_json
    from cascade.messaging.channel import Channel
    from cascade.messaging.local_connector import LocalConnector
    from cascade.protocols import CachePolicy, CacheStore, Connector, Executor, Solver, StateBackend
    from cascade.resources.provider import resource
    from cascade.templates.cache import Templates, TemplateStats, preload

# What needs asyncio is imported when it is first asked for: to define tasks, as worker processes do, takes none of it.
_LATER = {
    "CachePolicy": "cascade.protocols",
    "CacheStore": "cascade.protocols",
    "Channel": "cascade.messaging.channel",
    "Connector": "cascade.protocols",
    "DiskStore": "cascade.cache.sqlite_store",
    "DryRun": "cascade.inspect.dry_run",
    "Engine": "cascade.engine.engine",
    "Env": "cascade.expressions.inputs",
    "EventConsole": "cascade.events",
    "EventLog": "cascade.events",
    "EventLogger": "cascade.events",
    "Executor": "cascade.protocols",
    "FileExists": "cascade.cache.file_exists",
    "Hit": "cascade.cache.protocol",
    "LocalConnector": "cascade.messaging.local_connector",
    "MemoryState": "cascade.durable.memory",
    "MemoryStore": "cascade.cache.memory_store",
    "Param": "cascade.expressions.inputs",
    "Picture": "cascade.inspect.api",
    "Population": "cascade.engine.population",
    "PopulationCounts": "cascade.engine.population",
    "Restart": "cascade.engine.population",
    "ResultCache": "cascade.cache.policy",
    "Run": "cascade.engine.run",
    "Shape": "cascade.inspect.json_document",
    "Solver": "cascade.protocols",
    "StateBackend": "cascade.protocols",
    "TemplateStats": "cascade.templates.cache",
    "Templates": "cascade.templates.cache",
    "VirtualLoop": "cascade.clock.virtual_loop",
    "cached": "cascade.cache.policy",
    "cli": "cascade.command_line.program",
    "dry_run": "cascade.inspect.dry_run",
    "explain": "cascade.inspect.api",
    "from_json": "cascade.inspect.json_document",
    "preload": "cascade.templates.cache",
    "resource": "cascade.resources.provider",
    "run": "cascade.engine.engine",
    "structural_hash": "cascade.inspect.api",
    "to_json": "cascade.inspect.api",
    "visualize": "cascade.inspect.api",
}


def __getattr__(name: str) -> Any:
    if name == "testing":
        return import_module("cascade.testing")
    if name not in _LATER:
        raise AttributeError(f"module 'cascade' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


# As the default of a parameter it stands where a value of another type is expected.
Inject: Callable[[str], Any] = inject

__version__ = "0.1.0"

__all__ = [
    "SKIPPED",
    "CacheKeyError",
    "CachePolicy",
    "CacheStore",
    "CascadeError",
    "Channel",
    "ChannelClosedError",
    "ChannelFullError",
    "Clock",
    "Connector",
    "DeadlockError",
    "DiskStore",
    "DryRun",
    "Engine",
    "EngineClosedError",
    "EngineStateError",
    "Env",
    "EventConsole",
    "EventLog",
    "EventLogger",
    "Executor",
    "FileExists",
    "Hit",
    "Inject",
    "InputError",
    "InternalError",
    "LazyResult",
    "LimitError",
    "LocalConnector",
    "MapError",
    "MemoryState",
    "MemoryStore",
    "Param",
    "Picture",
    "PolicyError",
    "Population",
    "PopulationCounts",
    "Received",
    "ResourceError",
    "Restart",
    "ResultCache",
    "RouteError",
    "Router",
    "Run",
    "Shape",
    "Solver",
    "StateBackend",
    "StructureError",
    "TargetError",
    "Task",
    "TaskArgumentError",
    "TaskDefinitionError",
    "TaskSkippedError",
    "TaskTimeoutError",
    "TemplateError",
    "TemplateStats",
    "Templates",
    "VirtualLoop",
    "VirtualTimeError",
    "WorkerError",
    "cached",
    "cli",
    "const",
    "dry_run",
    "explain",
    "from_json",
    "gather",
    "inject",
    "pipeline",
    "preload",
    "resource",
    "run",
    "select",
    "sequence",
    "structural_hash",
    "task",
    "to_json",
    "visualize",
    "wait",
]
