"""`cascade fireflies`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from cascade.commands.status import FAILED, INTERRUPTED, refuse
from cascade.fireflies.plot import need_plots, write_png
from cascade.fireflies.sampler import View
from cascade.fireflies.settings import Settings
from cascade.fireflies.show import Outcome, Stage, show
from cascade.fireflies.view import LiveView, PlainView

if TYPE_CHECKING:
    from cascade.fireflies.population import Population

def fireflies(
    *,
    side: int = 30,
    period: float = 5.0,
    refractory: float = 1.0,
    nudge: float = 0.2,
    duration: float = 60.0,
    jitter: float = 0.0,
    seed: int | None = None,
    json: Path | None = None,
    plot: Path | None = None,
    templates: Path | None = None,
    quantum: float = 0.001,
) -> int:
    """Watch a population of recursive agents fall into step.

    Each firefly of a square (whose edges meet) flashes once a period. One that sees one of its 8 neighbours flash
    hurries on by a nudge, unless it flashed itself just before. Watch R, the order parameter: 1 when all are in step.
    With --refractory at 3/10 of the period and --nudge 0.05 it takes a dozen periods, and waves can be seen.

    Args:
        side: Fireflies in a row; side x side in all.
        period: Seconds from flash to flash of a firefly that is alone.
        refractory: Seconds after its own flash in which a firefly sees nothing.
        nudge: How far a flash that is seen moves the phase on, as a fraction of the period.
        duration: Seconds that the show lasts. Ctrl-C ends it early, with a summary.
        jitter: Seconds by which each cycle is longer or shorter, at most.
        seed: Makes the first phases and the jitter the same again.
        json: Write the summary to this file.
        plot: Write R over time and all flashes to this file, as PNG (needs the extra `plots`).
        templates: Start warm from this file of templates, if it is there, and add to it at the end.
        quantum: Seconds for which one agent may keep the event loop; 0: yield at every step.
    """
    settings = Settings(
        side=side,
        period=period,
        refractory=refractory,
        nudge=nudge,
        duration=duration,
        jitter=jitter,
        seed=seed,
        json=json,
        plot=plot,
        templates=templates,
        quantum=quantum,
    )
    if plot is not None:
        need_plots()
    outcome = show(settings, _stage())
    stopped = ", stopped early" if outcome.interrupted else ""
    print(f"\nseed {outcome.seed}{stopped}\n{outcome.summary.table()}", flush=True)
    if not _write(outcome, settings):
        return FAILED
    return INTERRUPTED if outcome.interrupted else 0


def _stage() -> Stage:
    """The live view where somebody looks at a terminal, lines elsewhere."""
    from rich.console import Console

    console = Console()

    def open_view(population: Population) -> AbstractContextManager[View]:
        return LiveView(population, console) if console.is_terminal else nullcontext(PlainView(sys.stdout))

    return open_view


def _write(outcome: Outcome, settings: Settings) -> bool:
    """Write what was asked for; whether all of it could be written."""
    try:
        if settings.json is not None:
            settings.json.write_bytes(outcome.summary.json())
        if settings.plot is not None:
            write_png(settings.plot, outcome.sampler, outcome.summary)
    except OSError as error:
        refuse(str(error))
        return False
    return True
