"""An agent with tools: a language model says what to do next, until it says that it is done. The model is a fake.

python examples/tool_loop.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import cascade as cs


class Message(NamedTuple):
    sender: str  # "user", "model", or a tool
    text: str


Transcript = list[Message]
Model = Callable[[Transcript], str]  # reads a transcript and says "tool: argument", or "done: answer"

inline = cs.task(mode="inline")


class Web:
    """Stands for what is out there: slow now and then, and down now and then."""

    def __init__(self, engine: cs.Engine) -> None:
        self.random = engine.random

    async def find(self, what: str) -> str:
        await asyncio.sleep(60 if self.random.random() < 0.25 else 2)  # 60: this one hangs
        if self.random.random() < 0.25:
            raise ConnectionError("the web is down")
        return {"legs of a firefly": "6", "fireflies in a show": "900"}.get(what, "nothing found")


@cs.task
async def find(what: str, web: Web) -> str:
    return await web.find(what)


@inline
def multiply(factors: str) -> str:
    left, right = factors.split("*")
    return str(int(left) * int(right))


@inline
def no_such_tool(tools: list[str]) -> str:
    return f"no such tool: tool must be one of {', '.join(tools)}, or done"


@inline
def turn(model: Model, transcript: Transcript, steps: int) -> object:
    """What the model says next decides which way it goes on: of all these routes, one is evaluated."""
    if steps == 0:
        return [*transcript, Message("user", "stop: no steps are left")]
    says = think(model, transcript)
    argument = part(says, 1)
    tools = {
        "search": find(argument, cs.inject("web")).with_timeout(5).with_retry(max_attempts=8, delay=1, on=OSError),
        "multiply": multiply(argument),
    }
    mistaken = note(model, transcript, says, "user", no_such_tool(list(tools)), steps)
    routes = {"done": finish(transcript, says)}
    for name, result in tools.items():
        routes[name] = note(model, transcript, says, name, result, steps)
    return cs.Router(part(says, 0), routes, default=mistaken)


@cs.task
async def think(model: Model, transcript: Transcript) -> str:
    await asyncio.sleep(1)  # a real one would be asked here
    return model(transcript)


@inline
def part(says: str, which: int) -> str:
    return says.partition(":")[2 * which].strip()


@inline
def note(model: Model, transcript: Transcript, says: str, tool: str, result: str, steps: int) -> cs.LazyResult:
    """The tool has answered: the next turn, a tail call."""
    return turn(model, [*transcript, Message("model", says), Message(tool, result)], steps - 1)


@inline
def finish(transcript: Transcript, says: str) -> Transcript:
    return [*transcript, Message("model", says)]


def fake_model(transcript: Transcript) -> str:
    """It does not know much, but what it needs to know, and from whom."""
    match [message.text for message in transcript if message.sender not in ("user", "model")]:
        case []:
            return "search: fireflies in a show"
        case [fireflies]:
            return "search: legs of a firefly"
        case [fireflies, legs]:
            return f"multiply: {fireflies} * {legs}"
        case [*_, product]:
            return f"done: {product} legs"
    raise AssertionError("no list is like that")


def main(engine: cs.Engine | None = None) -> Transcript:
    if engine is None:  # nothing here is real, so time need not be
        engine = cs.Engine(clock=cs.Clock.virtual(seed=1))
    engine.register(Web(engine), "web")
    question = Message("user", "How many legs are there in a show of fireflies?")
    transcript: Transcript = cs.run(turn(fake_model, [question], steps=10), engine=engine)
    for sender, text in transcript:
        print(f"{sender:>8}  {text}")
    print(f"after {engine.clock.time():.1f} s")
    return transcript


if __name__ == "__main__":
    main()
