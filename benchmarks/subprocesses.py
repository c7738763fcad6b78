"""What one fresh process measures of itself: `python -m benchmarks.subprocesses NAME NUMBER` prints it as
JSON.

Memory and start-up are properties of a process, so each number needs one that has done nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONG = 86_400.0


def measured(name: str, number: int) -> dict[str, float]:
    """Run one of `PROBES` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.subprocesses", name, str(number)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def timed_code(code: str) -> float:
    """Seconds that `code` takes in a fresh interpreter, without the interpreter's own start."""
    script = f"import time\nstarted = time.perf_counter()\n{code}\nprint(time.perf_counter() - started)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return float(done.stdout)


def resident() -> int:
    """Bytes of this process that are in memory now (its peak where the system tells no more)."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def now() -> dict[str, float]:
    gc.collect()
    return {"resident": resident(), "blocks": sys.getallocatedblocks(), "walked": len(gc.get_objects())}


def growth(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in before}


def tail_calls(number: int) -> dict[str, float]:
    """What `number` tail calls of two nodes leave behind, in a process that has made a thousand before."""
    import cascade as cs

    @cs.task(mode="inline")
    def decrement(n: int) -> int:
        return n - 1

    @cs.task(mode="inline")
    def countdown(n: int) -> Any:
        if n <= 0:
            return n
        return countdown(decrement(n))

    async def both() -> dict[str, float]:
        engine = cs.Engine()
        await engine.run(countdown(1_000))
        before = now()
        await engine.run(countdown(number))
        after = now()
        return {**growth(before, after), "total": after["resident"]}

    return asyncio.run(both())


def parked_runs(number: int) -> dict[str, float]:
    """What an agent costs that waits for a message or the end of a day: with its channel, and beyond it."""
    import cascade as cs

    @cs.task(mode="inline")
    def heard(channel: cs.Channel, received: cs.Received) -> Any:
        return agent(channel)

    @cs.task(mode="inline")
    def agent(channel: cs.Channel) -> Any:
        return heard(channel, channel.recv(timeout=LONG))

    async def park() -> dict[str, float]:
        engine = cs.Engine()
        first = engine.start(agent(cs.Channel()))
        await asyncio.sleep(0.01)
        empty = now()
        channels = [cs.Channel() for _ in range(number)]
        own = now()
        runs = [engine.start(agent(channel)) for channel in channels]
        while any(run.state != "parked" for run in runs):
            await asyncio.sleep(0.001)
        return report(number, empty, own, len(runs) + first.iterations)

    return asyncio.run(park())


def parked_asyncio_tasks(number: int) -> dict[str, float]:
    """The same agent as people write it: a task, a queue, `wait_for`."""

    async def agent(queue: asyncio.Queue[object]) -> None:
        while True:
            try:
                await asyncio.wait_for(queue.get(), LONG)
            except TimeoutError:
                continue

    async def park() -> dict[str, float]:
        first = asyncio.create_task(agent(asyncio.Queue()))
        await asyncio.sleep(0.01)
        empty = now()
        queues: list[asyncio.Queue[object]] = [asyncio.Queue() for _ in range(number)]
        own = now()
        tasks = [asyncio.create_task(agent(queue)) for queue in queues]
        for _ in range(3):
            await asyncio.sleep(0)
        return report(number, empty, own, len(tasks) + first.done())

    return asyncio.run(park())


def report(number: int, empty: dict[str, float], own: dict[str, float], alive: int) -> dict[str, float]:
    """Print it and be gone: to cancel so many agents is no part of this. `alive` keeps them until here."""
    after = now()
    started = time.perf_counter()
    gc.collect()
    collection = time.perf_counter() - started
    beyond = {f"beyond_{name}": value / number for name, value in growth(own, after).items()}
    whole = {f"whole_{name}": value / number for name, value in growth(empty, after).items()}
    print(json.dumps({**beyond, **whole, "collection": collection, "alive": alive}), flush=True)
    os._exit(0)


PROBES: dict[str, Callable[[int], dict[str, float]]] = {
    "tail_calls": tail_calls,
    "parked_runs": parked_runs,
    "parked_asyncio_tasks": parked_asyncio_tasks,
}

if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]](int(sys.argv[2]))))
