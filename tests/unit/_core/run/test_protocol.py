"""What the core calls in the engine is written down, and there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from cascade._core.run.protocol import CoreCallbacks
from cascade.engine.callbacks import Callbacks

CORE = Path(__file__).parents[4] / "cascade" / "_core"  # the sources, which are not installed


def methods_of(kind: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def test_the_engine_has_the_methods_with_their_parameters() -> None:
    assert methods_of(Callbacks) == methods_of(CoreCallbacks)


def test_the_core_calls_these_and_no_others() -> None:
    sources = [path.read_text() for path in CORE.rglob("*.pyx")]
    called = {name for text in sources for name in re.findall(r"(?<!_gc)\.callbacks\.(\w+)\(", text)}
    assert called == set(methods_of(CoreCallbacks))
