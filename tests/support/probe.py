"""Tasks under the auto rule that say where they ran."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable

import cascade as cs

COUNT = itertools.count()
HERE = threading.get_ident()


def block(seconds: float = 0.02) -> None:
    """Take processor time, and so at least as much of the clock's: on a busy machine the clock alone proves nothing."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class Probe:
    """A task of its own identity that says for each call whether it ran inline, and blocks when told."""

    def __init__(self, **options: object) -> None:
        self.blocking = False
        self.inline: list[bool] = []

        def body() -> None:
            self.inline.append(threading.get_ident() == HERE)
            if self.blocking:
                block()

        self.name = f"probe {next(COUNT)}"
        self.task = cs.task(body, name=self.name, **options)

    def call(self, times: int = 1) -> list[bool]:
        """Call it so many times, one after the other, and give where they ran."""
        self.inline.clear()

        async def main() -> None:
            engine = cs.Engine()
            for _ in range(times):
                await engine.run(self.task())

        asyncio.run(main())
        return list(self.inline)

    def call_until_inline(self) -> None:
        while not self.task._runs_inline:
            self.call()


def attempts(observe: Callable[[], list[bool]]) -> list[list[bool]]:
    """Observe several times: when the machine halts us for a millisecond, a quick task may be on trial again."""
    return [observe() for _ in range(5)]
