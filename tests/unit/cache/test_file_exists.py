"""Files as results: what is there is not made again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.cache import file_exists
from cascade.cache.file_exists import FileExists
from cascade.cache.protocol import Hit


@cs.task
def make(name: str, *, year: int = 2024) -> None: ...


def test_a_fixed_path(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    for given in (path, str(path)):
        policy = FileExists(given)
        policy.check(make)
        key = policy.key(make, ("a",), {})
        path.unlink(missing_ok=True)
        assert policy.load(key, 0.0) is None
        path.write_text("")
        assert policy.load(key, 0.0) == Hit(path) == policy.save(key, "dropped", 0.0)


def test_a_path_by_the_arguments_of_the_task(tmp_path: Path) -> None:
    policy = FileExists(lambda name, year=2024: tmp_path / f"{name}-{year}")
    key, other = policy.key(make, ("a",), {}), policy.key(make, ("a",), {"year": 2025})
    assert key != other
    (tmp_path / "a-2024").write_text("")
    assert policy.load(key, 0.0) == Hit(tmp_path / "a-2024")
    assert policy.load(other, 0.0) is None


def test_several_paths_must_all_exist(tmp_path: Path) -> None:
    names = [tmp_path / "a", tmp_path / "b"]
    policy = FileExists(lambda *args, **kwargs: names)
    key = policy.key(make, ("a",), {})
    names[0].write_text("")
    assert policy.load(key, 0.0) is None
    names[1].mkdir()  # a directory is as good
    assert policy.load(key, 0.0) == Hit(names)
    one = FileExists([names[0]])
    assert one.load(one.key(make, ("a",), {}), 0.0) == Hit([names[0]])
    assert one.key(make, ("a",), {}) != FileExists(names[0]).key(make, ("a",), {})


def test_a_run_must_make_the_files(tmp_path: Path) -> None:
    policy = FileExists([tmp_path / "a", tmp_path / "b"])
    (tmp_path / "a").write_text("")
    with pytest.raises(FileNotFoundError, match="the task has run but has not written the file") as caught:
        policy.save(policy.key(make, ("a",), {}), None, 0.0)
    assert caught.value.filename == str(tmp_path / "b")


def test_files_must_not_be_older_than_what_they_are_made_of(tmp_path: Path) -> None:
    out, source, other = tmp_path / "out", tmp_path / "in", tmp_path / "other"
    policy = FileExists(out, newer_than=lambda name, year=0: [source, other])
    key = policy.key(make, ("a",), {})
    assert key != FileExists(out).key(make, ("a",), {})
    for path, seconds in ((out, 20), (source, 10), (other, 20)):
        path.write_text("")
        os.utime(path, (seconds, seconds))
    assert policy.load(key, 0.0) == Hit(out)
    os.utime(source, (30, 30))
    assert policy.load(key, 0.0) is None
    os.utime(out, (30, 30))
    assert policy.load(key, 0.0) == Hit(out)
    source.unlink()
    assert policy.load(key, 0.0) is None
    assert policy.save(key, None, 0.0) == Hit(out)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "path must be a path, got `int`"),
        (None, "path must be a path, got `NoneType`"),
        ([], "path must have at least one path, got an empty `list`"),
        (["a", 3], r"path\[1\] must be a path, got `int`"),
        ("", "path must be a path, got ''"),
        ("a\0b", "path must be a path, got 'a.*b'"),
        (make, "path must be a path, got `Task`"),
    ],
)
def test_what_is_no_path(given: Any, message: str) -> None:
    with pytest.raises(cs.PolicyError, match=message):
        FileExists(given)
    policy = FileExists(lambda name: given)
    with pytest.raises(cs.CacheKeyError, match=message):
        policy.key(make, ("a",), {})
    with pytest.raises(cs.PolicyError):
        FileExists("a", newer_than=["b", 3])  # type: ignore[list-item]


def test_names_that_are_not_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    policy = FileExists(path)
    path.write_text("")
    assert policy.load(policy.key(make, ("a",), {}), 0.0) == Hit(path)


def test_a_file_that_another_process_begins_during_the_lookup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report"
    policy = FileExists(path)
    key = policy.key(make, ("a",), {})
    is_marked = file_exists.is_marked
    ends: list[Callable[[bool], None]] = []

    def look(target: bytes) -> bool:
        found = is_marked(target)
        if not ends:
            ends.append(policy.begin(key))
            path.write_text("half of it")
        return found

    monkeypatch.setattr(file_exists, "is_marked", look)
    assert policy.load(key, 0.0) is None


def test_a_file_that_another_process_gives_up_during_the_lookup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report"
    policy = FileExists(path)
    key = policy.key(make, ("a",), {})
    end = policy.begin(key)
    path.write_text("half of it")
    stat = os.stat

    def look(target: Any, **options: Any) -> os.stat_result:
        found = stat(target, **options)
        if target == os.fsencode(path) and path.exists():
            path.unlink()
            end(False)  # no file, no mark
        return found

    monkeypatch.setattr(os, "stat", look)
    assert policy.load(key, 0.0) is None


def test_an_input_that_changes_while_the_task_runs(tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "report"
    source.write_text("old")
    changes = [lambda: source.write_text("new!"), lambda: os.utime(source, (1, 1)), source.unlink]
    for change in changes:
        path.unlink(missing_ok=True)
        runs: list[str] = []

        @cs.task(mode="inline")
        def copy(change: Any = change, runs: list[str] = runs) -> None:
            runs.append(source.read_text())
            if len(runs) == 1:
                change()
            if not source.exists():
                source.write_text("anew")
            path.write_text(runs[-1])

        os.utime(source, (2, 2))
        call = copy().with_cache(FileExists(path, newer_than=source))
        for _ in range(3):
            assert cs.run(call) == path
        assert len(runs) == 2 and path.read_text() == source.read_text()
