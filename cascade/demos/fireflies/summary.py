"""The figures of a show."""

from __future__ import annotations

import msgspec

__all__ = ["Summary"]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    r"""The figures of a show. The fields are the keys of `--json`, in this order; `null`: not measured.

    >>> summary = Summary(agents=4, model_s=2.0, wall_s=2.1, events=48, flashes=8, us_per_event=9.5, kb_per_agent=1.75,
    ...     r=1.0, lag_p50_ms=0.2, lag_p99_ms=None, hits=90, misses=3, builds=3, solves=3, loaded=0)
    >>> summary.json()[:43]
    b'{\n  "agents": 4,\n  "model_s": 2.0,\n  "wall_'
    >>> print("\n".join(summary.table().splitlines()[:2]))
    agents              4
    model time        2.0 s
    """

    agents: int
    """The number of fireflies."""
    model_s: float
    """Seconds of model time from the start of the first agent to the last measurement."""
    wall_s: float
    """Seconds on the wall clock for all of it: making the agents, starting, running and stopping them."""
    events: int
    """Wake-ups of agents, each by a timer or by a message."""
    flashes: int
    """The number of flashes."""
    us_per_event: float | None
    """Microseconds of processor time of this process per event: while the agents ran, garbage collection included, less
    what sampling and view took, and less that of the 20 ms spans in which no agent woke up.

    In real time the loop sleeps between events, and going to sleep and waking up is part of this figure: a busy
    swarm costs less per event than an idle one. In virtual time it never sleeps, and this is the plain cost."""
    kb_per_agent: float | None
    """Kilobytes (1024 bytes) of memory per agent: how much the resident set of this process grew from just before the
    agents were made (channels, states) until all of them had started and were parked, over their number; garbage was
    collected before each measurement. Memory comes in pages and from what was freed before, so this means nothing for
    a few agents, and it is `null` on systems without `/proc/self/statm`."""
    r: float
    """The order parameter at the end, 0 to 1, of the exact phases."""
    lag_p50_ms: float | None
    """Median lag of the loop in milliseconds: how much later than asked a coroutine woke up that sleeps beside the
    agents in the same loop, 20 ms at a time. The system's own grain (up to 1 ms on Linux) and the view are in it.
    `null` in virtual time, which has no lag."""
    lag_p99_ms: float | None
    """Its 99th percentile."""
    hits: int
    """Iterations that found their template in the cache; of this show, like the next three."""
    misses: int
    """Iterations that did not."""
    builds: int
    """Templates built."""
    solves: int
    """Plans solved."""
    loaded: int
    """Templates that this process had loaded from disk."""
    trace: str | None = None
    """A hash of all flashes, by firefly and instant, with `--trace`. In virtual time it depends on the seed only."""

    @property
    def start(self) -> str:
        """Say "warm" if no template had to be built, as all were in memory or in a file; else "cold"."""
        return "cold" if self.builds or not self.hits + self.misses else "warm"

    def json(self) -> bytes:
        """Return the summary as `--json` writes it."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def table(self) -> str:
        """Return the summary as the terminal shows it."""
        return "\n".join(f"{name:<14}{'-' if value is None else value:>7}{unit}" for name, value, unit in self._rows())

    def _rows(self) -> list[tuple[str, int | float | str | None, str]]:
        asked = self.hits + self.misses
        return [
            ("agents", self.agents, ""),
            ("model time", self.model_s, " s"),
            ("wall time", self.wall_s, " s"),
            ("events", self.events, ""),
            ("flashes", self.flashes, ""),
            ("per event", self.us_per_event, " us"),
            ("per agent", self.kb_per_agent, " KB"),
            ("order R", self.r, ""),
            ("lag, median", self.lag_p50_ms, " ms"),
            ("lag, 99 %", self.lag_p99_ms, " ms"),
            ("start", self.start, ""),
            ("template hits", self.hits, f" of {asked}"),
            ("  built", self.builds, ""),
            ("  solved", self.solves, ""),
            ("  loaded", self.loaded, " from disk"),
            *([("trace", self.trace, "")] if self.trace else []),
        ]
