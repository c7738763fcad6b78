"""Cascade: declarative, recursive task graphs at the speed of a hand-written loop.

    task, LazyResult, gather    what expressions are written with      cascade/_core/task.pyx, lazy.pyx; gather.py
    Router, SKIPPED             which parts of them are evaluated      cascade/routing.py, cascade/_core/control.pyx
    sequence, pipeline          in which order                         cascade/order.py
    const                       and how often: maps                    cascade/_core/zipped.pyx
    Param, Env, cli             what they are given from outside       cascade/inputs.py, cascade/commands/program.py
    resource, inject, Inject    and by the engine                      cascade/resources/, cascade/_core/special.pyx
    cached, ResultCache         results that are kept                  cascade/cache/
    EventLog, EventConsole      what happens, for those who listen     cascade/events/
    run, Engine, Run            what runs them                         cascade/engine.py, cascade/runs.py
    Population, Restart         many runs at once                      cascade/population.py
    wait, Channel, Received     waiting and messages                   cascade/channel.py, cascade/_core/mailbox.pyx
    Clock, VirtualLoop          in which time                          cascade/_core/clock.pyx, cascade/loop.py
    Templates, structural_hash  the shapes of expressions              cascade/templates.py, cascade/structure.py
    preload                     shapes met by other processes          cascade/templates.py, cascade/graph/store.py
    explain, visualize          pictures of them                       cascade/structure.py, cascade/graph/
    to_json, from_json, Shape   and documents                          cascade/graph/document.py
    dry_run, DryRun             what a run would do                    cascade/dry.py
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cascade import loading as _loading  # noqa: F401  first of all: it loads the compiled core
from cascade._core.choice import select
from cascade._core.clock import Clock
from cascade._core.lazy import LazyResult
from cascade._core.mailbox import Received, wait
from cascade._core.special import SKIPPED, inject
from cascade._core.task import Task, task
from cascade._core.zipped import Const as const
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
from cascade.gather import gather
from cascade.order import pipeline, sequence
from cascade.routing import Router

if TYPE_CHECKING:
    from cascade.cache.disk import DiskStore
    from cascade.cache.file import FileExists
    from cascade.cache.memory import MemoryStore
    from cascade.cache.policy import ResultCache, cached
    from cascade.cache.protocol import Hit
    from cascade.channel import Channel
    from cascade.commands.program import cli
    from cascade.connectors import LocalConnector
    from cascade.dry import DryRun, dry_run
    from cascade.engine import Engine, run
    from cascade.events import EventConsole, EventLog, EventLogger
    from cascade.graph.document import Shape, from_json
    from cascade.inputs import Env, Param
    from cascade.loop import VirtualLoop
    from cascade.population import Population, PopulationCounts, Restart
    from cascade.protocols import CachePolicy, CacheStore, Connector, Executor, Solver, StateBackend
    from cascade.resources.provider import resource
    from cascade.runs import Run
    from cascade.state import MemoryState
    from cascade.structure import Picture, explain, structural_hash, to_json, visualize
    from cascade.templates import Templates, TemplateStats, preload

# What needs asyncio is imported when it is first asked for: to define tasks, as worker processes do, takes none of it.
_LATER = {
    "CachePolicy": "cascade.protocols",
    "CacheStore": "cascade.protocols",
    "Channel": "cascade.channel",
    "Connector": "cascade.protocols",
    "DiskStore": "cascade.cache.disk",
    "DryRun": "cascade.dry",
    "Engine": "cascade.engine",
    "Env": "cascade.inputs",
    "EventConsole": "cascade.events",
    "EventLog": "cascade.events",
    "EventLogger": "cascade.events",
    "Executor": "cascade.protocols",
    "FileExists": "cascade.cache.file",
    "Hit": "cascade.cache.protocol",
    "LocalConnector": "cascade.connectors",
    "MemoryState": "cascade.state",
    "MemoryStore": "cascade.cache.memory",
    "Param": "cascade.inputs",
    "Picture": "cascade.structure",
    "Population": "cascade.population",
    "PopulationCounts": "cascade.population",
    "Restart": "cascade.population",
    "ResultCache": "cascade.cache.policy",
    "Run": "cascade.runs",
    "Shape": "cascade.graph.document",
    "Solver": "cascade.protocols",
    "StateBackend": "cascade.protocols",
    "TemplateStats": "cascade.templates",
    "Templates": "cascade.templates",
    "VirtualLoop": "cascade.loop",
    "cached": "cascade.cache.policy",
    "cli": "cascade.commands.program",
    "dry_run": "cascade.dry",
    "explain": "cascade.structure",
    "from_json": "cascade.graph.document",
    "preload": "cascade.templates",
    "resource": "cascade.resources.provider",
    "run": "cascade.engine",
    "structural_hash": "cascade.structure",
    "to_json": "cascade.structure",
    "visualize": "cascade.structure",
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
