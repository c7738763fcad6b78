"""What one sees of a show while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from cascade.fireflies.population import Population
from cascade.fireflies.sampler import Reading

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.segment import Segment
    from rich.style import Style

LEVELS = 12
"""Shades from dark (0) to a flash (`LEVELS` - 1)."""
_RAMP = "  .,:;+*oO#@"
_DARK, _BRIGHT = (14, 18, 30), (225, 255, 90)
_LARGEST = 4
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
            f"{reading.events_per_s:.0f} events/s  lag {reading.lag_ms:.1f} ms  "
            f"template hits {100 * reading.hit_rate:.2f} %",
            file=self._out,
            flush=True,
        )


class Glow:
    """The grid as a rich renderable: a flash is bright and fades. Enlarged or cropped to what fits.

    Two rows share a line of half blocks, so that the picture is about square; without colours or Unicode each place is
    a character. A run of equal shades is one segment, and every style is made once: the picture is drawn in the loop
    that the agents live in.
    """

    def __init__(self, population: Population) -> None:
        self._population = population
        self._fade = min(1.0, max(0.25, population.period / 5))
        self._styles: dict[tuple[int, int], Style] = {}

    def levels(self, rows: int, columns: int) -> list[list[int]]:
        """The shade of each place of the top left corner, now."""
        population, side = self._population, self._population.grid.side
        brightest, scale = LEVELS - 1, LEVELS / self._fade
        dark = population.now() - self._fade  # who flashed before is dark
        return [
            [
                min(brightest, int((firefly.flashed - dark) * scale)) if firefly.flashed > dark else 0
                for firefly in population.fireflies[row * side : row * side + columns]
            ]
            for row in range(rows)
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as large as the console and the options allow."""
        side = self._population.grid.side
        columns = min(side, options.max_width)
        room = options.height or max(1, console.height - 6)
        if console.color_system is None or console.no_color or options.ascii_only:
            yield from self._characters(self.levels(min(side, room), columns))
        else:
            scale = max(1, min(options.max_width // side, 2 * room // side, _LARGEST))
            yield from self._half_blocks(_enlarged(self.levels(min(side, 2 * room), columns), scale))

    def _characters(self, shades: list[list[int]]) -> list[Segment]:
        from rich.segment import Segment

        return [Segment("".join(_RAMP[level] for level in line) + "\n") for line in shades]

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
    """Each place as a square of `scale` x `scale` places."""
    if scale == 1:
        return shades
    return [[level for level in line for _ in range(scale)] for line in shades for _ in range(scale)]


def _colour(level: int) -> tuple[float, float, float]:
    """Red, green and blue of a shade, 0 to 255."""
    red, green, blue = (
        dark + (bright - dark) * level / (LEVELS - 1) for dark, bright in zip(_DARK, _BRIGHT, strict=True)
    )
    return red, green, blue


class LiveView:
    """The grid with its flashes and the figures below, drawn anew 8 times a second; a context manager."""

    interval = 0.125

    def __init__(self, population: Population, console: Console) -> None:
        from rich.live import Live

        self._glow = Glow(population)
        self._agents = len(population.fireflies)
        self._live: Live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def show(self, reading: Reading) -> None:
        """Draw it."""
        from rich.console import Group
        from rich.text import Text

        bar = round(reading.r * 30)
        figures = Text.assemble(
            (f"{self._agents} fireflies", "bold"),
            f"   {reading.model_s:6.1f} s   R {reading.r:.3f} ",
            ("\N{BOX DRAWINGS HEAVY HORIZONTAL}" * bar, "yellow"),
            ("\N{BOX DRAWINGS HEAVY HORIZONTAL}" * (30 - bar), "bright_black"),
            f"\n{reading.flashes} flashes   {reading.events_per_s:.0f} events/s   lag {reading.lag_ms:.1f} ms"
            f"   template hits {100 * reading.hit_rate:.2f} %",
        )
        self._live.update(Group(self._glow, figures), refresh=True)
