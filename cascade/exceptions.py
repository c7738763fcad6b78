"""Every exception that Cascade raises of itself.

    CascadeError
    ├── TaskDefinitionError    (also TypeError)     what was given to `cs.task` cannot be a task
    ├── TaskArgumentError      (also TypeError)     arguments do not fit the task's signature
    ├── TargetError            (also TypeError)     what was given to run is not a target
    ├── PolicyError            (also TypeError)     a retry, timeout, cache, condition or map was given something wrong
    ├── InputError             (also ValueError)    a Param or Env has no value, or one that does not convert
    ├── RouteError             (also LookupError)   a router's selector gave a key that has no route
    ├── MapError               (also ValueError)    the inputs of a map cannot be zipped
    ├── TaskSkippedError                            the target was skipped, as its condition was false
    ├── TaskTimeoutError       (also TimeoutError)  a task took longer than its timeout
    ├── CacheKeyError          (also TypeError)     something in a cached call cannot be hashed soundly
    ├── ResourceError          (also LookupError)   a resource is not registered, or needs itself
    ├── LimitError             (also ValueError)    a limit is unknown, or can never be met
    ├── StructureError         (also ValueError)    an expression has no structure that can be written down
    ├── TemplateError          (also ValueError)    a key, graph or plan is not a valid template
    ├── EngineClosedError      (also RuntimeError)  the engine was closed
    ├── EngineStateError       (also RuntimeError)  the call does not fit what the engine is doing
    ├── DeadlockError          (also RuntimeError)  everybody waits, and for ever
    ├── VirtualTimeError       (also RuntimeError)  what takes real time was asked for under a virtual clock
    ├── WorkerError            (also RuntimeError)  a call was lost on its way to a worker process, in it, or back
    ├── ChannelClosedError                          the channel was closed
    ├── ChannelFullError                            the channel is at its capacity
    └── InternalError                               a defect in Cascade

What a task raises is never wrapped in one of these: it leaves the run as itself, with a note that says where. Only a
failure in a worker process whose class cannot be imported here is replaced, by a `WorkerError`.
"""

from __future__ import annotations

__all__ = [
    "CacheKeyError",
    "CascadeError",
    "ChannelClosedError",
    "ChannelFullError",
    "DeadlockError",
    "EngineClosedError",
    "EngineStateError",
    "InputError",
    "InternalError",
    "LimitError",
    "MapError",
    "PolicyError",
    "ResourceError",
    "RouteError",
    "StructureError",
    "TargetError",
    "TaskArgumentError",
    "TaskDefinitionError",
    "TaskSkippedError",
    "TaskTimeoutError",
    "TemplateError",
    "VirtualTimeError",
    "WorkerError",
]


class CascadeError(Exception):
    """Base class of every exception that Cascade raises of itself."""


class TaskDefinitionError(CascadeError, TypeError):
    """What was given to `cs.task` cannot be a task: it is not callable, or an option is unknown."""


class TaskArgumentError(CascadeError, TypeError):
    """A task was called with arguments that its signature does not take; raised at the call, not in the run."""


class TargetError(CascadeError, TypeError):
    """What was given to run is neither a lazy result nor a list or tuple of lazy results."""


class PolicyError(CascadeError, TypeError):
    """A retry, timeout, cache, constraint, condition or map was given what it cannot use; raised when it is given."""


class InputError(CascadeError, ValueError):
    """Params or environment variables are missing, unknown or do not convert; raised before any task starts."""


class RouteError(CascadeError, LookupError):
    """A router's selector gave a key for which there is no route, and the router has no default."""


class MapError(CascadeError, ValueError):
    """The inputs of a map cannot be zipped: their lengths differ, or one is no series of items."""


class TaskSkippedError(CascadeError):
    """The target of a run was skipped, as a condition was false; the message names the condition."""


class TaskTimeoutError(CascadeError, TimeoutError):
    """A task took longer than its timeout, per attempt or in total."""


class CacheKeyError(CascadeError, TypeError):
    """An argument, or data that a function closes over, cannot be hashed soundly; the message says where it is."""


class ResourceError(CascadeError, LookupError):
    """A resource is not registered, or resources need one another in a circle; raised before any task starts."""


class LimitError(CascadeError, ValueError):
    """A limit is not known to the engine, or asks for more than there will ever be."""


class StructureError(CascadeError, ValueError):
    """An expression has no structure: a container holds itself and a lazy result, or there is too much of it."""


class TemplateError(CascadeError, ValueError):
    """A structure key, graph or plan is not valid; the message names the place."""


class EngineClosedError(CascadeError, RuntimeError):
    """The engine was closed, and starts no more runs."""


class EngineStateError(CascadeError, RuntimeError):
    """The call does not fit what the engine is doing, such as `cs.run` inside a running event loop."""


class DeadlockError(CascadeError, RuntimeError):
    """Everybody waits, and for ever: under a virtual clock no time can pass that would change that.

    The message lists who waits for what.
    """


class VirtualTimeError(CascadeError, RuntimeError):
    """What takes real time was asked for under a virtual clock: a socket, a process, a thread."""


class WorkerError(CascadeError, RuntimeError):
    """A call's way to a worker process or back has failed: in pickling, or as the process died. The message says why.

    One that stands for a failure whose class cannot be imported here is an instance of the nearest base of that class
    that can be, too, and has those of its attributes that can be pickled.
    """


class ChannelClosedError(CascadeError):
    """The channel was closed: nothing more can be sent, and all that was queued has been received."""


class ChannelFullError(CascadeError):
    """The channel is at its capacity, and its overflow rule is "error"."""


class InternalError(CascadeError):
    """Something that cannot happen has happened: a defect in Cascade. Please report it with the traceback."""

    def __str__(self) -> str:
        return f"{super().__str__()} (a defect in Cascade, not in your code: please report it, traceback included)"


for _name in __all__:
    globals()[_name].__module__ = "cascade"
