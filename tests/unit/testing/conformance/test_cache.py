"""Our own pass the checks that others' are given, and what is wrong is found."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.cache.file_exists import FileExists
from cascade.cache.memory_store import MemoryStore
from cascade.cache.policy import ResultCache
from cascade.cache.protocol import Hit
from cascade.cache.sqlite_store import DiskStore
from cascade.testing.conformance.cache import check_cache_policy, check_cache_store


@cs.task
def double(x: int, *, y: int = 1, z: int = 2) -> int:
    return 2 * x


def test_ours(tmp_path: Path) -> None:
    numbers = itertools.count()
    check_cache_store(MemoryStore)
    check_cache_store(lambda: DiskStore(tmp_path / f"{next(numbers)}.db"))
    for store in (MemoryStore(), DiskStore(tmp_path / "policy.db")):
        check_cache_policy(ResultCache(ttl=1, store=store), double, (1,), {"y": 2, "z": 3}, None)
        store.close()


def test_files(tmp_path: Path) -> None:
    class Made(FileExists):
        """The run is played by `save`."""

        def save(self, key: bytes, value: Any, now: float) -> Hit:
            (tmp_path / "out").write_text("")
            return super().save(key, value, now)

    check_cache_policy(Made(tmp_path / "out"), double, (1,), {}, 2)


class Forgetful(MemoryStore):
    def get(self, key: bytes, now: float) -> Any:
        hit = super().get(key, now)
        return None if hit is not None and hit.value is None else hit


class Timeless(MemoryStore):
    def set(self, key: bytes, value: Any, expires: float | None, now: float) -> None:
        super().set(key, value, None, now)


class Bare(MemoryStore):
    def get(self, key: bytes, now: float) -> Any:
        hit = super().get(key, now)
        return hit and hit.value


class Sticky(MemoryStore):
    def delete(self, key: bytes) -> None: ...


@pytest.mark.parametrize("wrong", [Forgetful, Timeless, Bare, Sticky])
def test_what_is_wrong_with_a_store_is_found(wrong: type[MemoryStore]) -> None:
    with pytest.raises(AssertionError):
        check_cache_store(wrong)


class Unsaved(ResultCache):
    def save(self, key: bytes, value: Any, now: float) -> None: ...


class Fickle(ResultCache):
    numbers = itertools.count()

    def key(self, task: cs.Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        return b"%d" % next(self.numbers)


@pytest.mark.parametrize("wrong", [Unsaved, Fickle])
def test_what_is_wrong_with_a_policy_is_found(wrong: type[ResultCache]) -> None:
    with pytest.raises(AssertionError):
        check_cache_policy(wrong(store=MemoryStore()), double, (1,), {}, 2)
