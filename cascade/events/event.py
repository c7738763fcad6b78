"""The events of an engine: what happened, when, in which run.

    Event
    ├── RunEvent        RunStarted, RunFinished, TailCall
    ├── NodeEvent       NodeStarted, NodeFinished, NodeFailed, NodeRetrying, NodeSkipped, NodeBlocked, NodeUnblocked,
    │                   CacheHit
    ├── ResourceEvent   ResourceAcquired, ResourceReleased
    ├── TemplateEvent   TemplateBuilt, TemplateLoaded, TemplateEvicted
    └── TaskDemoted

Those in the middle are never emitted: to subscribe to one is to subscribe to all below it. An event holds numbers and
text only, nothing of what the tasks compute, so that it can be kept, sent and written down without keeping anything
else alive.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cascade._support.public import public_in

__all__ = [
    "EVENTS",
    "CacheHit",
    "Event",
    "NodeBlocked",
    "NodeEvent",
    "NodeFailed",
    "NodeFinished",
    "NodeRetrying",
    "NodeSkipped",
    "NodeStarted",
    "NodeUnblocked",
    "ResourceAcquired",
    "ResourceEvent",
    "ResourceReleased",
    "RunEvent",
    "RunFinished",
    "RunStarted",
    "TailCall",
    "TaskDemoted",
    "TemplateBuilt",
    "TemplateEvent",
    "TemplateEvicted",
    "TemplateLoaded",
]


@public_in("cascade.events")
class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="event", gc=False):
    """Something that happened in an engine. All events are of a class below this one.

    Written down, as JSON or MessagePack, an event is an object with its class's name under "event".

    Attributes:
        time: seconds on the engine's clock; only differences mean something.
        run: the number of the run in which it happened; 0: in none.

    >>> import msgspec
    >>> from cascade.events import RunStarted
    >>> msgspec.json.encode(RunStarted(time=1.5, run=3, target="jobs.main"))
    b'{"event":"RunStarted","time":1.5,"run":3,"target":"jobs.main"}'
    """

    time: float
    run: int = 0


# -- runs ------------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class RunEvent(Event, frozen=True, kw_only=True):
    """Something happened to a run as a whole."""


@public_in("cascade.events")
class RunStarted(RunEvent, frozen=True, kw_only=True):
    """A run was started.

    Attributes:
        target: the task that was called to make the target, as "module.name"; "list" for a list of targets.
    """

    target: str


@public_in("cascade.events")
class RunFinished(RunEvent, frozen=True, kw_only=True):
    """A run has ended: nothing of it is running any more.

    Attributes:
        outcome: "done": it has a value; "failed": a task raised; "cancelled"; "skipped": a condition was false, and so
            there is no value.
        iterations: how many tail calls it made.
        seconds: from its start to its end.
        error: what it raises, as "Type: message"; None if it is done or was cancelled.
    """

    outcome: Literal["done", "failed", "cancelled", "skipped"]
    iterations: int
    seconds: float
    error: str | None = None


@public_in("cascade.events")
class TailCall(RunEvent, frozen=True, kw_only=True):
    """The task at the root returned the next expression, which has taken the place of the last.

    Attributes:
        iteration: how many tail calls the run has made, this one included.
        target: the task at the root of the next expression, as "module.name".
    """

    iteration: int
    target: str


# -- nodes -----------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class NodeEvent(Event, frozen=True, kw_only=True):
    """Something happened to one node of a graph.

    Attributes:
        task: the task that the node calls, as "module.name".
        path: where the node is, seen from the target of its graph: "$.args[0]".
        iteration: how many tail calls its run had made.
        node: the number of the node in its template.
    """

    task: str
    path: str
    iteration: int
    node: int


@public_in("cascade.events")
class NodeStarted(NodeEvent, frozen=True, kw_only=True):
    """The inputs of a node are there, it holds its limits and resources, and its task is called."""


@public_in("cascade.events")
class NodeFinished(NodeEvent, frozen=True, kw_only=True):
    """The task of a node has returned.

    Attributes:
        seconds: from its start to its end.
    """

    seconds: float


@public_in("cascade.events")
class NodeFailed(NodeEvent, frozen=True, kw_only=True):
    """The task of a node has raised, and is not tried again.

    Attributes:
        error: what it raised, as "Type: message".
    """

    error: str


@public_in("cascade.events")
class NodeRetrying(NodeEvent, frozen=True, kw_only=True):
    """The task of a node has raised, and will be tried again.

    Attributes:
        attempt: the attempt that failed; the first is 1.
        delay: seconds until the next one.
        error: what it raised, as "Type: message".
    """

    attempt: int
    delay: float
    error: str


@public_in("cascade.events")
class NodeSkipped(NodeEvent, frozen=True, kw_only=True):
    """A node will never start in this iteration.

    Attributes:
        reason: the condition that was false, or what it needed that was skipped, in words.
    """

    reason: str


@public_in("cascade.events")
class NodeBlocked(NodeEvent, frozen=True, kw_only=True):
    """A node could start, but must wait for a limit, a rate or the end of a pause.

    Attributes:
        reason: what it waits for, in words.
    """

    reason: str


@public_in("cascade.events")
class NodeUnblocked(NodeEvent, frozen=True, kw_only=True):
    """A node that was blocked need not wait any more.

    Attributes:
        reason: what it waited for, in words: that of its `NodeBlocked`.
        seconds: how long it waited.
    """

    reason: str
    seconds: float


@public_in("cascade.events")
class CacheHit(NodeEvent, frozen=True, kw_only=True):
    """The result of a node was in its result cache, and its task is not called.

    Attributes:
        key: the key of the result, in hexadecimal digits.
    """

    key: str


# -- resources -------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class ResourceEvent(Event, frozen=True, kw_only=True):
    """Something happened to a resource.

    Attributes:
        name: the name under which it is registered.
        scope: how long one instance of it lives.
    """

    name: str
    scope: Literal["run", "step", "engine"]


@public_in("cascade.events")
class ResourceAcquired(ResourceEvent, frozen=True, kw_only=True):
    """A resource was set up."""


@public_in("cascade.events")
class ResourceReleased(ResourceEvent, frozen=True, kw_only=True):
    """A resource was torn down.

    Attributes:
        error: what its teardown raised, as "Type: message"; None if all went well.
    """

    error: str | None = None


# -- templates -------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class TemplateEvent(Event, frozen=True, kw_only=True):
    """Something happened to a template.

    Attributes:
        target: the task at the root of its graph, as "module.name".
        nodes: how many nodes its graph has.
    """

    target: str
    nodes: int


@public_in("cascade.events")
class TemplateBuilt(TemplateEvent, frozen=True, kw_only=True):
    """A shape was met that has no template: its graph was built and its plan solved.

    Attributes:
        seconds: how long that took.
    """

    seconds: float


@public_in("cascade.events")
class TemplateLoaded(TemplateEvent, frozen=True, kw_only=True):
    """A template came from disk."""


@public_in("cascade.events")
class TemplateEvicted(TemplateEvent, frozen=True, kw_only=True):
    """A template was let go, as the table that holds it was full."""


# -- tasks -----------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class TaskDemoted(Event, frozen=True, kw_only=True):
    """A task under the auto rule held up the event loop: from now on it runs in worker threads.

    Attributes:
        task: the task, as "module.name".
        seconds: how long the call took.
    """

    task: str
    seconds: float


EVENTS: tuple[type[Event], ...] = (
    RunStarted,
    RunFinished,
    TailCall,
    NodeStarted,
    NodeFinished,
    NodeFailed,
    NodeRetrying,
    NodeSkipped,
    NodeBlocked,
    NodeUnblocked,
    CacheHit,
    ResourceAcquired,
    ResourceReleased,
    TemplateBuilt,
    TemplateLoaded,
    TemplateEvicted,
    TaskDemoted,
)
"""Every class of events that an engine emits."""
