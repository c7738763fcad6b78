"""Cascade: declarative, recursive task graphs at the speed of a hand-written loop.

    task, LazyResult, gather    what expressions are written with      cascade/_core/task.pyx, lazy.pyx; cascade/gather.py
    Router, SKIPPED             which parts of them are evaluated      cascade/routing.py, cascade/_core/control.pyx
    sequence, pipeline          in which order                         cascade/order.py
    const                       and how often: maps                    cascade/_core/zipped.pyx
    inject, Inject              what they are given by the engine      cascade/_core/special.pyx
    run, Engine, Run            what runs them                         cascade/engine.py, cascade/runs.py
    wait, Channel, Received     waiting and messages                   cascade/channel.py, cascade/_core/mailbox.pyx
    Templates, structural_hash  the shapes of expressions              cascade/templates.py, cascade/structure.py
    preload                     shapes met by other processes          cascade/templates.py, cascade/graph/store.py
    explain, visualize          pictures of them                       cascade/structure.py, cascade/graph/
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    from cascade._core import lazy as _lazy  # noqa: F401
except ImportError as error:
    raise ImportError(
        "the compiled core of Cascade is missing or does not fit this Python: "
        "build it with `pip install .` in a checkout (or `make`)"
    ) from error

from cascade._core.lazy import LazyResult
from cascade._core.mailbox import Received, wait
from cascade._core.special import SKIPPED, inject
from cascade._core.special import inject as Inject
from cascade._core.task import Task, task
from cascade._core.zipped import Const as const
from cascade.exceptions import (
    CacheKeyError,
    CascadeError,
    ChannelClosedError,
    ChannelFullError,
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
)
from cascade.gather import gather
from cascade.order import pipeline, sequence
from cascade.routing import Router

if TYPE_CHECKING:
    from cascade.channel import Channel
    from cascade.engine import Engine, run
    from cascade.runs import Run
    from cascade.structure import Picture, explain, structural_hash, visualize
    from cascade.templates import Templates, TemplateStats, preload

# What needs asyncio is imported when it is first asked for: to define tasks, as worker processes do, takes none of it.
_LATER = {
    "Channel": "cascade.channel",
    "Env": "cascade.inputs",
    "Param": "cascade.inputs",
    "cli": "cascade.commands.program",
    "Engine": "cascade.engine",
    "Picture": "cascade.structure",
    "Run": "cascade.runs",
    "TemplateStats": "cascade.templates",
    "Templates": "cascade.templates",
    "explain": "cascade.structure",
    "preload": "cascade.templates",
    "run": "cascade.engine",
    "structural_hash": "cascade.structure",
    "visualize": "cascade.structure",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'cascade' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__version__ = "0.1.0"

__all__ = [
    "SKIPPED",
    "CacheKeyError",
    "CascadeError",
    "Channel",
    "ChannelClosedError",
    "ChannelFullError",
    "Engine",
    "EngineClosedError",
    "EngineStateError",
    "Inject",
    "InputError",
    "InternalError",
    "LazyResult",
    "LimitError",
    "MapError",
    "Picture",
    "PolicyError",
    "Received",
    "ResourceError",
    "RouteError",
    "Router",
    "Run",
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
    "const",
    "explain",
    "gather",
    "inject",
    "pipeline",
    "preload",
    "run",
    "sequence",
    "structural_hash",
    "task",
    "visualize",
    "wait",
]
