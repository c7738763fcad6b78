"""Stores are used in threads that are the engine's, not the event loop's, and that end with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.cache.io_threads import io_threads


@cs.task(mode="inline")
def double(x: int) -> int:
    return 2 * x


class Watched(cs.DiskStore):
    """Notes in which threads it is used."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.threads: list[threading.Thread] = []

    def get(self, key: bytes, now: float) -> cs.Hit | None:
        self.threads.append(threading.current_thread())
        return super().get(key, now)

    def set(self, key: bytes, value: Any, expires: float | None, now: float) -> None:
        self.threads.append(threading.current_thread())
        super().set(key, value, expires, now)


def ended(threads: list[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(60)
    return not any(thread.is_alive() for thread in threads)


def test_they_end_with_the_last_engine_that_uses_them(tmp_path: Path) -> None:
    store = Watched(tmp_path / "results.db")
    cached = double.with_cache(cs.ResultCache(store=store))

    async def main() -> None:
        one, other = cs.Engine(), cs.Engine()
        assert await one.run(cached(1)) == await other.run(cached(1)) == 2
        assert {thread.name.rpartition("_")[0] for thread in store.threads} == {
            "cascade-cache-load",
            "cascade-cache-save",
        }
        await one.aclose()
        assert all(thread.is_alive() for thread in store.threads)
        assert await other.run(cached(2)) == 4
        await other.aclose()

    asyncio.run(main())
    assert ended(store.threads)
    assert cs.run(cached(3)) == 6  # made anew
    assert ended(store.threads)
    store.close()


async def test_a_default_executor_that_is_full_does_not_hold_them_up(tmp_path: Path) -> None:
    store = Watched(tmp_path / "results.db")
    gate = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    blocked = loop.run_in_executor(None, gate.wait, 60)
    try:
        async with cs.Engine() as engine:
            assert await engine.run(double.with_cache(cs.ResultCache(store=store))(1)) == 2
        assert not blocked.done()
    finally:
        gate.set()
        await blocked
        store.close()


@pytest.mark.posix_only
def test_a_forked_process_has_threads_of_its_own(tmp_path: Path, interpreter: Callable[..., str]) -> None:
    code = f"""
        import os
        import cascade as cs

        @cs.cached(store=cs.DiskStore({str(tmp_path / "results.db")!r}))
        def double(x): return 2 * x

        engine = cs.Engine()
        assert cs.run(double(1), engine=engine) == 2
        if (child := os.fork()) == 0:
            assert cs.run([double(1), double(2)], engine=engine) == [2, 4]
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(cs.run([double(2), double(3)], engine=engine))
    """
    assert interpreter(code) == "[4, 6]\n"


def test_a_destructor_that_uses_them_while_they_are_used(tmp_path: Path) -> None:
    with io_threads._lock:
        assert cs.run(double.with_cache(cs.ResultCache(store=cs.DiskStore(tmp_path / "results.db")))(1)) == 2
