"""The views of a show while it runs: a live picture, or a line a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from cascade.demos.fireflies.sampler import Reading
from cascade.demos.fireflies.swarm import Swarm

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.segment import Segment
    from rich.style import Style

__all__ = ["LEVELS", "Glow", "LiveView", "PlainView", "fits"]

LEVELS = 12
"""Shades from dark (0) to a flash (`LEVELS` - 1)."""
_RAMP = "  .,:;+*oO#@"
_DARK, _BRIGHT = (14, 18, 30), (225, 255, 90)
_LARGEST = 4
_FIGURES = 6  # lines below the picture
_NARROWEST = 40  # columns that the figures need
_BAR = 30
_HALF = "\N{UPPER HALF BLOCK}"


class PlainView:
    """A line a second, for files and pipes.

    >>> reading = Reading(model_s=3.0, r=0.5, flashes=12, events_per_s=84.4, lag_ms=0.25, hit_rate=0.995)
    >>> import sys
    >>> PlainView(sys.stdout).show(reading)
         3.0 s  R 0.500  12 flashes  84 events/s  lag 0.2 ms  template hits 99.50 %
    """

    interval = 1.0

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, reading: Reading) -> None:
        """Print one line."""
        print(
            f"{reading.model_s:8.1f} s  R {reading.r:.3f}  {reading.flashes} flashes  "
            f"{reading.events_per_s:.0f} events/s  {_lag(reading, '  ')}"
            f"template hits {100 * reading.hit_rate:.2f} %",
            file=self._out,
            flush=True,
        )


def _lag(reading: Reading, space: str) -> str:
    return "" if reading.lag_ms is None else f"lag {reading.lag_ms:.1f} ms{space}"


def fits(swarm: Swarm[Any], console: Console) -> bool:
    """Return whether a terminal has room for the whole swarm."""
    width = swarm.topology.width
    rows = -(-len(swarm.fireflies) // width)
    room = _places(max(0, console.height - _FIGURES), console, console.options.ascii_only)
    return max(width, _NARROWEST) <= console.width and rows <= room


def _coloured(console: Console, ascii_only: bool) -> bool:
    """Return whether two places can share a character, in two colours."""
    return not (console.color_system is None or console.no_color or ascii_only)


def _places(lines: int, console: Console, ascii_only: bool) -> int:
    """Return how many rows of places fit into `lines` lines."""
    return 2 * lines if _coloured(console, ascii_only) else lines


class Glow:
    """The places as a rich renderable, row by row: a flash is bright and fades. Enlarged or cropped to fit.

    Two rows share a line of half blocks, so that the picture is about square; without colours or Unicode each place is
    a character. Equal shades in a row are one segment, and each style is made once: drawing must be fast, as it blocks
    the event loop of the agents.
    """

    def __init__(self, swarm: Swarm[Any]) -> None:
        self._swarm = swarm
        self._fade = min(1.0, max(0.25, swarm.period / 5))
        self._styles: dict[tuple[int, int], Style] = {}

    def levels(self, rows: int, columns: int) -> list[list[int]]:
        """Return the current shades of the top left rows and columns; -1 for places that the last row lacks."""
        swarm, width = self._swarm, self._swarm.topology.width
        brightest, scale = LEVELS - 1, LEVELS / self._fade
        dark = swarm.now() - self._fade  # fireflies that flashed before this are dark
        shades = [
            [
                min(brightest, int((firefly.flashed - dark) * scale)) if firefly.flashed > dark else 0
                for firefly in swarm.fireflies[row * width : row * width + columns]
            ]
            for row in range(rows)
        ]
        shades[-1] += [-1] * (columns - len(shades[-1]))
        return shades

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the picture as large as the console and the options allow."""
        width = self._swarm.topology.width
        rows = -(-len(self._swarm.fireflies) // width)
        columns = min(width, options.max_width)
        room = _places(options.height or max(1, console.height - _FIGURES), console, options.ascii_only)
        shades = self.levels(min(rows, room), columns)
        if _coloured(console, options.ascii_only):
            scale = max(1, min(options.max_width // width, room // rows, _LARGEST))
            yield from self._half_blocks(_enlarged(shades, scale))
        else:
            yield from self._characters(shades)

    def _characters(self, shades: list[list[int]]) -> list[Segment]:
        from rich.segment import Segment

        return [Segment("".join(_RAMP[max(0, level)] for level in line) + "\n") for line in shades]

    def _half_blocks(self, shades: list[list[int]]) -> list[Segment]:
        from rich.segment import Segment

        segments: list[Segment] = []
        for row in range(0, len(shades), 2):
            upper = shades[row]
            lower = shades[row + 1] if row + 1 < len(shades) else [-1] * len(upper)
            last, length = (upper[0], lower[0]), 0
            for pair in zip(upper, lower, strict=True):
                if pair != last:
                    segments.append(Segment(_HALF * length, self._style(last)))
                    last, length = pair, 0
                length += 1
            segments += [Segment(_HALF * length, self._style(last)), Segment.line()]
        return segments

    def _style(self, pair: tuple[int, int]) -> Style:
        style = self._styles.get(pair)
        if style is None:
            from rich.color import Color
            from rich.style import Style

            upper, lower = (Color.from_rgb(*_colour(level)) if level >= 0 else None for level in pair)
            style = self._styles[pair] = Style(color=upper, bgcolor=lower)
        return style


def _enlarged(shades: list[list[int]], scale: int) -> list[list[int]]:
    """Return the shades with each place enlarged to `scale` x `scale` places."""
    if scale == 1:
        return shades
    return [[level for level in line for _ in range(scale)] for line in shades for _ in range(scale)]


def _colour(level: int) -> tuple[float, float, float]:
    """Return red, green and blue of a shade, 0 to 255."""
    red, green, blue = (
        dark + (bright - dark) * level / (LEVELS - 1) for dark, bright in zip(_DARK, _BRIGHT, strict=True)
    )
    return red, green, blue


class LiveView:
    """The places with their flashes, and figures below, redrawn 8 times a second; a context manager."""

    interval = 0.125

    def __init__(self, swarm: Swarm[Any], console: Console) -> None:
        from rich.live import Live

        self._glow = Glow(swarm)
        self._agents = len(swarm.fireflies)
        self._live: Live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def show(self, reading: Reading) -> None:
        """Redraw the picture."""
        from rich.console import Group
        from rich.text import Text

        done = round(reading.r * _BAR)
        full = rest = "\N{BOX DRAWINGS HEAVY HORIZONTAL}"
        if not _coloured(self._live.console, self._live.console.options.ascii_only):
            full, rest = "#", "-"
        figures = Text.assemble(
            (f"{self._agents} fireflies", "bold"),
            f"   {reading.model_s:6.1f} s   R {reading.r:.3f} ",
            (full * done, "yellow"),
            (rest * (_BAR - done), "bright_black"),
            f"\n{reading.flashes} flashes   {reading.events_per_s:.0f} events/s   {_lag(reading, '   ')}"
            f"template hits {100 * reading.hit_rate:.2f} %",
        )
        self._live.update(Group(self._glow, figures), refresh=True)
