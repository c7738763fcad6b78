"""The events of an engine: what happened, when, and in which run.

    Event
    ├── RunEvent        RunStarted, RunFinished, TailCall
    ├── NodeEvent       NodeStarted, NodeFinished, NodeFailed, NodeCaught, NodeStopped, NodeRetrying, NodeSkipped,
    │                   NodePruned, NodeBlocked, NodeUnblocked, CacheHit
    ├── ResourceEvent   ResourceAcquired, ResourceReleased
    ├── TemplateEvent   TemplateBuilt, TemplateLoaded, TemplateEvicted
    └── TaskDemoted

The classes in the middle are never emitted: a subscription to one is a subscription to all its subclasses. An event
contains numbers and texts only, never values that tasks compute, so that it can be stored and sent, and keeps nothing
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
    "NodeCaught",
    "NodeEvent",
    "NodeFailed",
    "NodeFinished",
    "NodePruned",
    "NodeRetrying",
    "NodeSkipped",
    "NodeStarted",
    "NodeStopped",
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
    "check_own_event",
]


@public_in("cascade.events")
class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag=True,
    tag_field="event",
    omit_defaults=True,
    repr_omit_defaults=True,
    gc=False,
):
    """Something that happened in an engine: the base of all events.

    Encoded as JSON or MessagePack, an event is an object with the name of its class as "event".

    A subclass is an event of your own, for `cascade.emit`, which sets the attributes of this class.

    Attributes:
        time: seconds on the engine's clock; only differences are meaningful.
        run: the number of the run, unique in its process; 0: it belongs to no run.
        timestamp: seconds since 1970-01-01 UTC, by the clock of the computer.
        process: the name of the process, which no other process has: host, number and a random part.
        run_name: the name that was given to the run; None: none.
        tags: those of the run.
        call: the number of the call, unique in its engine: all events of one call have it; 0: it is not of a call.

    >>> import msgspec
    >>> from cascade.events import RunStarted
    >>> msgspec.json.encode(RunStarted(time=1.5, run=3, target="jobs.main"))
    b'{"event":"RunStarted","time":1.5,"run":3,"target":"jobs.main"}'
    """

    time: float = -1.0
    run: int = 0
    timestamp: float = 0.0
    process: str = ""
    run_name: str | None = None
    tags: dict[str, str] = {}
    call: int = 0


# -- runs ------------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class RunEvent(Event, frozen=True, kw_only=True):
    """Something happened to a run as a whole."""


@public_in("cascade.events")
class RunStarted(RunEvent, frozen=True, kw_only=True):
    """A run was started.

    Attributes:
        target: the task that was called to make the target, as "module.name"; of a container or a value, the name of
            its type, such as "list".
    """

    target: str


@public_in("cascade.events")
class RunFinished(RunEvent, frozen=True, kw_only=True):
    """A run has ended: none of its tasks is running any more.

    Attributes:
        outcome: "done": it has a value; "failed": a task raised; "cancelled"; "skipped": it has no value, as a
            condition was false.
        iterations: the number of tail calls that it made.
        seconds: its duration.
        error: the exception, as "Type: message"; None if it is done or was cancelled.
    """

    outcome: Literal["done", "failed", "cancelled", "skipped"]
    iterations: int
    seconds: float
    error: str | None = None


@public_in("cascade.events")
class TailCall(RunEvent, frozen=True, kw_only=True):
    """The task at the root returned another expression, with which the run continues.

    Attributes:
        iteration: the number of tail calls of the run, this one included.
        target: the task at the root of the next expression, as "module.name"; of a container, the name of its type.
    """

    iteration: int
    target: str


# -- nodes -----------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class NodeEvent(Event, frozen=True, kw_only=True):
    """Something happened to one node of a graph.

    Attributes:
        task: the task that the node calls, as "module.name"; of other nodes, "cascade.router", "cascade.map" and so on;
            of a condition that was false, the task under it.
        path: of the node from the target on: "$.args[0]"; "$.args[0].returned.args[1]" is in what the task there has
            returned, "$.args[0].await" what it awaits, "$.args[0][3]" item 3 of the map there.
        iteration: the number of tail calls that its run had made.
        node: the number of the node in its template.
        parent: the number of the call that this one is a part of: the call that has returned the expression with this
            node, the async task that awaits it, or the map; 0: it is part of the target, or of a tail call of that.
        item: which item of the map `parent` it is, from 0 on; None: its parent is no map.
        kind: that of the node: "sync", "async", "map", "router", "guard" (a condition), "wait", "recv" and so on.
    """

    task: str
    path: str
    iteration: int
    node: int
    parent: int = 0
    item: int | None = None
    kind: str = ""


@public_in("cascade.events")
class NodeStarted(NodeEvent, frozen=True, kw_only=True):
    """The task of a node is called: its inputs are known, and it holds its limits and resources.

    Exactly one event follows with the same `call`: `NodeFinished`, `NodeFailed`, `NodeCaught` or `NodeStopped`.
    Routers, conditions, fallbacks and races may be skipped until they have their value: their start is told of right
    before that.
    """


@public_in("cascade.events")
class NodeFinished(NodeEvent, frozen=True, kw_only=True):
    """The call of a node has its value: that of the expression, if its task has returned one.

    Attributes:
        seconds: the duration of the call, without the time that it has waited.
        waited: seconds that it has waited since its inputs were known: for limits, for a worker, for another attempt.
    """

    seconds: float
    waited: float = 0.0


@public_in("cascade.events")
class NodeFailed(NodeEvent, frozen=True, kw_only=True):
    """The task of a node has raised, and is not retried.

    Attributes:
        error: the exception, as "Type: message".
        seconds: as of `NodeFinished`; None: not known, as nothing was subscribed to starts and ends.
        waited: as of `NodeFinished`, or None.
    """

    error: str
    seconds: float | None = None
    waited: float | None = None


@public_in("cascade.events")
class NodeCaught(NodeEvent, frozen=True, kw_only=True):
    """The task of a node has raised, is not retried, and the failure is caught: by a `recover`, a race, an `await`.

    Attributes:
        error: the exception, as "Type: message".
        seconds: as of `NodeFailed`.
        waited: as of `NodeFailed`.
    """

    error: str
    seconds: float | None = None
    waited: float | None = None


@public_in("cascade.events")
class NodeStopped(NodeEvent, frozen=True, kw_only=True):
    """A call that had started ends without a value and without a failure of its own.

    Attributes:
        reason: "failed": a part of it has, such as a call that it has returned, or an item of the map; "unneeded": its
            value is of no use any longer, as something else has failed or has won a race, or a time was over; "run":
            its run has ended.
        seconds: as of `NodeFinished`.
        waited: as of `NodeFinished`.
    """

    reason: Literal["failed", "unneeded", "run"]
    seconds: float
    waited: float = 0.0


@public_in("cascade.events")
class NodeRetrying(NodeEvent, frozen=True, kw_only=True):
    """The task of a node has raised, and will be retried.

    Attributes:
        attempt: the attempt that failed; the first is 1.
        delay: seconds until the next attempt.
        error: the exception, as "Type: message".
    """

    attempt: int
    delay: float
    error: str


@public_in("cascade.events")
class NodeSkipped(NodeEvent, frozen=True, kw_only=True):
    """A node will never start in this iteration.

    Attributes:
        reason: the condition that was false, or the input that was skipped, as text.
    """

    reason: str


@public_in("cascade.events")
class NodePruned(NodeEvent, frozen=True, kw_only=True):
    """A node never starts, as nothing needs its value: a router, a condition or a fallback has chosen another.

    Attributes:
        reason: what has chosen, as text.
    """

    reason: str


@public_in("cascade.events")
class NodeBlocked(NodeEvent, frozen=True, kw_only=True):
    """A node is ready to start, but must wait for a limit, a rate or the end of a pause.

    Attributes:
        reason: what it waits for, as text.
    """

    reason: str


@public_in("cascade.events")
class NodeUnblocked(NodeEvent, frozen=True, kw_only=True):
    """A node is no longer blocked.

    Attributes:
        reason: the reason of its `NodeBlocked`.
        seconds: the duration of the wait.
    """

    reason: str
    seconds: float


@public_in("cascade.events")
class CacheHit(NodeEvent, frozen=True, kw_only=True):
    """The result of a node was in its result cache; its task is not called.

    Attributes:
        key: the key of the result, as hexadecimal digits.
    """

    key: str


# -- resources -------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class ResourceEvent(Event, frozen=True, kw_only=True):
    """Something happened to a resource.

    Attributes:
        name: the name under which it is registered.
        scope: the lifetime of one instance of it.
    """

    name: str
    scope: Literal["run", "call", "engine"]


@public_in("cascade.events")
class ResourceAcquired(ResourceEvent, frozen=True, kw_only=True):
    """A resource was set up."""


@public_in("cascade.events")
class ResourceReleased(ResourceEvent, frozen=True, kw_only=True):
    """A resource was torn down.

    Attributes:
        error: the exception of its teardown, as "Type: message"; None if it succeeded.
    """

    error: str | None = None


# -- templates -------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class TemplateEvent(Event, frozen=True, kw_only=True):
    """Something happened to a template.

    Attributes:
        target: the task at the root of its graph, as "module.name".
        nodes: the number of nodes of its graph.
    """

    target: str
    nodes: int


@public_in("cascade.events")
class TemplateBuilt(TemplateEvent, frozen=True, kw_only=True):
    """A shape had no template: its graph was built and its plan solved.

    Attributes:
        seconds: the duration of that.
    """

    seconds: float


@public_in("cascade.events")
class TemplateLoaded(TemplateEvent, frozen=True, kw_only=True):
    """A template was loaded from a file."""


@public_in("cascade.events")
class TemplateEvicted(TemplateEvent, frozen=True, kw_only=True):
    """A template was evicted from the table, which was full."""


# -- tasks -----------------------------------------------------------------------------------------------------------


@public_in("cascade.events")
class TaskDemoted(Event, frozen=True, kw_only=True):
    """A task under the auto rule blocked the event loop: from now on it runs in worker threads.

    Attributes:
        task: the task, as "module.name".
        seconds: the duration of the call that blocked.
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
    NodeCaught,
    NodeStopped,
    NodeRetrying,
    NodeSkipped,
    NodePruned,
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


def check_own_event(event: object) -> None:
    """Raise `TypeError` unless something is an event of a class that the user has defined."""
    kind = type(event)
    if not isinstance(event, Event):
        raise TypeError(
            f"event must be an instance of a subclass of cascade.events.Event, got `{kind.__name__}`: write "
            f"`class Shipped(cascade.events.Event, frozen=True, kw_only=True): order: str`"
        )
    if kind in EVENTS or kind in (Event, RunEvent, NodeEvent, ResourceEvent, TemplateEvent):
        raise TypeError(f"event must be of a class of your own, got {kind.__name__}, which is one of the engine's")
