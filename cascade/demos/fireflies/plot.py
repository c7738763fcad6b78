"""The course of a show as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cascade.extras import need

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cascade.demos.fireflies.sampler import Sampler
    from cascade.demos.fireflies.summary import Summary


def need_plots() -> None:
    """Make sure that plots can be drawn, or say which extra is missing."""
    need("matplotlib.figure", "plots", "a plot")


def draw(sampler: Sampler, summary: Summary) -> Figure:
    """R over time above, who flashed when below."""
    need_plots()
    from matplotlib.figure import Figure  # the one class that needs no window system

    figure = Figure(figsize=(10, 7), layout="constrained")
    order, raster = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    order.plot(sampler.times, sampler.orders, color="tab:orange", linewidth=1.5)
    order.set_ylim(0, 1.02)
    order.set_ylabel("order parameter R")
    order.set_title(f"{summary.agents} fireflies, {summary.flashes} flashes")
    order.grid(alpha=0.3)
    marker = max(0.2, min(20.0, 4000.0 / summary.agents))
    raster.scatter(sampler.flash_times, sampler.flash_places, s=marker, linewidths=0, color="black")
    raster.set_xlim(0, summary.model_s)
    raster.set_ylim(-0.5, summary.agents - 0.5)
    raster.set_ylabel("firefly")
    raster.set_xlabel("model time (s)")
    return figure


def write_png(path: Path, sampler: Sampler, summary: Summary) -> None:
    """Draw it into a file."""
    draw(sampler, summary).savefig(path, format="png", dpi=120)
