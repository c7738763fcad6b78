"""The soak, a long run on the real clock: `python -m benchmarks.soak --seconds 600 --agents 20000`.

Agents exchange numbered messages (`benchmarks.soak.exchange`) under a limit and a rule; short runs start and end beside
them; subscribers count events. At the end the soak prints verdicts: whether every message arrived once and in order,
whether memory grew, and whether the events add up. Meanwhile another soak runs in a second process; at the end it is
stopped by Ctrl-C, and must exit within a second. The exit status is 1 if a verdict fails. Ctrl-C ends the soak early,
with verdicts for the time until then.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import cascade as cs
from benchmarks.harness.report import quantity
from benchmarks.harness.subprocesses import command, environment, resident
from benchmarks.soak.exchange import AUDIT, PERIOD, Society, visit
from benchmarks.soak.populations import TICK, percentile, tune
from cascade.events import Event, NodeBlocked, NodeFinished, NodeUnblocked, RunFinished, RunStarted

MIN_SAMPLES = 8
"""Samples of memory without which there is no verdict on it."""
WARM_UP = 1.5 * AUDIT * PERIOD
"""Seconds in which memory may grow, or a quarter of the soak if that is longer: after them every agent has called the
clerk at least once."""
MAX_GROWTH = 0.02
"""The part by which memory may grow after the warm-up. In ten minutes with 20,000 agents: half a byte a message."""
MAX_STOP = 1.0
"""Seconds from Ctrl-C to the end of the process, at most."""
READY = "all agents have started"
UNDER_WAY = "messages are on their way"


@dataclass
class Record:
    """The observations of one soak."""

    agents: int
    society: Society | None = None
    started: float = 0.0
    """Seconds until all agents waited for the first time."""
    lasted: float = 0.0
    """Seconds from then on."""
    cpu: float = 0.0
    """Processor time in that period, in seconds."""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Samples: seconds since then, and bytes."""
    lags: list[float] = field(default_factory=list)
    visits: int = 0
    """Short runs that ended."""
    turns: int = 0
    """Messages sent, as the sum of the results of the agents."""
    interrupted: bool = False
    stop: float = 0.0
    """Seconds from the request to stop to the end of the last run."""
    events: Counter[str] = field(default_factory=Counter)
    """Number of events, by type."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Number of ended runs, by outcome."""

    def growth(self) -> tuple[float, float] | None:
        """The growth of memory after the warm-up, in bytes a second (the median over all pairs of samples), and as a
        part of the memory then. None if there were too few samples.
        """
        rest = [sample for sample in self.memory if sample[0] >= max(WARM_UP, self.lasted / 4)]
        if len(rest) < MIN_SAMPLES:
            return None
        slope = statistics.median((b - a) / (after - before) for (before, a), (after, b) in combinations(rest, 2))
        return slope, slope * (rest[-1][0] - rest[0][0]) / rest[0][1]


# ------------------------------------------------------------------------------------------------------------ a soak


async def soak(record: Record, seconds: float) -> None:
    """Run the agents for `seconds`, after which they end by themselves, or until this coroutine is cancelled."""
    began = time.monotonic()
    audits = record.agents / PERIOD / AUDIT  # a second
    async with cs.Engine(limits={"clerks": 1 + record.agents // 2_000}) as engine:
        engine.limits.set("task:clerk", rate=f"{10 + int(1.5 * audits)}/s", burst=10)
        listen(engine, record)
        society = record.society = Society(record.agents, engine.clock)
        reader = asyncio.create_task(society.read())
        try:
            population = engine.start_many(society.targets(), on_failure="stop")
            last = population.runs[-1]
            while last.state == "ready":
                await asyncio.sleep(0)
            record.started = time.monotonic() - began
            gc.collect()
            tune()
            # A stall, as on a busy machine: after it nearly every agent has a message in its channel, so the memory for
            # these messages is allocated before the first sample.
            time.sleep(min(PERIOD, seconds / 4))  # noqa: ASYNC251 - stops the event loop on purpose
            print(READY, flush=True)
            await watch(engine, record, society, seconds)
            society.closing = True
            await population
            record.turns = sum(run.result() for run in population.runs)
        except asyncio.CancelledError:
            record.interrupted = True
            if task := asyncio.current_task():
                task.uncancel()
        stopped = time.monotonic()
    record.stop = time.monotonic() - stopped
    reader.cancel()
    await asyncio.wait([reader])  # its cancelled `receive` returns the message to the channel
    society.settle()


def listen(engine: cs.Engine, record: Record) -> None:
    """Count the events of the engine."""

    def count(event: Event) -> None:
        record.events[type(event).__name__] += 1

    def ended(event: RunFinished) -> None:
        record.outcomes[event.outcome] += 1

    engine.events.subscribe((RunStarted, NodeFinished, NodeBlocked, NodeUnblocked), count)
    engine.events.subscribe(RunFinished, ended)


async def watch(engine: cs.Engine, record: Record, society: Society, seconds: float) -> None:
    """Sample memory and the lag of the event loop, and run short runs."""
    began, cpu = time.monotonic(), time.process_time()
    sample, under_way = 0.0, False
    try:
        while (now := time.monotonic() - began) < seconds:
            if now >= sample:
                sample = now + max(0.1, seconds / 60)
                gc.collect()
                record.memory.append((now, resident()))
            before = time.monotonic()
            await asyncio.sleep(TICK)
            record.lags.append(time.monotonic() - before - TICK)
            record.visits += await engine.run(visit(1))
            if not under_way and (under_way := any(society.account.sent)):
                print(UNDER_WAY, flush=True)
    finally:
        record.lasted = time.monotonic() - began
        record.cpu = time.process_time() - cpu


# ------------------------------------------------------------------------------------------------------- the verdicts


@dataclass(frozen=True)
class Verdict:
    name: str
    holds: bool | None
    """None if the soak was too short for a verdict."""
    why: str

    def __str__(self) -> str:
        return f"{ {True: 'yes', False: 'NO', None: '?'}[self.holds]:3}  {self.name}: {self.why}"


def verdicts(record: Record) -> Iterator[Verdict]:
    society = record.society
    assert society is not None
    account = society.account
    yield Verdict(
        "every message arrived once, and in order",
        account.lost() == account.out_of_order == 0 < sum(account.sent),
        f"{sum(account.sent):,} sent, {account.lost():,} lost, {account.out_of_order:,} out of order",
    )
    yield Verdict(
        "every entry of the book was read once",
        society.misread() == 0,
        f"{sum(member.read for member in society.members):,} read, {society.misread():,} lost or duplicated",
    )
    ended = record.outcomes.total()
    cut = record.outcomes["cancelled"] if record.interrupted else 0
    yield Verdict(
        "all runs ended, with one event each",
        ended == record.events["RunStarted"] == cut + record.outcomes["done"] >= record.agents + record.visits,
        ", ".join(f"{number:,} {outcome}" for outcome, number in record.outcomes.items()),
    )
    if not record.interrupted:
        yield Verdict(
            "the results of the agents are the messages sent", record.turns == sum(account.sent), f"{record.turns:,}"
        )
    growth = record.growth()
    if growth is None:
        yield Verdict("memory did not grow", None, "the soak was too short")
    else:
        slope, part = growth
        words = f"{quantity(record.memory[-1][1], 'B')}, {slope:+,.0f} B/s, {part:+.2%} after the warm-up"
        yield Verdict("memory did not grow", part <= MAX_GROWTH, words)


def figures(record: Record) -> str:
    """The measurements without a verdict."""
    events = ", ".join(f"{number:,} {name}" for name, number in record.events.items())
    middle, most = statistics.median(record.lags), max(record.lags)
    lag = f"{middle * 1e3:.2f} ms, {percentile(record.lags, 99) * 1e3:.1f} ms at 99 %, {most * 1e3:.0f} ms at most"
    ended = f"stopped {record.stop:.2f} s after Ctrl-C" if record.interrupted else "ended by itself"
    return (
        f"{record.agents:,} agents, started in {record.started:.2f} s, lived {record.lasted:.1f} s with "
        f"{record.cpu / record.lasted:.0%} of a processor, {ended}\nlag of the loop: median {lag}\nevents: {events}"
    )


class Other:
    """A soak in a second process, which is stopped by Ctrl-C once this one has ended."""

    def __init__(self, agents: int, seconds: float) -> None:
        size, longer = str(agents), str(2 * seconds + 600)
        arguments = command("benchmarks.soak", "--agents", size, "--seconds", longer, "--alone")
        self.began = time.monotonic()
        # In a session of its own: a Ctrl-C of the terminal reaches this process only, which then stops the other.
        self.process = subprocess.Popen(
            arguments, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.read()

    def read(self) -> None:
        """Wait until all its agents have started."""
        assert self.process.stdout is not None
        while (line := self.process.stdout.readline()) and line.strip() != READY:
            pass

    def stop(self) -> Verdict:
        time.sleep(1.5 * PERIOD)  # it runs alone now, with messages in its channels
        if self.process.poll() is not None:
            return Verdict("Ctrl-C stops it cleanly", False, "it had ended before")
        lived, began = time.monotonic() - self.began, time.monotonic()
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate()
        taken = time.monotonic() - began
        if self.process.returncode:
            return Verdict("Ctrl-C stops it cleanly", False, f"exit status {self.process.returncode}\n{rest}")
        name = f"Ctrl-C stops it cleanly, within {MAX_STOP:g} s"
        return Verdict(name, taken <= MAX_STOP, f"{taken:.2f} s to the end of a process that had lived {lived:.0f} s")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="Run agents for a long time.")
    parser.add_argument("--seconds", type=float, default=600.0, help="duration (default: 600)")
    parser.add_argument("--agents", type=int, default=20_000, help="number of agents (default: 20000)")
    parser.add_argument("--alone", action="store_true", help="run without the other soak, which is stopped by Ctrl-C")
    options = parser.parse_args(arguments)
    if options.agents < 1:
        parser.error(f"--agents must be >= 1, got {options.agents}")
    if not options.seconds > 0:
        parser.error(f"--seconds must be > 0, got {options.seconds:g}")
    if options.alone:
        return judge(options, None)
    other = Other(options.agents, options.seconds)
    try:
        return judge(options, other)
    finally:
        other.process.kill()


def judge(options: argparse.Namespace, other: Other | None) -> int:
    """Run a soak, and print its measurements and verdicts."""
    record = Record(options.agents)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(soak(record, options.seconds))
    if not record.lasted or not record.lags:
        print("stopped before the first measurement")
        return 1
    found = list(verdicts(record))
    print(figures(record))
    for verdict in found:
        print(verdict, flush=True)
    if other is not None:
        found.append(other.stop())
        print(found[-1])
    return int(any(verdict.holds is False for verdict in found))
