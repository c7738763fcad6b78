"""Regions: parts of a run that an asyncio task of the engine has evaluated, and awaits.

An invocation evaluates the expression of a scope so, once for each attempt.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.mailbox import Received
from cascade._core.run.unseen import return_messages
from cascade._core.shape.struct_layout import parts_of

if TYPE_CHECKING:
    from cascade._core.run.waiting import Waiter
    from cascade.engine.run import Run
    from cascade.limits import Grant

RegionResult: TypeAlias = tuple[Any, BaseException | None, list[Received] | None]
"""What has become of a region: its value or its failure, and the messages in the value that no task was given."""

__all__ = ["RegionResult", "await_region", "evaluate", "inputs_of"]


async def evaluate(run: Run, waiter: Waiter, grant: Grant | None) -> Any:
    """Evaluate the expression of a scope, and return its value.

    Args:
        run: of which the scope is a node.
        waiter: of the scope.
        grant: what the scope holds of the limits; None: nothing.

    Raises:
        asyncio.CancelledError: this was cancelled; everything that was started for the scope has ended.
        BaseException: the failure of the expression, as itself.
    """
    region: asyncio.Future[RegionResult] = asyncio.get_running_loop().create_future()
    run._open_scope(waiter, region, grant)
    return await await_region(run, region)


async def await_region(run: Run, region: asyncio.Future[RegionResult]) -> Any:
    """Await a region that was opened, and return its value. If this is cancelled, the region is stopped first."""
    try:
        value, error, _ = await region
    except asyncio.CancelledError:
        if region.done() and not region.cancelled():  # in the same turn: nothing has its value
            return_messages(region.result()[2])
        closed: asyncio.Future[list[BaseException] | None] = asyncio.get_running_loop().create_future()
        run._close_region(region, closed)
        while not closed.done():
            try:
                await asyncio.wait((closed,))
            except asyncio.CancelledError:  # once more: still everything has to end first
                continue
        if errors := closed.result():  # as a call that fails while it is being cancelled
            raise (errors[0] if len(errors) == 1 else BaseExceptionGroup("several tasks failed", errors)) from None
        raise
    if error is not None:
        try:
            raise error
        finally:
            del error  # its traceback leads to this frame
    return value


def inputs_of(expression: object) -> tuple[list[str], list[Any]]:
    """Return what the value of an expression depends on beside what it is made of.

    Returns:
        The names of its resources, and the specs of its params and variables of the environment.
    """
    resources: list[str] = []
    specs: list[Any] = []
    seen: set[int] = set()
    stack = [expression]
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        if isinstance(part, LazyResult):
            seen.add(id(part))
            _, ((_, name, kind, *_), *_), operands = part._content()
            if kind == "inject":
                resources.append(name)
            elif kind in ("param", "env"):
                specs += operands
            stack += operands
        elif parts := parts_of(part):
            seen.add(id(part))
            stack += parts
    return resources, specs
