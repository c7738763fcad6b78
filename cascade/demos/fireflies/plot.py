"""A show as a picture: R and the flashes over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cascade.extras import need

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cascade.demos.fireflies.sampler import Sampler
    from cascade.demos.fireflies.summary import Summary

__all__ = ["draw", "need_plots", "write_png"]


def need_plots() -> None:
    """Raise `MissingExtraError` if matplotlib is not installed."""
    need("matplotlib.figure", "plots", "a plot")


def draw(sampler: Sampler, summary: Summary) -> Figure:
    """Return a figure of R over time, above the flashes over time."""
    need_plots()
    from matplotlib.figure import Figure  # unlike pyplot, it needs no window system

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
    """Draw the figure into a PNG file."""
    draw(sampler, summary).savefig(path, format="png", dpi=120)
