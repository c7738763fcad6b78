"""The programs in examples/ do what they say."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {"poller", "traffic_light", "fan_out"}


def test_poller_waits_longer_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("poller").main() == pytest.approx(0.005 + 0.01 + 0.02 + 0.04)
    told = capsys.readouterr().out
    assert told.count("working") == 4
    assert told.endswith("done after waiting 75 ms\n")


def test_traffic_light_goes_round_and_heeds_the_button() -> None:
    log = asyncio.run(load("traffic_light").main())
    lights = [told for told in log if told in ("red", "green", "yellow")]
    assert lights == ["red", "green", "yellow"] * 2 + ["red", "green"]
    assert log[log.index("green") + 1] == "green ends"
    assert log.count("somebody wants to cross") == 1


def test_fan_out_counts_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("fan_out").main() == [("firefly", 5), ("a", 3)]
    assert capsys.readouterr().out == "5  firefly\n3  a\n"
