"""A traffic light at a crossing for people: states that call each other for ever, a button, and an operator.

python examples/traffic_light.py
"""

from __future__ import annotations

import cascade as cs

RED, YELLOW = 15.0, 3.0  # seconds
GREEN, LONGEST = 20.0, 60.0  # the shortest green, and the longest if the button is not pressed
BLINK = 1.0

inline = cs.task(mode="inline")


class Crossing:
    """What the light has to do with the world: lamps, a button, and a wire to an operator."""

    def __init__(self, engine: cs.Engine) -> None:
        self.clock = engine.clock
        self.start = self.clock.time()
        self.button = cs.Channel[str](capacity=1, overflow="drop_newest")  # pressed twice is pressed
        self.operator = cs.Channel[str]()  # any message: from day to night, or back
        self.log: list[tuple[float, str]] = []

    def show(self, light: str) -> None:
        now = self.clock.time() - self.start
        self.log.append((now, light))
        print(f"{now:6.1f} s  {light}")


@inline
def red(at: Crossing) -> object:
    """People walk. The next state begins after a while: a tail call that waits."""
    at.show("red")
    return cs.lazy(green(at)).after(cs.wait(RED))


@inline
def green(at: Crossing) -> object:
    at.show("green")
    at.button.drain()  # people who pressed while it was red have crossed
    return cs.lazy(ready(at)).after(cs.wait(GREEN))


@inline
def ready(at: Crossing) -> object:
    """Green, until something happens; what has happened before counts."""
    return leave_green(at, cs.select([at.operator, at.button], timeout=LONGEST - GREEN))


@inline
def leave_green(at: Crossing, event: cs.Received[str]) -> object:
    return night(at) if event.channel is at.operator else yellow(at)


@inline
def yellow(at: Crossing) -> object:
    at.show("yellow")
    return cs.lazy(red(at)).after(cs.wait(YELLOW))


@inline
def night(at: Crossing) -> object:
    at.show("yellow")
    return leave_night(at, at.operator.recv(timeout=BLINK), dark)


@inline
def dark(at: Crossing) -> object:
    at.show("dark")
    return leave_night(at, at.operator.recv(timeout=BLINK), night)


@inline
def leave_night(at: Crossing, event: cs.Received[str], state: cs.Task[[Crossing], object]) -> object:
    """Blink on, in a state that is handed over: tasks are values too."""
    return state(at) if event.timed_out else yellow(at)


@inline
def send(channel: cs.Channel[str]) -> None:
    channel.send("now")


def watch(
    engine: cs.Engine,
    presses: tuple[float, ...] = (5, 45, 46, 110),
    calls: tuple[float, ...] = (170, 176.5),
    until: float = 220,
) -> list[tuple[float, str]]:
    """Have the button pressed and the operator call at some times, and see what the light shows."""
    at = Crossing(engine)
    people = [cs.lazy(send(at.button)).after(cs.wait(seconds)) for seconds in presses]
    operator = [cs.lazy(send(at.operator)).after(cs.wait(seconds)) for seconds in calls]
    world: list[object] = [*people, *operator, cs.wait(until)]
    cs.run(cs.race(world, red(at)), engine=engine)  # the light would never end of itself: the world wins
    return at.log


def main(engine: cs.Engine | None = None) -> list[tuple[float, str]]:
    if engine is None:  # one that hurries: minutes in seconds
        engine = cs.Engine(clock=cs.Clock.real(speed=200))
    return watch(engine)


if __name__ == "__main__":
    main()
