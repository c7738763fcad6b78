"""The exceptions of Cascade.

    CascadeError
    ├── TaskDefinitionError    (also TypeError)     an argument of `cs.task` cannot be a task
    ├── TaskArgumentError      (also TypeError)     arguments do not fit the task's signature
    ├── TargetError            (also TypeError)     the argument is not a target
    ├── PolicyError            (also TypeError)     an argument of a retry, timeout, cache, condition or map is wrong
    ├── InputError             (also ValueError)    a Param or Env has no value, or one that does not convert
    ├── RouteError             (also LookupError)   a router's selector gave a key that has no route
    ├── MapError               (also ValueError)    the inputs of a map cannot be zipped
    ├── TaskSkippedError                            the target was skipped, as its condition was false
    ├── TaskTimeoutError       (also TimeoutError)  a task took longer than its timeout
    ├── CacheKeyError          (also TypeError)     a part of a cached call cannot be hashed
    ├── ResourceError          (also LookupError)   a resource is not registered, or needs itself
    ├── LimitError             (also ValueError)    a limit is unknown, or can never be met
    ├── StructureError         (also ValueError)    an expression has no structure
    ├── TemplateError          (also ValueError)    a key, graph or plan is not a valid template
    ├── RunLimitError          (also RuntimeError)  a run has reached its max_iterations
    │   └── RunDeadlineError   (also TimeoutError)  a run has reached its deadline
    ├── EngineClosedError      (also RuntimeError)  the engine was closed
    ├── EngineStateError       (also RuntimeError)  the call does not fit what the engine is doing
    ├── DeadlockError          (also RuntimeError)  every run is waiting, and nothing can wake one
    ├── VirtualTimeError       (also RuntimeError)  code would take real time under a virtual clock
    ├── WorkerError            (also RuntimeError)  a call was lost on its way to a worker process, in it, or back
    ├── ChannelClosedError                          the channel was closed
    ├── ChannelFullError                            the channel is at its capacity
    └── InternalError                               a defect in Cascade

An exception of a task is never wrapped: the run raises the exception itself, with a note about the place. Only an
exception of a worker process whose class cannot be imported here is replaced, by a `WorkerError`.
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
    "RunDeadlineError",
    "RunLimitError",
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
    """The base class of the exceptions of Cascade."""


class TaskDefinitionError(CascadeError, TypeError):
    """An argument of `cs.task` cannot be a task: it is not callable, or an option is unknown."""


class TaskArgumentError(CascadeError, TypeError):
    """A task was called with arguments that its signature does not accept; raised by the call, not by the run."""


class TargetError(CascadeError, TypeError):
    """A target is neither a lazy result nor a list or tuple of lazy results."""


class PolicyError(CascadeError, TypeError):
    """An argument of a retry, timeout, cache, constraint, condition or map is wrong; raised when it is given."""


class InputError(CascadeError, ValueError):
    """Params or environment variables are missing, unknown or do not convert; raised before any task starts."""


class RouteError(CascadeError, LookupError):
    """A router's selector gave a key for which there is no route, and the router has no default."""


class MapError(CascadeError, ValueError):
    """The inputs of a map cannot be zipped: their lengths differ, or one is not iterable."""


class TaskSkippedError(CascadeError):
    """The target of a run was skipped, as a condition was false; the message names the condition."""


class TaskTimeoutError(CascadeError, TimeoutError):
    """A task took longer than its timeout, per attempt or in total."""


class CacheKeyError(CascadeError, TypeError):
    """An argument, or data that a function closes over, cannot be hashed; the message names the place."""


class ResourceError(CascadeError, LookupError):
    """A resource is not registered, or resources need one another in a cycle; raised before any task starts."""


class LimitError(CascadeError, ValueError):
    """A limit is unknown to the engine, or a call needs more than its capacity."""


class StructureError(CascadeError, ValueError):
    """An expression has no structure: a container holds itself and a lazy result, or the expression is too large."""


class TemplateError(CascadeError, ValueError):
    """A structure key, graph or plan is not valid; the message names the place."""


class RunLimitError(CascadeError, RuntimeError):
    """A run has reached a bound that it was given: ``max_iterations``; `RunDeadlineError`: ``deadline``.

    The message says which bound, in which iteration, and what the run was doing.
    """


class RunDeadlineError(RunLimitError, TimeoutError):
    """A run has reached its ``deadline``; the message says after how many iterations, and what it was doing."""


class EngineClosedError(CascadeError, RuntimeError):
    """The engine was closed, and starts no more runs."""


class EngineStateError(CascadeError, RuntimeError):
    """The call does not fit what the engine is doing, such as `cs.run` inside a running event loop."""


class DeadlockError(CascadeError, RuntimeError):
    """Every run is waiting and nothing can wake one: under a virtual clock, no timer is left.

    The message lists what each run waits for.
    """


class VirtualTimeError(CascadeError, RuntimeError):
    """Code would take real time under a virtual clock: a socket, a process, a thread."""


class WorkerError(CascadeError, RuntimeError):
    """A call to a worker process has failed: its arguments or result cannot be pickled, or the process died.

    If it replaces an exception whose class cannot be imported here, it is also an instance of the nearest base class
    that can be imported, and has the attributes that can be pickled.
    """


class ChannelClosedError(CascadeError):
    """The channel was closed: nothing more can be sent, and all that was queued has been received."""


class ChannelFullError(CascadeError):
    """The channel is at its capacity, and its overflow rule is "error"."""


class InternalError(CascadeError):
    """An invariant of Cascade was violated: a defect. Please report it with the traceback."""

    def __str__(self) -> str:
        return (
            f"{super().__str__()} (a defect in Cascade, not in your code: please report it, with the traceback under "
            f"CASCADE_TRACEBACK=full)"
        )


for _name in __all__:
    globals()[_name].__module__ = "cascade"
