from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cascade.demos.fireflies.settings import Settings, SettingsError


def problems(**asked: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings(**asked).check()  # type: ignore[arg-type]
    return caught.value.problems


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"side": 0}, "--side must be an int from 1 to 1000, got 0"),
        ({"side": 2.5}, "--side must be an int from 1 to 1000, got 2.5"),
        ({"side": True}, "--side must be an int from 1 to 1000, got True"),
        ({"period": 0.0}, "--period must be seconds from 1e-06 to 1e+09, got 0.0"),
        ({"period": float("inf")}, "--period must be seconds from 1e-06 to 1e+09, got inf"),
        ({"period": 1e300}, "--period must be seconds from 1e-06 to 1e+09, got 1e+300"),
        ({"period": 1e-10, "virtual": True}, "--period must be seconds from 1e-06 to 1e+09, got 1e-10"),
        ({"refractory": -0.1}, "--refractory must be seconds >= 0, got -0.1"),
        ({"refractory": 5.0}, "--refractory must be less than --period (5.0), got 5.0"),
        ({"nudge": float("nan")}, "--nudge must be a fraction of the period >= 0, got nan"),
        ({"duration": "60"}, "--duration must be seconds > 0, at most 1e+09, got '60'"),
        ({"duration": 0.0}, "--duration must be seconds > 0, at most 1e+09, got 0.0"),
        ({"duration": 1e10}, "--duration must be seconds > 0, at most 1e+09, got 10000000000.0"),
        ({"jitter": -1.0}, "--jitter must be seconds >= 0, got -1.0"),
        ({"jitter": 6.0}, "--jitter must be less than --period (5.0), got 6.0"),
        ({"seed": 1.5}, "--seed must be an int, got 1.5"),
        ({"quantum": -1.0}, "--quantum must be seconds from 0 to 1e+09, got -1.0"),
        ({"quantum": 1e300}, "--quantum must be seconds from 0 to 1e+09, got 1e+300"),
        ({"agents": 0}, "--agents must be an int from 1 to 1000000, got 0"),
        ({"side": 4, "agents": 15}, "--agents must be 16 or omitted with --side 4, got 15"),
        (
            {"agents": 950},
            "--agents: number of places must be a square for torus8 (900 and 961 are the nearest), got 950",
        ),
        (
            {"topology": "torus4", "agents": 2},
            "--agents: number of places must be a square for torus4 (1 and 4 are the nearest), got 2",
        ),
        (
            {"topology": "all-to-all", "side": 50},
            "--agents: number of places must be at most 2000 for all-to-all, got 2500",
        ),
        ({"topology": "random:9", "agents": 9}, "--agents: number of places must be > 9 for random:9, got 9"),
        (
            {"topology": "random:3", "agents": 9},
            "--agents: number of places must be even for random:3, as 3 is odd, got 9",
        ),
        (
            {"topology": "random:999998", "agents": 1_000_000},
            "--agents: number of neighbours must be at most 10000000 in all for random:999998, "
            "got 1000000 times 999998",
        ),
        (
            {"topology": "cube"},
            "--topology: name must be one of torus8, torus4, ring, path, star, all-to-all, random:k (k: a number of "
            "neighbours), got 'cube'",
        ),
        ({"model": "linear"}, "--model must be one of additive, mirollo-strogatz, cellular, got 'linear'"),
        ({"states": 6}, "--states must be omitted without --model cellular, got 6"),
        ({"dissipation": 3.0}, "--dissipation must be omitted without --model mirollo-strogatz, got 3.0"),
        (
            {"model": "cellular", "nudge": 0.1},
            "--nudge must be omitted without --model additive or mirollo-strogatz, got 0.1",
        ),
        (
            {"model": "mirollo-strogatz", "refractory": 0.1},
            "--refractory must be omitted without --model additive, got 0.1",
        ),
        ({"model": "mirollo-strogatz", "nudge": 1.5}, "--nudge must be a number from 0 to 1, got 1.5"),
        (
            {"model": "mirollo-strogatz", "dissipation": 0.0},
            "--dissipation must be a number > 0, at most 100, got 0.0",
        ),
        ({"model": "cellular", "states": 2}, "--states must be an int from 3 to 1000, got 2"),
        ({"speed": 0.0}, "--speed must be a number from 1e-06 to 1e+06, got 0.0"),
        ({"speed": 1e-200}, "--speed must be a number from 1e-06 to 1e+06, got 1e-200"),
        ({"speed": 1e7}, "--speed must be a number from 1e-06 to 1e+06, got 10000000.0"),
        (
            {"speed": 2.0, "virtual": True},
            "--speed must be omitted with --virtual, which runs as fast as it can, got 2.0",
        ),
    ],
)
def test_each_setting_says_what_it_expects(asked: dict[str, object], problem: str) -> None:
    assert problems(**asked) == [problem]


def test_all_problems_are_in_one_error(tmp_path: Path) -> None:
    told = problems(side=-1, period=float("nan"), nudge=-1.0, json=tmp_path / "no" / "x.json", plot=tmp_path)
    assert [line.partition(" ")[0] for line in told] == ["--side", "--period", "--nudge", "--json", "--plot"]
    assert "No such file or directory" in told[3]
    assert "Is a directory" in told[4]


@pytest.mark.parametrize(("first", "second"), [("json", "plot"), ("json", "templates"), ("plot", "templates")])
def test_one_file_cannot_hold_both(tmp_path: Path, first: str, second: str) -> None:
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "x", tmp_path / "folder" / ".." / "x", tmp_path / "link"):
        told = problems(**{first: tmp_path / "x", second: path})
        assert told == [f"--{second} must be another file than --{first}, got {str(path)!r}"]
    assert {path.name for path in tmp_path.iterdir()} == {"link", "folder"}


def test_checking_leaves_files_as_they_are(tmp_path: Path) -> None:
    kept, new, link = tmp_path / "kept.json", tmp_path / "new.png", tmp_path / "link"
    kept.write_text("kept")
    link.symlink_to("not there")
    Settings(json=kept, plot=new, templates=link).check()
    assert kept.read_text() == "kept"
    assert {path.name for path in tmp_path.iterdir()} == {"kept.json", "link"}


def test_a_file_may_be_a_pipe(interpreter: Callable[..., str]) -> None:
    assert "ok" in interpreter("""
        from pathlib import Path
        from cascade.demos.fireflies import Settings
        Settings(json=Path("/dev/stdout")).check()
        print("ok")
    """)


def test_what_is_unusual_but_sound_is_taken() -> None:
    Settings(side=1, refractory=0.0, nudge=0.12, jitter=0.5, seed=-3, quantum=0.0).check()
    Settings(side=1, period=3, refractory=1, nudge=0, duration=1).check()
    Settings(side=4, agents=16, refractory=0.0, nudge=0.5, period=0.1, virtual=True, trace=True).check()
    Settings(period=1e9, duration=1e9, quantum=1e9, speed=1e-6).check()
    Settings(period=1e-6, duration=1e-12, speed=1e6).check()
    Settings(model="cellular", topology="random:3", agents=10, states=3, speed=10).check()
    Settings(model="mirollo-strogatz", topology="star", agents=7, nudge=0, dissipation=0.5).check()


def test_how_many_there_are() -> None:
    assert [Settings().size, Settings(side=3).size, Settings(agents=7).size] == [900, 9, 7]


def test_a_seed_is_drawn_once_if_there_is_none() -> None:
    assert Settings(seed=0).seeded().seed == 0
    drawn = Settings().seeded()
    assert drawn.seed is not None and drawn.seeded().seed == drawn.seed
