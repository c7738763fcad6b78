"""Measurements in fresh processes: memory and start-up are properties of a process, so each number needs a process that
has done nothing else.

`python -m benchmarks.harness.subprocesses NAME NUMBER` prints one of `MEASUREMENTS` as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LONG = 86_400.0
ROOT = Path(__file__).parents[2]
"""The folder of the package `benchmarks`."""


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of the benchmarks, from every working directory.

    `-P` and the end of the path: a `cascade` beside the benchmarks does not hide the one that `environment` names.
    """
    code = f"import runpy, sys; sys.path.append({str(ROOT)!r}); runpy.run_module({module!r}, run_name='__main__')"
    return [sys.executable, "-P", "-c", code, *arguments]


def environment() -> dict[str, str]:
    """The environment of a fresh process that imports the same `cascade` as this one."""
    spec = find_spec("cascade")
    assert spec is not None and spec.origin is not None
    places = [str(Path(spec.origin).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def run_module(module: str, *arguments: str) -> dict[str, Any]:
    """What a module of the benchmarks prints as JSON in a fresh process."""
    done = subprocess.run(
        command(module, *arguments), env=environment(), check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    return dict(json.loads(done.stdout))


def measured(name: str, number: int) -> dict[str, float]:
    """One of `MEASUREMENTS`, in a fresh process."""
    return run_module("benchmarks.harness.subprocesses", name, str(number))


def timed_code(code: str) -> float:
    """Seconds that `code` takes in a fresh interpreter, without the start of the interpreter."""
    script = f"import time\nstarted = time.perf_counter()\n{code}\nprint(time.perf_counter() - started)"
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True)
    return float(done.stdout)


def resident() -> int:
    """Bytes of this process that are in memory now; where the system does not count these, the most that were.

    Raises:
        ImportError: the platform counts neither (Windows).
    """
    import resource

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
    """Memory after `number` tail calls of two nodes, beyond that after a thousand of them."""
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
    """Memory of an agent that waits for a message or the end of a day: with its channel, and beyond its channel."""
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
    """The same agent as it is usually written for asyncio: an asyncio task, a queue, `wait_for`."""

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
    """Print the measurement and exit at once: the cancellation of all agents is not measured.

    `alive` is computed from the agents, so they live until here.
    """
    after = now()
    started = time.perf_counter()
    gc.collect()
    collection = time.perf_counter() - started
    beyond = {f"beyond_{name}": value / number for name, value in growth(own, after).items()}
    whole = {f"whole_{name}": value / number for name, value in growth(empty, after).items()}
    print(json.dumps({**beyond, **whole, "collection": collection, "alive": alive}), flush=True)
    os._exit(0)


MEASUREMENTS: dict[str, Callable[[int], dict[str, float]]] = {
    "tail_calls": tail_calls,
    "parked_runs": parked_runs,
    "parked_asyncio_tasks": parked_asyncio_tasks,
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](int(sys.argv[2]))))
