"""The report: a table for people, JSON for programs."""

from __future__ import annotations

import gc
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness.row import Row
from benchmarks.harness.timing import Effort

HEADINGS = ("benchmark", "subject", "baseline", "ratio", "quartiles", "budget", "met")
LARGER = {"ns": ((1e9, "s"), (1e6, "ms"), (1e3, "us")), "B": ((1e6, "MB"), (1e3, "KB"))}


def quantity(value: float, unit: str) -> str:
    """A value with three digits, in the unit that suits it."""
    for size, name in LARGER.get(unit, ()):
        if abs(value) >= size:
            return f"{_digits(value / size)} {name}"
    return f"{_digits(value)} {unit}".rstrip()


def _digits(value: float) -> str:
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cells(row: Row) -> tuple[str, ...]:
    baseline = "" if row.baseline is None else quantity(row.baseline, row.unit)
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
    spread = ""
    if row.quartiles is not None and row.rounds > 1:
        low, high = row.quartiles
        spread = f"{low:.3f}..{high:.3f}" if row.ratio is not None else f"{_digits(low)}..{_digits(high)}"
    budget = ""
    if row.budget is not None:
        limit, sign = row.budget.limit, ">=" if row.budget.least else "<="
        budget = f"{sign} {limit:g} x" if row.budget.of == "ratio" else f"{sign} {quantity(limit, row.unit)}"
    met = {None: "", True: "yes", False: "NO"}[row.met]
    return row.name, quantity(row.subject, row.unit), baseline, ratio, spread, budget, met


class Stream:
    """Prints each row as soon as it is measured, as a full run takes minutes."""

    WIDTHS = (62, 11, 11, 8, 17, 12, 3)

    def heading(self) -> None:
        print(_line(HEADINGS, self.WIDTHS), flush=True)

    def row(self, row: Row) -> None:
        print(_line(cells(row), self.WIDTHS), flush=True)


def _line(line: Sequence[str], widths: Sequence[int]) -> str:
    name, *rest = line
    right = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
    return "  ".join((name.ljust(widths[0]), *right)).rstrip()


def surroundings(effort: Effort) -> dict[str, Any]:
    """The facts without which two files cannot be compared."""
    import cascade

    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cascade": getattr(cascade, "__version__", "unknown"),
        "python": sys.version.split()[0],
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,  # Windows has none
        "gc_enabled": gc.isenabled(),
        "gc_threshold": gc.get_threshold(),
        "effort": asdict(effort),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def write_json(path: Path, rows: Sequence[Row], effort: Effort) -> None:
    document = {
        "surroundings": surroundings(effort),
        "rows": [{**asdict(row), "met": row.met} for row in rows],
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
