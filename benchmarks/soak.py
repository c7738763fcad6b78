"""A long run on the real clock: `python -m benchmarks.soak --seconds 600 --agents 20000`.

Agents exchange numbered messages (`benchmarks.exchange`) under a limit and a rule, short runs come and go beside them,
and subscribers count what the engine tells. At the end it says whether every message came once and in turn, whether
memory grew, and whether what was told adds up. All the while another soak goes on in a process of its own, which at
the end is stopped by Ctrl-C, and must be gone within a second. The exit status is 1 if a verdict fails. Ctrl-C ends it
early, with verdicts on the time that it had.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import cascade as cs
from benchmarks.exchange import AUDIT, PERIOD, Society, visit
from benchmarks.populations import percentile
from benchmarks.report import quantity
from benchmarks.subprocesses import resident
from cascade.events import Event, NodeBlocked, NodeFinished, NodeUnblocked, RunFinished, RunStarted

TICK = 0.02
"""Seconds that the lag meter sleeps at a time, and from one short run to the next."""
FEWEST = 8
"""Samples of memory from which something may be said."""
WARM_UP = 1.5 * AUDIT * PERIOD
"""Seconds at least in which memory may grow: all agents have done once what they do most seldom. And a quarter of the
time, if that is more."""
GROWTH = 0.02
"""The most by which memory may grow from then on. In ten minutes with 20,000 agents that is half a byte a message."""
STOP = 1.0
"""The most seconds from Ctrl-C to the end of the process."""
READY = "all agents have started"
UNDER_WAY = "messages are on their way"
CODE = f"""
import sys
sys.path.append({str(Path(__file__).parent.parent)!r})
from benchmarks.soak import main
sys.exit(main())
"""
"""The same from wherever it is called, and with the same `cascade`."""


@dataclass
class Record:
    """What was seen of one soak."""

    agents: int
    society: Society | None = None
    started: float = 0.0
    """Seconds until all agents waited for the first time."""
    lasted: float = 0.0
    """Seconds from then on."""
    cpu: float = 0.0
    """Seconds of the processor in that time."""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Seconds since then, and bytes."""
    lags: list[float] = field(default_factory=list)
    visits: int = 0
    """Short runs that came to their end."""
    turns: int = 0
    """Messages sent, as the values of the agents' runs have it that ended by themselves."""
    interrupted: bool = False
    stop: float = 0.0
    """Seconds from the decision to stop to the end of the last run."""
    told: Counter[str] = field(default_factory=Counter)
    """Events, by name."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """How runs ended."""

    def growth(self) -> tuple[float, float] | None:
        """Bytes a second by which memory grew after the warm-up, by the median of all pairs of samples; and the part of
        it that came so. None if there were too few samples.
        """
        rest = [sample for sample in self.memory if sample[0] >= max(WARM_UP, self.lasted / 4)]
        if len(rest) < FEWEST:
            return None
        slope = statistics.median((b - a) / (after - before) for (before, a), (after, b) in combinations(rest, 2))
        return slope, slope * (rest[-1][0] - rest[0][0]) / rest[0][1]


# ------------------------------------------------------------------------------------------------------------ a soak


async def soak(record: Record, seconds: float) -> None:
    """Have the agents live for a time, or until this is cancelled; they end by themselves, or are stopped."""
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
            settle_down()
            # A stall, as machines have them: nearly everybody's message lies in a channel after it, and the memory for
            # that is taken before any is measured.
            time.sleep(min(PERIOD, seconds / 4))  # noqa: ASYNC251 - the loop is to stand still
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
    await asyncio.wait([reader])  # it puts back what it was about to read
    society.settle()


def settle_down() -> None:
    """What a process should do that has started very many agents: the collector need not walk them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


def listen(engine: cs.Engine, record: Record) -> None:
    """Count what the engine tells."""

    def count(event: Event) -> None:
        record.told[type(event).__name__] += 1

    def ended(event: RunFinished) -> None:
        record.outcomes[event.outcome] += 1

    engine.events.subscribe((RunStarted, NodeFinished, NodeBlocked, NodeUnblocked), count)
    engine.events.subscribe(RunFinished, ended)


async def watch(engine: cs.Engine, record: Record, society: Society, seconds: float) -> None:
    """Look on: sample memory, see how late the loop is, and let short runs come and go."""
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
    """None: there was too little time to tell."""
    why: str

    def __str__(self) -> str:
        return f"{ {True: 'yes', False: 'NO', None: '?'}[self.holds]:3}  {self.name}: {self.why}"


def verdicts(record: Record) -> Iterator[Verdict]:
    society = record.society
    assert society is not None
    account = society.account
    yield Verdict(
        "every message came once, and in turn",
        account.lost() == account.astray == 0 < sum(account.sent),
        f"{sum(account.sent):,} sent, {account.lost():,} lost, {account.astray:,} out of turn",
    )
    yield Verdict(
        "so did every entry in the book",
        society.misread() == 0,
        f"{sum(member.read for member in society.members):,} read, {society.misread():,} lost or doubled",
    )
    ended = record.outcomes.total()
    cut = record.outcomes["cancelled"] if record.interrupted else 0
    yield Verdict(
        "all runs ended, and were told of",
        ended == record.told["RunStarted"] == cut + record.outcomes["done"] >= record.agents + record.visits,
        ", ".join(f"{number:,} {outcome}" for outcome, number in record.outcomes.items()),
    )
    if not record.interrupted:
        yield Verdict("agents know what they have sent", record.turns == sum(account.sent), f"{record.turns:,}")
    growth = record.growth()
    if growth is None:
        yield Verdict("memory did not grow", None, "too little time to tell")
    else:
        slope, part = growth
        words = f"{quantity(record.memory[-1][1], 'B')}, {slope:+,.0f} B/s, {part:+.2%} after the warm-up"
        yield Verdict("memory did not grow", part <= GROWTH, words)


def figures(record: Record) -> str:
    """What is no matter of yes or no."""
    told = ", ".join(f"{number:,} {name}" for name, number in record.told.items())
    middle, most = statistics.median(record.lags), max(record.lags)
    lag = f"{middle * 1e3:.2f} ms, {percentile(record.lags, 99) * 1e3:.1f} ms at 99 %, {most * 1e3:.0f} ms at most"
    ended = f"stopped {record.stop:.2f} s after Ctrl-C" if record.interrupted else "ended by itself"
    return (
        f"{record.agents:,} agents, started in {record.started:.2f} s, lived {record.lasted:.1f} s with "
        f"{record.cpu / record.lasted:.0%} of a processor, {ended}\nlag of the loop: median {lag}\ntold: {told}"
    )


class Other:
    """A soak in a process of its own, which is to be stopped by Ctrl-C once this one has come to its end."""

    def __init__(self, agents: int, seconds: float) -> None:
        size, longer = str(agents), str(2 * seconds + 600)
        command = [sys.executable, "-P", "-c", CODE, "--agents", size, "--seconds", longer, "--alone"]
        self.began = time.monotonic()
        # In a session of its own: a terminal's Ctrl-C is for this one, which then has that one stopped.
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.read()

    def read(self) -> None:
        """Wait until all its agents have started."""
        assert self.process.stdout is not None
        while (line := self.process.stdout.readline()) and line.strip() != READY:
            pass

    def stop(self) -> Verdict:
        time.sleep(1.5 * PERIOD)  # alone once more, with messages on their way
        if self.process.poll() is not None:
            return Verdict("Ctrl-C stops it cleanly", False, "it had ended before")
        lived, began = time.monotonic() - self.began, time.monotonic()
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate()
        taken = time.monotonic() - began
        if self.process.returncode:
            return Verdict("Ctrl-C stops it cleanly", False, f"exit status {self.process.returncode}\n{rest}")
        name = f"Ctrl-C stops it cleanly, within {STOP:g} s"
        return Verdict(name, taken <= STOP, f"{taken:.2f} s to the end of a process that had lived {lived:.0f} s")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="Run agents for a long time.")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (default: 600)")
    parser.add_argument("--agents", type=int, default=20_000, help="how many (default: 20000)")
    parser.add_argument("--alone", action="store_true", help="without the other soak, which is stopped by Ctrl-C")
    options = parser.parse_args(arguments)
    if options.agents < 1 or options.seconds <= 0:
        parser.error("expected at least one agent, and a time above 0")
    if options.alone:
        return judge(options, None)
    other = Other(options.agents, options.seconds)
    try:
        return judge(options, other)
    finally:
        other.process.kill()


def judge(options: argparse.Namespace, other: Other | None) -> int:
    """Have a soak, and say what there is to be said."""
    record = Record(options.agents)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(soak(record, options.seconds))
    if not record.lasted or not record.lags:
        print("stopped before there was anything to see")
        return 1
    found = list(verdicts(record))
    print(figures(record))
    for verdict in found:
        print(verdict, flush=True)
    if other is not None:
        found.append(other.stop())
        print(found[-1])
    return int(any(verdict.holds is False for verdict in found))


if __name__ == "__main__":
    sys.exit(main())
