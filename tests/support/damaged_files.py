"""Damage to the files of a `DiskStore`, at random: every lookup afterwards finds the right value, or nothing."""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
from pathlib import Path

from cascade.cache.protocol import Hit
from cascade.cache.sqlite_store import DiskStore

NAMES = ("results.db", "results.db-wal", "results.db-shm")
KEPT = {b"key %d" % i: {"n": i, "padding": "x" * (i * 37 % 900)} for i in range(30)}


def survive(first: int, last: int, *, is_open: bool) -> None:
    """Damage files once for each seed, and use the store afterwards.

    Args:
        first: the first seed.
        last: the seed after the last one.
        is_open: whether the store has the files open when they are damaged.
    """
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make(folder / "made")
        for seed in range(first, last):
            chance = random.Random(seed)
            shutil.rmtree(folder / "used", ignore_errors=True)
            shutil.copytree(folder / "made", folder / "used")
            store = DiskStore(folder / "used" / NAMES[0])
            if is_open:
                _use(store, random.Random(1))
            for _ in range(chance.choice([1, 1, 2])):
                path = folder / "used" / chance.choice([*NAMES, *NAMES[:2]])
                if path.exists() and path.stat().st_size:
                    _damage(path, chance)
            _use(store, chance)
            store.close()
            again = DiskStore(folder / "used" / NAMES[0])
            _use(again, chance)
            again.close()


def _make(folder: Path) -> None:
    """Make files as a process leaves them that was killed: a part of the results is in the log only."""
    open_folder = folder.parent / "open"
    store = DiskStore(open_folder / NAMES[0])
    for i, (key, value) in enumerate(KEPT.items()):
        if i == 15:
            store.close()
        store.set(key, value, None if i % 2 else 1e12, 0.0)
    store.get(b"key 1", 0.0)
    folder.mkdir()
    for name in NAMES:
        shutil.copyfile(open_folder / name, folder / name)
    store.close()


def _use(store: DiskStore, chance: random.Random) -> None:
    for key, value in KEPT.items():
        assert store.get(key, 0.0) in (None, Hit(value)), key
    assert store.get(b"another", 0.0) is None
    store.set(b"new", [1], None, 0.0)
    assert store.get(b"new", 0.0) in (None, Hit([1]))
    assert len(store) >= 0
    store.delete(b"key 3")
    if chance.random() < 0.2:
        store.clear()


def _damage(path: Path, chance: random.Random) -> None:
    size = path.stat().st_size
    how = chance.choice(["bits", "bits", "bytes", "garbage", "zeros", "swap", "longer", "shorter", "empty"])
    with path.open("r+b") as file:
        if how == "bits":
            for _ in range(chance.choice([1, 1, 3, 30])):
                at = chance.randrange(size)
                file.seek(at)
                byte = file.read(1)[0] ^ (1 << chance.randrange(8))
                file.seek(at)
                file.write(bytes([byte]))
        elif how == "bytes":
            file.seek(chance.randrange(size))
            file.write(chance.randbytes(chance.choice([1, 4, 100, 5000])))
        elif how == "garbage":
            file.truncate(0)
            file.write(chance.randbytes(chance.randrange(1, 2 * size)))
        elif how == "zeros":
            at = chance.randrange(size)
            file.seek(at)
            file.write(bytes(min(size - at, chance.choice([16, 512, 4096]))))
        elif how == "swap":
            step = chance.choice([512, 1024, 4096])
            places = [chance.randrange(max(1, size // step)) * step for _ in range(2)]
            pages = []
            for place in places:
                file.seek(place)
                pages.append(file.read(step))
            for place, page in zip(places, reversed(pages), strict=True):
                file.seek(place)
                file.write(page)
        elif how == "longer":
            file.seek(size)
            file.write(chance.randbytes(chance.randrange(1, 9000)))
        else:
            file.truncate(chance.randrange(size) if how == "shorter" else 0)
