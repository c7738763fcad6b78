"""What the tests of limits ask for."""

from __future__ import annotations

import asyncio

from cascade.limits import Grant, Limits


def ask(limits: Limits, task: str = "fetch", run: int = 1, **amounts: object) -> asyncio.Task[Grant]:
    """Ask for amounts, and wait for them in a task."""
    return asyncio.ensure_future(limits.acquire(limits.request(f"shop.{task}", task, run, amounts)))


def now(limits: Limits, task: str = "fetch", run: int = 1, **amounts: object) -> Grant | None:
    """Ask for amounts: what is granted at once, or None."""
    return limits.try_acquire(limits.request(f"shop.{task}", task, run, amounts))


def in_use(limits: Limits) -> dict[str, float]:
    """How much of each limit is taken."""
    return {state.name: state.in_use for state in limits.snapshot()}
