"""`cascade fireflies`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cascade.command_line.status import FAILED, INTERRUPTED, print_problems
from cascade.demos.fireflies.plot import need_plots, write_png
from cascade.demos.fireflies.sampler import View
from cascade.demos.fireflies.settings import Settings
from cascade.demos.fireflies.show import Outcome, Stage, show
from cascade.demos.fireflies.view import LiveView, PlainView, fits

if TYPE_CHECKING:
    from cascade.demos.fireflies.swarm import Swarm

__all__ = ["fireflies"]


def fireflies(
    *,
    model: str = "additive",
    topology: str = "torus8",
    agents: int | None = None,
    side: int | None = None,
    period: float = 5.0,
    refractory: float | None = None,
    nudge: float | None = None,
    dissipation: float | None = None,
    states: int | None = None,
    duration: float = 60.0,
    jitter: float | None = None,
    seed: int | None = None,
    virtual: bool = False,
    speed: float | None = None,
    trace: bool = False,
    json: Path | None = None,
    plot: Path | None = None,
    templates: Path | None = None,
    quantum: float = 0.001,
) -> int:
    """Watch a swarm of recursive agents fall into step.

    Each firefly flashes once a period. One that sees a neighbour flash hurries on by a nudge, unless it flashed itself
    just before. Watch R, the order parameter: 1 when all are in step. With --refractory at 3/10 of the period and
    --nudge 0.05 it takes a dozen periods, and waves can be seen.

    Args:
        model: How they sway one another: additive, mirollo-strogatz or cellular.
        topology: Who sees whom: torus8, torus4, ring, path, star, all-to-all or random:k, where all have k neighbours.
        agents: The number of fireflies; 900 by default.
        side: The same as a side of a square: side x side.
        period: Seconds from flash to flash of a firefly that is alone.
        refractory: Seconds after its own flash in which a firefly sees nothing (additive); a fifth of the period.
        nudge: What a flash that is seen does; additive: how far it moves the phase on, as a fraction of the period
            (0.2); mirollo-strogatz: how far it moves the charge on (0.1).
        dissipation: How far the charge falls short of a straight line (mirollo-strogatz; 3).
        states: How many states a cell has (cellular; 6).
        duration: Seconds that the show lasts. Ctrl-C ends it early, with a summary.
        jitter: Seconds by which each cycle is longer or shorter, at most (additive).
        seed: Makes the first phases, the jitter and a random topology the same again.
        virtual: Run in virtual time, as fast as possible; the same seed gives exactly the same flashes.
        speed: Seconds of model time for one second of real time.
        trace: Print a hash of all flashes.
        json: Write the summary to this file.
        plot: Draw R over time and the flashes, of 1,000 fireflies at most, to this file, as PNG (needs the extra
            `plots`).
        templates: Start warm from this template file, if it exists, and add new templates to it at the end.
        quantum: Seconds for which one agent may keep the event loop; 0: yield at every step.
    """
    settings = Settings(**locals())  # each option is a field of its name
    if plot is not None:
        need_plots()
    outcome = show(settings, _stage())
    stopped = ", stopped early" if outcome.interrupted else ""
    print(f"\nseed {outcome.seed}{stopped}\n{outcome.summary.table()}", flush=True)
    if not _write(outcome, settings):
        return FAILED
    return INTERRUPTED if outcome.interrupted else 0


def _stage() -> Stage:
    """Return the live view for a terminal that is large enough, else a view of lines."""
    from rich.console import Console

    console = Console()

    def open_view(swarm: Swarm[Any]) -> AbstractContextManager[View]:
        if console.is_terminal and fits(swarm, console):
            return LiveView(swarm, console)
        return nullcontext(PlainView(sys.stdout))

    return open_view


def _write(outcome: Outcome, settings: Settings) -> bool:
    """Write the files of the options, and return whether all could be written."""
    written = True
    for option, path, write in (
        ("json", settings.json, lambda path: path.write_bytes(outcome.summary.json())),
        ("plot", settings.plot, lambda path: write_png(path, outcome.sampler, outcome.summary)),
    ):
        if path is None:
            continue
        try:
            write(path)
        except OSError as error:
            print_problems(f"--{option}: {error}")
            written = False
    return written
