"""Admission by the limits, for nodes and calls of one engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cascade._core.expr.task import Task
from cascade._core.run.waiting import Waiter
from cascade._core.shape.template import Template

if TYPE_CHECKING:
    from cascade.engine.host import Host
    from cascade.engine.run import Run
    from cascade.limits import Grant, Request
    from cascade.limits.claim import Entry

__all__ = ["request_of", "request_permit", "wait_for"]


def request_permit(host: Host, waiter: Waiter, run: Run, template: Template, at: int, frame: int, task: Task) -> bool:
    """Whether the limits admit a node that the core evaluates itself; if not, the waiter is released once they do."""
    limits = host.services.limits
    request = request_of(host, run, waiter, task, None)
    if run._use_permit(frame, at) and not limits.paused(request):
        return True  # it was admitted after waiting
    grant = limits.try_acquire(request)
    if grant is not None:
        grant.release()
        return True

    entry = limits.enter(request)

    async def ask() -> None:
        (await wait_for(host, entry, run, waiter)).release()
        run._grant_permit(frame, at)

    def answered(asked: asyncio.Task[None]) -> None:
        limits.abandon(entry)  # a task that is cancelled before it begins has not
        if asked.cancelled() or asked.exception() is not None:
            waiter.follow(asked)
        else:
            waiter.release()

    waiter.handle = asyncio.Task(ask(), loop=host.loop)
    waiter.handle.add_done_callback(answered)
    return False


def request_of(
    host: Host, run: Run, waiter: Waiter, task: Task, amounts: dict[str, Any] | None, *, is_scope: bool = False
) -> Request:
    """Return what a call, or a scope, asks of the limits."""
    name, around = f"{task.module}.{task.name}", run._grants_around(waiter)
    return host.services.limits.request(
        name, task.name, run.id, amounts, run._label.selected, is_scope=is_scope, around=around
    )


async def wait_for(host: Host, entry: Entry, run: Run, waiter: Waiter) -> Grant:
    """Wait until the limits grant a request, and return the grant. Emits NodeBlocked and NodeUnblocked if it waits."""
    emitter, timers = host.services.emitter, host.timers
    start = timers.now()
    reasons = []

    def blocked(reason: str) -> None:
        reasons.append(reason)
        emitter.blocked(run, waiter, reason)

    extras = run._ensure_extras()
    held_up = extras.held_up = {} if extras.held_up is None else extras.held_up
    held_up[waiter] = entry.claim
    try:
        grant = await host.services.limits.wait(entry, blocked)
    finally:
        held_up.pop(waiter, None)
    if reasons:
        emitter.unblocked(run, waiter, reasons[-1], timers.now() - start)
    return grant
