"""Every exception that Cascade raises of itself.

    CascadeError
    ├── TaskDefinitionError    (also TypeError)     what was given to `cs.task` cannot be a task
    ├── TaskArgumentError      (also TypeError)     arguments do not fit the task's signature
    ├── TargetError            (also TypeError)     what was given to run is not a target
    ├── StructureError         (also ValueError)    an expression has no structure that can be written down
    ├── TemplateError          (also ValueError)    a key, graph or plan is not a valid template
    ├── EngineClosedError      (also RuntimeError)  the engine was closed
    ├── EngineStateError       (also RuntimeError)  the call does not fit what the engine is doing
    ├── ChannelClosedError                          the channel was closed
    ├── ChannelFullError                            the channel is at its capacity
    └── InternalError                               a defect in Cascade

What a task raises is never wrapped in one of these: it leaves the run as itself, with a note that says where.
"""

from __future__ import annotations

__all__ = [
    "CascadeError",
    "ChannelClosedError",
    "ChannelFullError",
    "EngineClosedError",
    "EngineStateError",
    "InternalError",
    "StructureError",
    "TargetError",
    "TaskArgumentError",
    "TaskDefinitionError",
    "TemplateError",
]


class CascadeError(Exception):
    """Base class of every exception that Cascade raises of itself."""


class TaskDefinitionError(CascadeError, TypeError):
    """What was given to `cs.task` cannot be a task: it is not callable, or an option is unknown."""


class TaskArgumentError(CascadeError, TypeError):
    """A task was called with arguments that its signature does not take; raised at the call, not in the run."""


class TargetError(CascadeError, TypeError):
    """What was given to run is neither a lazy result nor a list or tuple of lazy results."""


class StructureError(CascadeError, ValueError):
    """An expression has no structure: a container holds itself and a lazy result, or there is too much of it."""


class TemplateError(CascadeError, ValueError):
    """A structure key, graph or plan is not valid; the message names the place."""


class EngineClosedError(CascadeError, RuntimeError):
    """The engine was closed, and starts no more runs."""


class EngineStateError(CascadeError, RuntimeError):
    """The call does not fit what the engine is doing, such as `cs.run` inside a running event loop."""


class ChannelClosedError(CascadeError):
    """The channel was closed: nothing more can be sent, and all that was queued has been received."""


class ChannelFullError(CascadeError):
    """The channel is at its capacity, and its overflow rule is "error"."""


class InternalError(CascadeError):
    """Something that cannot happen has happened: a defect in Cascade. Please report it with the traceback."""

    def __str__(self) -> str:
        return f"{super().__str__()} (a defect in Cascade, not in your code: please report it, traceback included)"
