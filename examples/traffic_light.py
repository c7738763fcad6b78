"""A traffic light: three states that call each other for ever, and a button that shortens green.

    python examples/traffic_light.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import cascade as cs

RED, GREEN, YELLOW = 0.03, 0.06, 0.01  # seconds; a real one takes its time

inline = cs.task(mode="inline")
Show = Callable[[str], None]


@inline
def red(button: cs.Channel, show: Show) -> cs.LazyResult:
    show("red")
    return after(cs.wait(RED), green, button, show)


@inline
def green(button: cs.Channel, show: Show) -> cs.LazyResult:
    show("green")
    button.drain()  # who pressed while it was red has waited long enough
    return pressed(button.recv(timeout=GREEN), button, show)


@inline
def pressed(received: cs.Received, button: cs.Channel, show: Show) -> cs.LazyResult:
    show("green ends" if received.timed_out else "somebody wants to cross")
    return yellow(button, show)


@inline
def yellow(button: cs.Channel, show: Show) -> cs.LazyResult:
    show("yellow")
    return after(cs.wait(YELLOW), red, button, show)


@inline
def after(_: float, state: cs.Task, button: cs.Channel, show: Show) -> cs.LazyResult:
    """The next state: tasks are values too."""
    return state(button, show)


async def main() -> list[str]:
    log: list[str] = []
    button = cs.Channel()
    seen: asyncio.Queue[str] = asyncio.Queue()

    def show(what: str) -> None:
        print(what)
        log.append(what)
        seen.put_nowait(what)

    async with cs.Engine() as engine:
        light = engine.start(red(button, show))
        for greens in range(3):
            while await seen.get() != "green":
                pass
            if greens == 1:
                button.send("please")
        light.cancel()  # it would never end of itself
    return log


if __name__ == "__main__":
    asyncio.run(main())
