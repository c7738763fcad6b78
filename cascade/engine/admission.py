"""Asking the limits whether a call may start, and waiting until it may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cascade._core.expr.task import Task
from cascade._core.run.waiting import Waiter
from cascade._core.shape.template import Template

if TYPE_CHECKING:
    from cascade.engine.host import Host
    from cascade.engine.run import Run
    from cascade.limits import Grant, Request

__all__ = ["request_permit", "wait_for"]


def request_permit(host: Host, waiter: Waiter, run: Run, template: Template, at: int, frame: int, task: Task) -> bool:
    """Whether a node that the engine evaluates itself may start; if not, the waiter is released when it may."""
    limits = host.services.limits
    request = limits.request(f"{task.module}.{task.name}", task.name, run.id, None)
    if run._use_permit(frame, at) and not limits.paused(request):
        return True  # it has waited for it
    grant = limits.try_acquire(request)
    if grant is not None:
        grant.release()
        return True

    async def ask() -> None:
        (await wait_for(host, request, run, template, at)).release()
        run._grant_permit(frame, at)

    def answered(asked: asyncio.Task[None]) -> None:
        if asked.cancelled() or asked.exception() is not None:
            waiter.follow(asked)
        else:
            waiter.release()

    waiter.handle = asyncio.Task(ask(), loop=host.loop)
    waiter.handle.add_done_callback(answered)
    return False


async def wait_for(host: Host, request: Request, run: Run, template: Template, at: int) -> Grant:
    """Wait until the limits grant what a node requests, and return the grant; events tell of it."""
    emitter, timers = host.services.emitter, host.timers
    start = timers.now()
    reasons = []

    def blocked(reason: str) -> None:
        reasons.append(reason)
        emitter.blocked(run, template, at, reason)

    grant = await host.services.limits.acquire(request, blocked)
    if reasons:
        emitter.unblocked(run, template, at, reasons[-1], (timers.now() - start) * 1e-9)
    return grant
