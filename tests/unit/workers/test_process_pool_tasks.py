"""Tasks in worker processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

import cascade as cs
from support.process_tasks import Made, add, dying, failing, in_process
from support.tasks import keep


@pytest.fixture(scope="module")
def engine() -> Iterator[cs.Engine]:
    engine = cs.Engine(max_processes=1)
    yield engine
    asyncio.run(engine.aclose())


def test_it_is_another_process(engine: cs.Engine) -> None:
    value, pid = cs.run(in_process("x"), engine=engine)
    assert value == "x"
    assert pid != os.getpid()


def test_decorated_at_module_level(engine: cs.Engine) -> None:
    assert cs.run([add(1, 2), add(add(1), b=add(2, 3))], engine=engine) == [3, 6]


def test_failures_come_back(engine: cs.Engine) -> None:
    with pytest.raises(ValueError, match="why") as caught:
        cs.run(keep(failing("why")), engine=engine)
    assert any("fail_with" in note for note in caught.value.__notes__)
    assert cs.run(add(1, 1), engine=engine) == 2


def test_what_cannot_be_pickled_is_an_error(engine: cs.Engine) -> None:
    with pytest.raises(Exception, match="pickle"):
        cs.run(in_process(lambda: None), engine=engine)
    assert cs.run(add(1, 1), engine=engine) == 2


def test_beside_the_other_modes(engine: cs.Engine) -> None:
    async def later(value: object) -> object:
        await asyncio.sleep(0)
        return value

    thread = cs.task(lambda value: value, mode="thread")
    found = cs.run(keep(add(1, thread(2)), cs.task(later)(add(3)), thread(add(4))), engine=engine)
    assert found == (3, 3, 4)


def test_a_worker_that_dies_is_an_error_and_not_a_hang() -> None:
    engine = cs.Engine(max_processes=1)
    with pytest.raises(Exception) as caught:
        cs.run(keep(dying(3)), engine=engine)
    assert not isinstance(caught.value, AssertionError)
    asyncio.run(engine.aclose())


@cs.task(name="renamed")
def other() -> int:
    return 1


def test_a_task_that_no_process_can_find_is_an_error(engine: cs.Engine) -> None:
    by_default = cs.Engine(default_mode="process", max_processes=1)
    for task in (cs.task(lambda: 1), other):
        with pytest.raises(cs.TaskDefinitionError, match="importable by its name"):
            cs.run(task(), engine=by_default)


def test_a_classmethod(engine: cs.Engine) -> None:
    assert cs.run(Made.make(1), engine=engine) == ("Made", 1, ())
