"""`cs.run`: where it can be called, and what it leaves behind."""

from __future__ import annotations

import threading

import pytest

import cascade as cs
from support.tasks import keep


@cs.task(mode="thread")
def in_thread(value: object) -> object:
    return value


async def test_cs_run_inside_a_running_loop_is_a_clear_error() -> None:
    for engine in (None, cs.Engine()):
        with pytest.raises(cs.EngineStateError, match="loop"):
            cs.run(keep(1), engine=engine)


def test_cs_run_inside_an_inline_task_is_a_clear_error() -> None:
    @cs.task(mode="inline")
    def nested() -> object:
        return cs.run(keep(1))

    with pytest.raises(cs.EngineStateError):
        cs.run(nested())


def test_cs_run_inside_a_thread_task_works() -> None:
    @cs.task(mode="thread")
    def nested() -> object:
        return cs.run(keep(1))

    assert cs.run(nested()) == (1,)


def test_threads_end_with_the_private_engine() -> None:
    """`cs.run` without an engine leaves no threads behind."""
    before = threading.active_count()
    for _ in range(20):
        cs.run([in_thread(number) for number in range(3)])
    assert threading.active_count() <= before + 1
