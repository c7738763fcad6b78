"""Events: what happens in an engine, for subscribers.

event         the events: frozen structs
bus           subscriptions, and the delivery of events
subscriber    the base class of subscribers that are attached to whole engines
log           events as JSON lines in a file, and back; line_writer: the file with its buffer
console       runs as lines for people; run_digest, line_limiter: which lines are left out
logger        events as records of standard logging
text          an event as text, for console and logger
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
    NodeCaught,
    NodeEvent,
    NodeFailed,
    NodeFinished,
    NodePruned,
    NodeRetrying,
    NodeSkipped,
    NodeStarted,
    NodeStopped,
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
    from cascade.events.subscriber import Subscriber

# Loaded at first use: an engine needs none of these.
_LATER = {
    "EventConsole": "cascade.events.console",
    "EventLog": "cascade.events.log",
    "EventLogger": "cascade.events.logger",
    "Subscriber": "cascade.events.subscriber",
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
    "Subscriber",
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
