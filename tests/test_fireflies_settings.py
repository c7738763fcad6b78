from __future__ import annotations

from pathlib import Path

import pytest

from cascade.fireflies.settings import Settings, SettingsError


def problems(**asked: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings(**asked).check()  # type: ignore[arg-type]
    return caught.value.problems


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"side": 0}, "--side: expected a whole number from 1 to 1000, got 0"),
        ({"side": 2.5}, "--side: expected a whole number from 1 to 1000, got 2.5"),
        ({"side": True}, "--side: expected a whole number from 1 to 1000, got True"),
        ({"period": 0.0}, "--period: expected seconds, more than 0, got 0.0"),
        ({"period": float("inf")}, "--period: expected seconds, more than 0, got inf"),
        ({"refractory": -0.1}, "--refractory: expected seconds, 0 or more, got -0.1"),
        ({"refractory": 5.0}, "--refractory: expected less than --period (5.0), got 5.0"),
        (
            {"refractory": 0.0},
            "--refractory: expected more than 0 with a --nudge of 1/8 or more (0.2), got 0.0",
        ),
        ({"nudge": float("nan")}, "--nudge: expected a fraction of the period, 0 or more, got nan"),
        ({"duration": "60"}, "--duration: expected seconds, more than 0, got '60'"),
        ({"jitter": -1.0}, "--jitter: expected seconds, 0 or more, got -1.0"),
        ({"jitter": 6.0}, "--jitter: expected less than --period (5.0), got 6.0"),
        ({"seed": 1.5}, "--seed: expected a whole number, got 1.5"),
        ({"quantum": -1.0}, "--quantum: expected seconds, 0 or more, got -1.0"),
    ],
)
def test_each_setting_says_what_it_expects(asked: dict[str, object], problem: str) -> None:
    assert problems(**asked) == [problem]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    told = problems(side=-1, period=float("nan"), nudge=-1.0, json=tmp_path / "no" / "x.json", plot=tmp_path)
    assert [line.partition(":")[0] for line in told] == ["--side", "--period", "--nudge", "--json", "--plot"]
    assert "No such file or directory" in told[3]
    assert "Is a directory" in told[4]


def test_one_file_cannot_hold_both(tmp_path: Path) -> None:
    assert problems(json=tmp_path / "x", plot=tmp_path / "x")[0].startswith("--plot: expected another file than --json")


def test_checking_leaves_files_as_they_are(tmp_path: Path) -> None:
    kept, new = tmp_path / "kept.json", tmp_path / "new.png"
    kept.write_text("kept")
    Settings(json=kept, plot=new).check()
    assert kept.read_text() == "kept"
    assert not new.exists()


def test_what_is_unusual_but_sound_is_taken() -> None:
    Settings(side=1, refractory=0.0, nudge=0.12, jitter=0.5, seed=-3, quantum=0.0).check()
    Settings(side=1, period=3, refractory=1, nudge=0, duration=1).check()
