"""The files beside a file of templates: nothing planted there is followed, and nothing is open to more users."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cascade.templates.writer import Encodings, rewrite

KEPT: Encodings = {bytes(32): b"encoding"}


@pytest.mark.posix_only
def test_a_lock_that_is_a_link(tmp_path: Path) -> None:
    path, victim = tmp_path / "shapes", tmp_path / "victim"
    Path(f"{path}.lock").symlink_to(victim)
    with pytest.raises(OSError, match="the lock must be a file of its own, got a link") as caught:
        rewrite(path, lambda there: KEPT)
    assert caught.value.filename == f"{path}.lock"
    assert not victim.exists()
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_lock_that_is_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "shapes"
    os.mkfifo(f"{path}.lock")
    with pytest.raises(OSError, match="the lock must be a regular file"):
        rewrite(path, lambda there: KEPT)
    assert not path.exists()


@pytest.mark.posix_only
def test_a_new_file_whose_name_is_a_link(tmp_path: Path) -> None:
    path, victim = tmp_path / "shapes", tmp_path / "victim"
    victim.write_bytes(b"precious")
    Path(f"{path}.tmp").symlink_to(victim)
    assert rewrite(path, lambda there: KEPT) == 1
    assert victim.read_bytes() == b"precious"
    assert not path.is_symlink()
    assert not Path(f"{path}.tmp").is_symlink()


@pytest.mark.posix_only
def test_a_new_file_is_open_to_no_more_users_than_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shapes"
    rewrite(path, lambda there: KEPT)
    path.chmod(0o600)
    modes: list[int] = []
    real = os.open

    def opened(place: str, flags: int, mode: int = 0o777) -> int:
        descriptor = real(place, flags, mode)
        if flags & os.O_EXCL:
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", opened)
    rewrite(path, lambda there: {**there, bytes([1] * 32): b"another"})
    assert modes == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
