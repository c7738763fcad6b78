"""An agent with tools: a model says what to do, and hears what came of it. Model and web are fakes, and often fail."""

import asyncio
from collections.abc import Callable
from math import prod

import cascade as cs

Transcript = list[tuple[str, str]]  # who speaks, and what it says


class TooManyRequests(Exception):
    retry_after = 20.0  # status 429, with a header that says when to ask again


@cs.task
async def think(transcript: Transcript) -> str:
    await asyncio.sleep(1)
    if cs.current().engine.random.random() < 0.25:
        raise TooManyRequests
    facts = [text for who, text in transcript if who in TOOLS and not text.startswith("failed")]
    plan = ["search: fireflies in a show", "search: legs of a firefly", "multiply: {} * {}", "done: {2} legs"]
    return plan[len(facts)].format(*facts)


@cs.task
async def search(what: str) -> str:
    luck = cs.current().engine.random.random()
    await asyncio.sleep(60 if luck < 0.25 else 2)  # 60: this one hangs
    if luck > 0.75:
        raise ConnectionError("the web is down")
    return {"legs of a firefly": "6", "fireflies in a show": "900"}.get(what, "nothing found")


multiply: cs.Task[[str], str] = cs.task(lambda factors: str(prod(map(int, factors.split("*")))), mode="inline")
TOOLS: dict[str, Callable[[str], str]] = {"search": search.with_timeout(5).with_retry(2), "multiply": multiply}
patient = think.with_timeout(30).with_retry(9, delay=lambda attempt, error: getattr(error, "retry_after", 2.0**attempt))


@cs.task
async def turn(past: Transcript, heard: tuple[str, str]) -> Transcript:
    """Do what the model says. What comes of it, a failure too, is heard in the next turn: a tail call."""
    said = await cs.lazy(patient([*past, heard]))
    past = [*past, heard, ("model", said)]
    tool, _, argument = said.partition(": ")
    if tool not in TOOLS:
        return past if tool == "done" else turn(past, ("user", f"the tools are {', '.join(TOOLS)}, and done"))
    return turn(past, (tool, cs.recover(TOOLS[tool](argument), lambda error: f"failed: {error}")))


def main(engine: cs.Engine | None = None) -> Transcript:
    engine = engine or cs.Engine(clock=cs.Clock.virtual(seed=2))  # nothing here is real, so time need not be
    transcript = cs.run(turn([], ("user", "How many legs are there in a show?")), engine=engine, max_iterations=200)
    print(*(f"{who:>8}  {text}" for who, text in transcript), f"after {engine.clock.time():.0f} s", sep="\n")
    return transcript


if __name__ == "__main__":
    main()
