"""What a task awaits of its run, in expressions whose tasks take time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from support.values import failure

Evaluate = Callable[[Any], Awaitable[object]]
"""Evaluates an expression, and gives its value or raises its failure."""


@dataclass(frozen=True, eq=False)
class Inside:
    """Expressions that a task awaits.

    Attributes:
        nodes: the expressions.
        how: one after another; all together; in a task group; or each in an asyncio task that nothing awaits.
        seconds: after which it no longer waits; None: it waits for as long as it takes. Of what is left behind, the
            time until the task goes on.
        catches: failures that it catches; None: none.
    """

    nodes: tuple[Any, ...]
    how: Literal["one by one", "together", "group", "left behind"] = "one by one"
    seconds: float | None = None
    catches: type[Exception] | tuple[type[Exception], ...] | None = None

    async def run(self, evaluate: Evaluate) -> object:
        """Await the expressions, and give what came of it."""
        try:
            async with asyncio.timeout(self.seconds if self.how != "left behind" else None):
                return await self._await(evaluate)
        except Exception as error:
            if self.catches is None or not isinstance(error, self.catches):
                raise
            return "caught", summary(error)

    async def _await(self, evaluate: Evaluate) -> object:
        if self.how == "one by one":
            return [await evaluate(node) for node in self.nodes]
        if self.how == "together":
            return await asyncio.gather(*map(evaluate, self.nodes))
        if self.how == "group":
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_value(evaluate, node)) for node in self.nodes]
            return [task.result() for task in tasks]
        for node in self.nodes:
            left = asyncio.create_task(_value(evaluate, node))
            left.add_done_callback(lambda task: task.cancelled() or task.exception())  # retrieved
        await asyncio.sleep(self.seconds or 0)
        return "left behind"


async def _value(evaluate: Evaluate, node: object) -> object:
    return await evaluate(node)


def summary(error: BaseException) -> object:
    """Give what is compared of a failure that a task has caught."""
    if isinstance(error, BaseExceptionGroup):
        return sorted((summary(each) for each in error.exceptions), key=repr)
    return failure(error)
