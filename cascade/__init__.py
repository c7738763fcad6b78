"""Cascade: declarative, recursive task graphs at the speed of a hand-written loop.

The public names, and the place of each:

    task, LazyResult, gather    expressions                            cascade/_core/expr/, cascade/expressions/
    lazy                        a lazy result, for type checkers       cascade/expressions/lazy.py
    Router, SKIPPED             branching                              cascade/expressions/router.py
    sequence, pipeline          order                                  cascade/expressions/order.py
    recover, fallback, race ... failures as values                     cascade/expressions/recovery.py
    const                       constants of maps                      cascade/_core/expr/map_inputs.pyx
    attr, data                  attributes of values, values as data   cascade/_core/expr/
    Param, Env, cli             inputs from outside                    cascade/expressions/inputs.py
    resource, inject, Inject    resources                              cascade/resources/
    cached, ResultCache         cached results                         cascade/cache/
    register_key                types that caches are taught           cascade/cache/register.py
    EventLog, EventConsole      events                                 cascade/events/
    run, arun, Engine, Run      evaluation                             cascade/engine/
    emit                        events of your own                     cascade/engine/own_events.py
    current, CurrentCall        the call that code is a part of        cascade/engine/current.py
    Population                  many runs at once                      cascade/engine/population.py
    Restart                     failed members, started again          cascade/engine/restart.py
    wait, wait_until, ticks     waiting                                cascade/_core/expr/waits.pyx
    Channel, Received           messages                               cascade/messaging/, cascade/_core/run/mailbox.pyx
    Clock, VirtualLoop          real and virtual time                  cascade/_core/time/, cascade/clock/
    Templates, preload          templates in memory and on disk        cascade/templates/
    explain, visualize, ...     inspection                             cascade/inspect/
    dry_run, DryRun             dry runs                               cascade/inspect/dry_run.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

# First: it loads the compiled core, and explains an import error.
import cascade._support.loading  # isort: split  # noqa: F401
from cascade._core.expr.builtin_nodes import SKIPPED, inject
from cascade._core.expr.data import data
from cascade._core.expr.lazy import LazyResult, displayed_by
from cascade._core.expr.map_inputs import Const as const
from cascade._core.expr.outcome import Outcome
from cascade._core.expr.task import Task, task
from cascade._core.expr.waits import ticks, wait, wait_until
from cascade._core.run.choice import select
from cascade._core.run.mailbox import Received
from cascade._core.time.clock import Clock
from cascade._support.lazy_names import lazy_names
from cascade._version import __version__ as __version__
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
    RunDeadlineError,
    RunLimitError,
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
from cascade.expressions.lazy import lazy
from cascade.expressions.order import pipeline, sequence
from cascade.expressions.recovery import fallback, outcome, race, recover, scope
from cascade.expressions.router import Router

if TYPE_CHECKING:
    from cascade._core.expr.operator_tasks import attr
    from cascade._core.shape.template import Template
    from cascade._support.notebooks import Types
    from cascade.cache.file_exists import FileExists
    from cascade.cache.memory_store import MemoryStore
    from cascade.cache.policy import ResultCache, cached
    from cascade.cache.protocol import CachePolicy, CacheStore, Hit
    from cascade.cache.register import register_key
    from cascade.cache.sqlite_store import DiskStore
    from cascade.clock.virtual_loop import VirtualLoop
    from cascade.command_line.program import cli
    from cascade.durable.memory import MemoryState
    from cascade.durable.protocol import StateBackend
    from cascade.engine.current import CurrentCall, RunIdentity, current
    from cascade.engine.engine import Engine
    from cascade.engine.own_events import emit
    from cascade.engine.population import Population, PopulationCounts
    from cascade.engine.restart import Restart
    from cascade.engine.run import Run
    from cascade.engine.runner import arun, run
    from cascade.events import EventConsole, EventLog, EventLogger
    from cascade.expressions.inputs import Env, Param
    from cascade.graph.solver import Solver
    from cascade.inspect.api import Picture, explain, structural_hash, to_json, visualize
    from cascade.inspect.dry_run import DryRun, dry_run
    from cascade.inspect.json_document import Shape, from_json
    from cascade.messaging.channel import Channel
    from cascade.messaging.local_connector import LocalConnector
    from cascade.messaging.protocol import Connector
    from cascade.resources.provider import resource
    from cascade.templates.cache import Templates, TemplateStats, preload
    from cascade.workers.protocol import Executor

# Names that need asyncio are imported at their first use: worker processes only define tasks, and need none of them.
_LATER = {
    "CachePolicy": "cascade.cache.protocol",
    "CacheStore": "cascade.cache.protocol",
    "Channel": "cascade.messaging.channel",
    "Connector": "cascade.messaging.protocol",
    "CurrentCall": "cascade.engine.current",
    "DiskStore": "cascade.cache.sqlite_store",
    "DryRun": "cascade.inspect.dry_run",
    "Engine": "cascade.engine.engine",
    "Env": "cascade.expressions.inputs",
    "EventConsole": "cascade.events",
    "EventLog": "cascade.events",
    "EventLogger": "cascade.events",
    "Executor": "cascade.workers.protocol",
    "FileExists": "cascade.cache.file_exists",
    "Hit": "cascade.cache.protocol",
    "LocalConnector": "cascade.messaging.local_connector",
    "MemoryState": "cascade.durable.memory",
    "MemoryStore": "cascade.cache.memory_store",
    "Param": "cascade.expressions.inputs",
    "Picture": "cascade.inspect.api",
    "Population": "cascade.engine.population",
    "PopulationCounts": "cascade.engine.population",
    "Restart": "cascade.engine.restart",
    "ResultCache": "cascade.cache.policy",
    "Run": "cascade.engine.run",
    "RunIdentity": "cascade.engine.current",
    "Shape": "cascade.inspect.json_document",
    "Solver": "cascade.graph.solver",
    "StateBackend": "cascade.durable.protocol",
    "TemplateStats": "cascade.templates.cache",
    "Templates": "cascade.templates.cache",
    "VirtualLoop": "cascade.clock.virtual_loop",
    "arun": "cascade.engine.runner",
    "attr": "cascade._core.expr.operator_tasks",
    "cached": "cascade.cache.policy",
    "cli": "cascade.command_line.program",
    "current": "cascade.engine.current",
    "dry_run": "cascade.inspect.dry_run",
    "emit": "cascade.engine.own_events",
    "explain": "cascade.inspect.api",
    "from_json": "cascade.inspect.json_document",
    "preload": "cascade.templates.cache",
    "register_key": "cascade.cache.register",
    "resource": "cascade.resources.provider",
    "run": "cascade.engine.runner",
    "structural_hash": "cascade.inspect.api",
    "to_json": "cascade.inspect.api",
    "visualize": "cascade.inspect.api",
}


# Typed as `Any`, so that it can be the default of a parameter of any type.
Inject: Callable[[str], Any] = inject

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
    "CurrentCall",
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
    "Outcome",
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
    "RunDeadlineError",
    "RunIdentity",
    "RunLimitError",
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
    "arun",
    "attr",
    "cached",
    "cli",
    "const",
    "current",
    "data",
    "dry_run",
    "emit",
    "explain",
    "fallback",
    "from_json",
    "gather",
    "inject",
    "lazy",
    "outcome",
    "pipeline",
    "preload",
    "race",
    "recover",
    "register_key",
    "resource",
    "run",
    "scope",
    "select",
    "sequence",
    "structural_hash",
    "task",
    "ticks",
    "to_json",
    "visualize",
    "wait",
    "wait_until",
]

__getattr__, __dir__ = lazy_names(__name__, _LATER, __all__)


def _display(shown: LazyResult | Template, include: Types = None, exclude: Types = None) -> dict[str, str]:
    from cascade.inspect.display import display

    return display(shown, include, exclude)


displayed_by(_display)
