"""Order without data: after, sequences, pipelines."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cascade as cs
from support.notes import Notes
from support.observation import settle
from support.tasks import take


@pytest.fixture
def log() -> Notes:
    return Notes()


async def test_a_predecessor_that_suspends_comes_first(log: Notes) -> None:
    gate = asyncio.Event()

    @cs.task
    async def slow() -> None:
        await gate.wait()
        log.append("slow")

    run = cs.Engine().start(take(log.note("x", log.note("argument")).after(slow()), log.note("other")))
    await settle(10)
    assert log == ["argument", "other"]
    gate.set()
    await run
    assert log == ["argument", "other", "slow", "x"]


async def test_it_is_a_new_node_and_the_old_one_is_as_it_was(log: Notes, cold: cs.Engine) -> None:
    first, node = log.note("first"), log.note("node")
    assert await cold.run(node) == "node"
    assert log == ["node"]
    log.clear()
    assert await cold.run([node.after(first), node]) == ["node", "node"]
    assert log.count("node") == 2
    assert log.count("first") == 1


async def test_several_predecessors_and_those_of_predecessors(log: Notes, cold: cs.Engine) -> None:
    a = log.note("a")
    b = log.note("b").after(a)
    for node in [log.note("c").after(b, a), log.note("c").after(b).after(a), log.note("c").after(b, b, a, a)]:
        log.clear()
        assert await cold.run(node) == "c"
        assert log == ["a", "b", "c"]


async def test_predecessors_of_everything_that_is_lazy(log: Notes, cold: cs.Engine) -> None:
    first = log.note("first")
    nodes = [
        cs.Router(1, {1: log.note("x")}),
        log.note("x").run_if(True),
        cs.gather(log.note("x")),
        take.map(x=[log.note("x")]),
        cs.sequence([log.note("x")]),
        cs.pipeline(log.note("x"), [take]),
    ]
    for node in nodes:
        log.clear()
        await cold.run(node.after(first))
        assert sorted(log) == ["first", "x"]


async def test_a_predecessor_that_fails_lets_nothing_start(log: Notes) -> None:
    @cs.task(mode="inline")
    def fail() -> None:
        raise KeyError("told")

    with pytest.raises(KeyError):
        await cs.Engine().run(log.note("x").after(fail()))
    assert log == []


async def test_that_there_is_a_predecessor_is_structure() -> None:
    one, two = take(1), take(2)
    digests = {cs.structural_hash(node)[0] for node in (take(), take().after(one), take().after(one, two), take(one))}
    assert len(digests) == 4
    assert cs.structural_hash(take().after(one))[0] == cs.structural_hash(take().after(two))[0]


async def test_steps_of_a_sequence_that_suspend_do_not_overlap() -> None:
    now: list[int] = []

    @cs.task
    async def step(number: int) -> int:
        assert not now
        now.append(number)
        await settle(3)
        now.remove(number)
        return number

    assert await cs.Engine().run(cs.sequence([step(n) for n in range(20)])) == list(range(20))


async def test_sequences_of_nothing_one_and_the_same(log: Notes, cold: cs.Engine) -> None:
    assert await cold.run(cs.sequence([])) == []
    assert await cold.run(cs.sequence([log.note("x")])) == ["x"]
    log.clear()
    node = log.note("x")
    assert await cold.run(cs.sequence([node, node, node])) == ["x", "x", "x"]
    assert log == ["x", "x", "x"]  # each after the one before, so each a node of its own


async def test_a_skipped_step_skips_those_that_follow(log: Notes, cold: cs.Engine) -> None:
    steps = [log.note("a"), log.note("b").run_if(False), log.note("c")]
    with pytest.raises(cs.TaskSkippedError):
        await cold.run(cs.sequence(steps))
    assert log == ["a"]


async def test_sequences_in_sequences(log: Notes, cold: cs.Engine) -> None:
    inner = cs.sequence([log.note("b"), log.note("c")])
    assert await cold.run(cs.sequence([log.note("a"), inner, log.note("d")])) == ["a", ["b", "c"], "d"]
    assert sorted(log) == ["a", "b", "c", "d"]
    assert log.index("d") == 3


@pytest.mark.parametrize("steps", [[1], [take, None], [take(1)], "xy"], ids=repr)
def test_a_step_that_is_no_callable_is_an_error_before_anything_is_called(steps: object) -> None:
    with pytest.raises(cs.PolicyError, match=r"got `\w+` - at `steps\[\d\]`"):
        cs.pipeline(1, steps)


@pytest.mark.parametrize("steps", [[1], [take(1), take]], ids=repr)
def test_a_step_that_is_no_lazy_result_is_an_error_at_once(steps: object) -> None:
    with pytest.raises(cs.PolicyError, match=r"got `\w+` - at `steps\[\d\]`"):
        cs.sequence(steps)


@pytest.mark.parametrize("steps", [3, None, take], ids=repr)
def test_steps_that_are_no_steps_at_all(steps: Any) -> None:
    for call in (lambda: cs.pipeline(1, steps), lambda: cs.sequence(steps)):
        with pytest.raises(cs.PolicyError, match=r"^steps must be a list, or another iterable, of .*, got `\w+`$"):
            call()


async def test_pipelines(cold: cs.Engine) -> None:
    assert cs.pipeline(7, []) == 7
    value = await cold.run(cs.pipeline(1, [take, lambda x: take(x, k=2)]))
    assert value == ((((1,), {}),), {"k": 2})
