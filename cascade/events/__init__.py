"""Events: what an engine tells about its runs, and who listens.

    event       the events: frozen structs
    bus         who subscribes to what, and how it is delivered
    failure     an exception as text
    observer    what the ready-made subscribers share: they are attached to engines
    log, sink   events as JSON lines in a file, and back
    console     runs as a person wants to read them; told, crowd: what it leaves out
    logger      events for standard logging
    wording     events in words, for both of these
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade._support.failures import describe
from cascade._support.lazy_names import lazy_names
from cascade.events.bus import Events, Subscription
from cascade.events.event import (
    EVENTS,
    CacheHit,
    Event,
    NodeBlocked,
    NodeEvent,
    NodeFailed,
    NodeFinished,
    NodeRetrying,
    NodeSkipped,
    NodeStarted,
    NodeUnblocked,
    ResourceAcquired,
    ResourceEvent,
    ResourceReleased,
    RunEvent,
    RunFinished,
    RunStarted,
    TailCall,
    TaskDemoted,
    TemplateBuilt,
    TemplateEvent,
    TemplateEvicted,
    TemplateLoaded,
)

if TYPE_CHECKING:
    from cascade.events.console import EventConsole
    from cascade.events.log import EventLog
    from cascade.events.logger import EventLogger
    from cascade.events.subscriber import Observer

# An engine needs none of these to tell nobody anything.
_LATER = {
    "EventConsole": "cascade.events.console",
    "EventLog": "cascade.events.log",
    "EventLogger": "cascade.events.logger",
    "Observer": "cascade.events.subscriber",
}


__all__ = [
    "EVENTS",
    "CacheHit",
    "Event",
    "EventConsole",
    "EventLog",
    "EventLogger",
    "Events",
    "NodeBlocked",
    "NodeEvent",
    "NodeFailed",
    "NodeFinished",
    "NodeRetrying",
    "NodeSkipped",
    "NodeStarted",
    "NodeUnblocked",
    "Observer",
    "ResourceAcquired",
    "ResourceEvent",
    "ResourceReleased",
    "RunEvent",
    "RunFinished",
    "RunStarted",
    "Subscription",
    "TailCall",
    "TaskDemoted",
    "TemplateBuilt",
    "TemplateEvent",
    "TemplateEvicted",
    "TemplateLoaded",
    "describe",
]

__getattr__, __dir__ = lazy_names(__name__, _LATER, __all__)
