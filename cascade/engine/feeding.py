"""Feeding: the items of async iterables are taken one after the other, as there is room for them.

One asyncio task takes all items of a map's async inputs, and closes these. So an async generator sees one task from its
beginning to its end, as in `async for`: its timeouts, task groups and context variables work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from cascade._core.expr.map_inputs import END, Feed
from cascade._core.run.mailbox import Mailbox

if TYPE_CHECKING:
    from cascade._core.run.waiting import Launched

__all__ = ["close_all", "next_item", "take_items"]


async def take_items(waiter: Launched, feed: Feed) -> None:
    """Take the items of async iterables into a feed until one has ended; then, or if that fails, close them all.

    What was taken from a channel and is not used is put back.

    Args:
        waiter: of the map's node.
        feed: says how many may be taken.
    """
    iterators: list[AsyncIterator[Any]] = []
    row: list[Any] = []
    task = _current_task()
    try:
        for iterable in feed.iterables:
            iterators.append(aiter(iterable))  # noqa: PERF401 - those before must be closed if one fails
        ended = False
        while not ended:
            while not feed.room:
                await _change(feed)
            for iterator in iterators:
                row.append(await next_item(iterator))  # noqa: PERF401 - what was taken must be known if one fails
            ended = any(item is END for item in row)
            feed.room -= 1
            feed.rows.append(row)
            row = []
            if len(feed.rows) == 1:  # else the map has not been executed since it was told so
                _tell(waiter)
        while feed.rows:
            await _change(feed)
    except BaseException as error:
        _put_back(feed, row)
        # Its event loop was closed: nothing can be awaited any longer. An iterator may have made another error of that.
        if isinstance(error, GeneratorExit) or _current_task() is not task:
            raise
        try:
            await close_all(iterators)
        except BaseException as wrong:
            if isinstance(error, asyncio.CancelledError):
                raise
            raise BaseExceptionGroup("several async inputs of a map failed", [error, wrong]) from None
        raise
    await close_all(iterators)


def _current_task() -> asyncio.Task[Any] | None:
    """Return the asyncio task that is running; None: there is none, as no event loop is running."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _tell(waiter: Launched) -> None:
    """Have the map's node executed again. No frame of `take_items` holds the run, which may hold its failure."""
    run: Any = waiter.run
    if run is not None:
        run._feed(waiter)


async def _change(feed: Feed) -> None:
    """Wait until there is room, or nothing is left."""
    feed.wanted = asyncio.get_running_loop().create_future()
    await feed.wanted


async def next_item(iterator: AsyncIterator[Any]) -> Any:
    """Take the next item; `END` if there is none."""
    try:
        item = await anext(iterator)
    except StopAsyncIteration:
        item = END
    task = asyncio.current_task()
    if task is not None and task.cancelling():  # the iterator has caught it, and would go on for ever
        raise asyncio.CancelledError
    return item


def _put_back(feed: Feed, row: list[Any]) -> None:
    """Put the messages of channels back that no item of the map was given."""
    rows = [*feed.rows, row]
    feed.rows.clear()
    for place, iterable in enumerate(feed.iterables):
        if isinstance(iterable, Mailbox):
            for each in reversed(rows):
                if place < len(each) and each[place] is not END:
                    iterable.unreceive(each[place])


async def close_all(iterators: list[AsyncIterator[Any]]) -> None:
    """Close async iterators, the last one first, each of them whatever another one raises."""
    errors: list[BaseException] = []
    while iterators:
        close = getattr(iterators.pop(), "aclose", None)
        if close is not None:
            try:
                await close()
            except BaseException as error:
                errors.append(error)
    if len(errors) > 1:
        raise BaseExceptionGroup("several async inputs could not be closed", errors)
    if errors:
        raise errors[0]
