from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cascade as cs
from cascade.command_line.app import main
from cascade.demos.fireflies.settings import Settings
from cascade.extras import MissingExtraError, need

BRIEF = ["--side", "3", "--period", "0.2", "--refractory", "0.04", "--duration", "0.3", "--seed", "1"]


@pytest.fixture
def cli() -> None:
    pytest.importorskip("cyclopts", reason="needs the extra cli")
    pytest.importorskip("rich", reason="needs the extra cli")


def missing(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Make a package look as if it were not installed."""
    for name in list(sys.modules):
        if name.partition(".")[0] == package:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.usefixtures("cli")
def test_a_show_without_a_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    assert main(["fireflies", *BRIEF, "--json", str(path)]) == 0
    out = capsys.readouterr().out
    assert " events/s  lag " in out
    assert "seed 1\n" in out
    assert json.loads(path.read_bytes())["agents"] == 9


@pytest.mark.usefixtures("cli")
def test_all_wrong_settings_are_reported_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--side", "0", "--period", "nan", "--nudge=-1", "--json", "/no/such/folder/x"]
    assert main(["fireflies", *asked]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    options = [line.split()[1].rstrip(":") for line in told.err.splitlines()]
    assert options == ["--side", "--period", "--nudge", "--json"]


@pytest.mark.usefixtures("cli")
@pytest.mark.parametrize(
    "asked",
    [
        ["--model", "additive", "--topology", "torus4", "--agents", "16"],
        ["--model", "mirollo-strogatz", "--topology", "star", "--agents", "10", "--dissipation", "2"],
        ["--model", "cellular", "--topology", "random:3", "--agents", "10", "--states", "5"],
    ],
)
def test_an_hour_of_each_model_in_virtual_time(
    asked: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    traces = []
    for _ in range(2):
        path = tmp_path / "summary.json"
        again = ["--virtual", "--trace", "--seed", "5", "--duration", "3600", "--period", "60", "--json", str(path)]
        assert main(["fireflies", *asked, *again]) == 0
        told = json.loads(path.read_bytes())
        assert told["model_s"] == 3600.0 > told["wall_s"]
        assert told["us_per_event"] > 0
        assert told["lag_p50_ms"] is told["lag_p99_ms"] is None
        traces.append(told["trace"])
        assert traces[0] in capsys.readouterr().out
    assert traces[0] == traces[1]


@pytest.mark.usefixtures("cli")
def test_time_ten_times_as_fast(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    assert main(["fireflies", "--side", "3", "--duration", "20", "--speed", "10", "--json", str(path)]) == 0
    told = json.loads(path.read_bytes())
    assert told["model_s"] >= 20.0
    assert told["wall_s"] >= 2.0
    assert told["wall_s"] < told["model_s"]
    assert told["lag_p50_ms"] is not None


@pytest.mark.usefixtures("cli")
def test_what_does_not_go_together_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fireflies", "--virtual", "--speed", "10", "--agents", "950", "--states", "5"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.split()[1].rstrip(":") for line in told.err.splitlines()] == [
        "--agents", "--speed", "--states",
    ]  # fmt: skip
    assert "900 and 961 are the nearest" in told.err


@pytest.mark.usefixtures("cli")
def test_what_is_no_number_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fireflies", "--side", "many"]) == 2
    told = capsys.readouterr()
    assert "--side" in told.out + told.err


@pytest.mark.usefixtures("cli")
def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fireflies", "--help"]) == 0
    out = capsys.readouterr().out
    for option in Settings.__struct_fields__:
        assert f"--{option}" in out


@pytest.mark.usefixtures("cli")
def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == cs.__version__


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    missing(monkeypatch, "cyclopts")
    assert main(["fireflies"]) == 2
    assert "pip install 'cascade-engine[cli]'" in capsys.readouterr().err


@pytest.mark.usefixtures("cli")
def test_a_missing_plot_extra_is_named_before_the_show(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing(monkeypatch, "matplotlib")
    assert main(["fireflies", "--plot", str(tmp_path / "x.png")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "pip install 'cascade-engine[plots]'" in told.err
    assert not (tmp_path / "x.png").exists()


def test_a_package_that_is_there_but_broken_says_so_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_package.py").write_text("import no_such_thing_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_thing_at_all") as caught:
        need("broken_package", "cli", "this test")
    assert not isinstance(caught.value, MissingExtraError)


@pytest.mark.usefixtures("cli")
def test_the_picture_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    path = tmp_path / "show"
    assert main(["fireflies", *BRIEF, "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("cli")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_summary_that_cannot_be_written_is_an_error_and_the_picture_is_still_drawn(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    path = tmp_path / "show.png"
    assert main(["fireflies", *BRIEF, "--json", "/dev/full", "--plot", str(path)]) == 1
    told = capsys.readouterr()
    assert "seed 1\n" in told.out
    assert told.err.startswith("cascade: --json: ") and told.err.count("\n") == 1
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("cli")
@pytest.mark.parametrize("speed", ["1", "0.000001"])
def test_after_an_interrupt_it_still_prints_a_summary(tmp_path: Path, speed: str) -> None:
    path = tmp_path / "summary.json"
    home = str(Path(cs.__file__).parent.parent)
    asked = [*BRIEF[:-4], "--duration", "3600", "--speed", speed, "--json", str(path)]
    command = [sys.executable, "-m", "cascade", "fireflies", *asked]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])},
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert "flashes" in first
    assert process.returncode == 130, err
    assert "stopped early" in out
    assert err == ""
    assert json.loads(path.read_bytes())["model_s"] < 60


@pytest.mark.usefixtures("cli")
def test_a_reader_that_goes_away_is_no_traceback() -> None:
    home = str(Path(cs.__file__).parent.parent)
    command = [sys.executable, "-m", "cascade", "fireflies", *BRIEF]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 1
    assert err == ""


@pytest.mark.usefixtures("cli")
def test_the_second_show_starts_warm(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    figures = []
    for start in ("cold", "warm", "warm"):
        path = tmp_path / "summary.json"
        assert main(["fireflies", *BRIEF, "--templates", str(tmp_path / "shapes"), "--json", str(path)]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert ["start", start] in lines
        figures.append(json.loads(path.read_bytes()))
    cold, *warm = figures
    assert cold["builds"] == cold["solves"] > 0 and cold["loaded"] == 0
    for figure in warm:
        assert figure["builds"] == figure["solves"] == 0
        assert figure["loaded"] == cold["builds"]


@pytest.mark.usefixtures("cli")
@pytest.mark.parametrize("name", ["no/folder/shapes", "other", "."])
def test_templates_that_cannot_be_had(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    (tmp_path / "other").write_text("another kind of file")
    assert main(["fireflies", *BRIEF, "--templates", str(tmp_path / name)]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("cascade: --templates must be a file of templates or no file")
    assert (tmp_path / "other").read_text() == "another kind of file"
