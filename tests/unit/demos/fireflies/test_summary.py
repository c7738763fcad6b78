from __future__ import annotations

import json

from cascade.demos.fireflies.summary import Summary

SUMMARY = Summary(
    agents=900,
    model_s=60.0,
    wall_s=60.2,
    events=54321,
    flashes=10800,
    us_per_event=12.5,
    kb_per_agent=None,
    r=0.998,
    lag_p50_ms=0.4,
    lag_p99_ms=1.9,
    hits=65000,
    misses=3,
    builds=3,
    solves=3,
    loaded=0,
)


def test_json_has_the_agreed_keys_in_order() -> None:
    read = json.loads(SUMMARY.json())
    assert " ".join(read) == (
        "agents model_s wall_s events flashes us_per_event kb_per_agent r lag_p50_ms lag_p99_ms "
        "hits misses builds solves loaded trace"
    )
    assert read["kb_per_agent"] is None
    assert SUMMARY.json().endswith(b"}\n")


def test_the_table_shows_every_figure_with_its_unit() -> None:
    lines = SUMMARY.table().splitlines()
    assert len(lines) == 15
    assert "per agent           -" in [line.removesuffix(" KB") for line in lines]
    assert any(line.split() == ["lag,", "99", "%", "1.9", "ms"] for line in lines)
    assert any(line.split() == ["template", "hits", "65000", "of", "65003"] for line in lines)
    assert any(line.split() == ["start", "cold"] for line in lines)
