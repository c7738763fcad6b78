"""An event as text: a word for what happened, and a line about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cascade._support.one_line import plain
from cascade.events.event import (
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
    ResourceReleased,
    RunFinished,
    RunStarted,
    TailCall,
    TaskDemoted,
    TemplateBuilt,
    TemplateEvicted,
    TemplateLoaded,
)

__all__ = ["counted", "owner", "span", "worded"]


def worded(event: Event) -> tuple[str, str]:
    """Return one word for what happened, and the rest as text on one line.

    Args:
        event: any event.

    >>> worded(NodeRetrying(time=0, run=1, task="a.b", path="$", iteration=0, node=0, attempt=1, delay=0.5, error="E"))
    ('retrying', 'a.b at $: attempt 1 failed, next in 500 ms: E')
    >>> worded(RunFinished(time=0, run=1, outcome="done", iterations=12, seconds=1.25))
    ('done', 'in 1.25 s, 12 tail calls')
    """
    found = _WORDS.get(type(event))
    if found is None:  # an event class that is not one of `EVENTS`
        return type(event).__name__, plain(repr(event))
    return found(event)


def owner(event: Event) -> str:
    """Return where an event happened: "run 3", "run 3 (order-17)" if it has a name, or "engine"."""
    if not event.run:
        return "engine"
    return f"run {event.run}" if event.run_name is None else f"run {event.run} ({plain(event.run_name)})"


def span(seconds: float) -> str:
    """Return a duration as text for people.

    >>> span(0.00025), span(0.25), span(12.5), span(200), span(7500)
    ('0.25 ms', '250 ms', '12.50 s', '3 min 20 s', '2 h 5 min')
    """
    if seconds < 0.01:
        return f"{seconds * 1e3:.2f} ms"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def counted(number: int, what: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "node"), counted(1200, "node")
    ('1 node', '1,200 nodes')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _where(event: NodeEvent) -> str:
    iteration = f", iteration {event.iteration:,}" if event.iteration else ""
    return f"{plain(event.task)} at {plain(event.path)}{iteration}"


def _ended(word: str) -> Callable[[NodeFinished | NodeStopped], tuple[str, str]]:
    def text(event: NodeFinished | NodeStopped) -> tuple[str, str]:
        why = f": {_WHY[event.reason]}" if isinstance(event, NodeStopped) else ""
        wait = f" after a wait of {span(event.waited)}" if event.waited else ""
        return word, f"{_where(event)} in {span(event.seconds)}{wait}{why}"

    return text


def _finished(event: RunFinished) -> tuple[str, str]:
    calls = f", {counted(event.iterations, 'tail call')}" if event.iterations else ""
    error = f": {plain(event.error)}" if event.error is not None else ""
    return event.outcome, f"{'in' if event.outcome == 'done' else 'after'} {span(event.seconds)}{calls}{error}"


def _retrying(event: NodeRetrying) -> tuple[str, str]:
    when = f"next in {span(event.delay)}" if event.delay else "next at once"
    return "retrying", f"{_where(event)}: attempt {event.attempt} failed, {when}: {plain(event.error)}"


def _released(event: ResourceReleased) -> tuple[str, str]:
    error = f", but its teardown failed: {plain(event.error)}" if event.error is not None else ""
    return "released", f"{plain(event.name)} ({event.scope}){error}"


_WHY = {"failed": "a part of it has failed", "unneeded": "nothing needs it any longer", "run": "its run has ended"}
_WORDS: dict[type[Event], Callable[[Any], tuple[str, str]]] = {
    RunStarted: lambda event: ("started", plain(event.target)),
    RunFinished: _finished,
    TailCall: lambda event: ("tail call", f"{plain(event.target)}, iteration {event.iteration:,}"),
    NodeStarted: lambda event: ("running", _where(event)),
    NodeFinished: _ended("finished"),
    NodeStopped: _ended("stopped"),
    NodeCaught: lambda event: ("caught", f"{_where(event)}: {plain(event.error)}"),
    NodeFailed: lambda event: ("error", f"{_where(event)}: {plain(event.error)}"),
    NodeRetrying: _retrying,
    NodeSkipped: lambda event: ("skipped", f"{_where(event)}: {plain(event.reason)}"),
    NodePruned: lambda event: ("pruned", f"{_where(event)}: {plain(event.reason)}"),
    NodeBlocked: lambda event: ("blocked", f"{_where(event)}: {plain(event.reason)}"),
    NodeUnblocked: lambda event: ("unblocked", f"{_where(event)} after {span(event.seconds)}: {plain(event.reason)}"),
    CacheHit: lambda event: ("cached", f"{_where(event)}, key {plain(event.key, 20)}"),
    ResourceAcquired: lambda event: ("acquired", f"{plain(event.name)} ({event.scope})"),
    ResourceReleased: _released,
    TemplateBuilt: lambda event: (
        "template",
        f"built for {plain(event.target)}: {counted(event.nodes, 'node')} in {span(event.seconds)}",
    ),
    TemplateLoaded: lambda event: ("template", f"loaded for {plain(event.target)}: {counted(event.nodes, 'node')}"),
    TemplateEvicted: lambda event: ("template", f"evicted for {plain(event.target)}: {counted(event.nodes, 'node')}"),
    TaskDemoted: lambda event: (
        "demoted",
        f"{plain(event.task)} to worker threads: a call held up the event loop for {span(event.seconds)}",
    ),
}
