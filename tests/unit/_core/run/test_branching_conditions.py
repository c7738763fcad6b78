"""Conditions: what is pruned never starts, and what is skipped skips what takes it, that and nothing else."""

from __future__ import annotations

import asyncio

import pytest

import cascade as cs
from support.notes import Notes
from support.observation import settle
from support.tasks import take


@pytest.fixture
def log() -> Notes:
    return Notes()


def truth(log: Notes, value: object) -> cs.LazyResult:
    """Describe a condition that is noted."""

    @cs.task(mode="inline", name="truth")
    def tell() -> object:
        log.append("condition")
        return value

    return tell()


@pytest.mark.parametrize("value", [True, 1, "x", [0], False, 0, "", [], None], ids=repr)
async def test_the_condition_comes_first_and_decides(log: Notes, cold: cs.Engine, value: object) -> None:
    for _ in range(2):
        log.clear()
        guarded = log.note("node", log.note("under")).run_if(truth(log, value), otherwise=log.note("instead"))
        taken = ["under", "node"] if value else ["instead"]
        assert await cold.run(take(log.note("before"), guarded)) == (("before", taken[-1]), {})
        assert log == ["before", "condition", *taken]


async def test_the_condition_may_need_the_node_itself(log: Notes, cold: cs.Engine) -> None:
    node = log.note("node")
    assert await cold.run(node.run_if(take(node))) == "node"
    assert log == ["node"]


async def test_what_others_need_runs_all_the_same_once(log: Notes, cold: cs.Engine) -> None:
    under = log.note("under")
    node = log.note("node", under)
    assert await cold.run([node.run_if(False), under, node.run_if(False, otherwise=0)]) == [cs.SKIPPED, "under", 0]
    assert log == ["under"]
    log.clear()
    assert await cold.run([node.run_if(False), node]) == [cs.SKIPPED, "node"]
    assert log == ["under", "node"]


async def test_a_skipped_node_skips_all_that_takes_it_up_to_the_target(log: Notes, cold: cs.Engine) -> None:
    skipped = log.note("never").run_if(truth(log, False))
    end = log.note("end", log.note("middle", {"deep": [skipped]}), log.note("other"))
    with pytest.raises(cs.TaskSkippedError, match=r"note at .* was skipped, as its condition was false: .*truth"):
        await cold.run(end)
    assert log == ["condition", "other"]


@pytest.mark.parametrize(
    "make",
    [
        lambda skipped: take(x=skipped),
        lambda skipped: take([(skipped,)]),
        lambda skipped: cs.gather(1, skipped),
        lambda skipped: take(1).after(skipped),
        lambda skipped: take(1).run_if(skipped, otherwise=2),
        lambda skipped: take(1).run_if(False, otherwise=skipped),
        lambda skipped: cs.Router(skipped, {1: 2}, default=3),
        lambda skipped: cs.Router(1, {1: skipped}, default=3),
        lambda skipped: cs.Router(2, {1: 1}, default=skipped),
        lambda skipped: take.map(x=[1, skipped]),
        lambda skipped: take.map(x=[1], y=cs.const(skipped)),
        lambda skipped: cs.sequence([skipped, take(1)]),
        lambda skipped: cs.pipeline(skipped, [take, take]),
        lambda skipped: take(1).with_constraints(gpu=skipped),
    ],
)
async def test_everything_that_takes_it_is_skipped(make: object) -> None:
    engine = cs.Engine(limits={"gpu": 1})
    skipped = take("never").run_if(False)
    for _ in range(2):
        with pytest.raises(cs.TaskSkippedError):
            await engine.run(make(skipped))
        assert await engine.run([make(skipped), take(1)]) == [cs.SKIPPED, ((1,), {})]


async def test_a_route_that_would_be_skipped_does_not_matter_if_it_is_not_taken(log: Notes, cold: cs.Engine) -> None:
    skipped = log.note("never").run_if(False)
    assert await cold.run(cs.Router(1, {1: log.note("taken"), 2: skipped}, default=skipped)) == "taken"
    assert await cold.run(log.note("x").run_if(True, otherwise=skipped)) == "x"


async def test_an_expression_in_the_middle_that_is_skipped(log: Notes, cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def middle(going: bool) -> object:
        return log.note("inside").run_if(going)

    assert await cold.run([take(middle(True)), take(middle(False)), log.note("end")]) == [
        (("inside",), {}),
        cs.SKIPPED,
        "end",
    ]
    with pytest.raises(cs.TaskSkippedError):
        await cold.run(middle(False))


async def test_skipped_while_others_are_under_way_waits_for_them() -> None:
    gate, ended = asyncio.Event(), []

    @cs.task
    async def slow() -> None:
        await gate.wait()
        ended.append("slow")

    run = cs.Engine().start(take(slow(), take(1).run_if(False)))
    await settle(10)
    assert not run.done()
    gate.set()
    with pytest.raises(cs.TaskSkippedError):
        await run
    assert ended == ["slow"]


async def test_a_failure_beside_a_skipped_node_is_the_failure(log: Notes) -> None:
    @cs.task(mode="inline")
    def fail() -> None:
        raise KeyError("told")

    with pytest.raises(KeyError, match="told"):
        await cs.Engine().run(take(log.note("never").run_if(False), fail()))


async def test_none_is_a_value_and_skips_nothing(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def nothing() -> None: ...

    assert await cold.run(take(nothing(), [nothing()])) == ((None, [None]), {})
    assert await cold.run(take(nothing()).run_if(False, otherwise=None)) is None


async def test_modifiers_of_a_guarded_node_are_those_of_the_node(log: Notes, cold: cs.Engine) -> None:
    first = log.note("first")
    for node in [log.note("x").run_if(False).after(first), log.note("x").after(first).run_if(False)]:
        assert await cold.run([node, log.note("y")]) == [cs.SKIPPED, "y"]
    assert log == ["y", "y"]


async def test_guards_in_guards(log: Notes, cold: cs.Engine) -> None:
    for inner, outer in [(True, True), (True, False), (False, True), (False, False)]:
        log.clear()
        node = log.note("node").run_if(inner).run_if(outer)
        assert await cold.run([node]) == ["node" if inner and outer else cs.SKIPPED]
        assert log == (["node"] if inner and outer else [])


async def test_a_loop_that_a_condition_ends() -> None:
    @cs.task(mode="inline")
    def down(n: int) -> object:
        return down(n - 1).run_if(n, otherwise="end")

    run = cs.Engine().start(down(5_000))
    assert await run == "end"
    assert run.iterations == 5_001
