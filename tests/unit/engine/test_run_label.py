"""The name and tags of runs: given at the start, and known to the run, its tasks and its worker processes."""

from __future__ import annotations

import asyncio
import gc
import re
from typing import Any

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from support.process_tasks import called
from support.tasks import give, keep


def own() -> tuple[int, str | None, dict[str, str]]:
    run = cs.current().run
    return run.id, run.name, dict(run.tags)


@cs.task
async def in_async() -> object:
    await asyncio.sleep(0)
    return own()


TASKS = [cs.task(own, mode="inline"), cs.task(own, mode="thread"), in_async, called]


@pytest.mark.parametrize("task", TASKS, ids=["inline", "thread", "async", "process"])
async def test_tasks_know_them_in_each_mode(task: cs.Task[[], object]) -> None:
    async with cs.Engine() as engine:
        run = engine.start(give(task()), name="order-17", tags={"site": "7"})
        assert await run == (run.id, "order-17", {"site": "7"})
        assert repr(run) == f"<Run {run.id} 'order-17' (site=7): done, 0 iterations>"
        unnamed = engine.start(task())
        assert await unnamed == (unnamed.id, None, {})
        assert repr(unnamed).startswith(f"<Run {unnamed.id}: ")


def test_they_are_given_wherever_a_run_is_started() -> None:
    task: Any = cs.task(own, mode="inline")
    assert cs.run(task(), name="one", tags={"a": "b"})[1:] == ("one", {"a": "b"})

    async def main() -> Any:
        async with cs.Engine() as engine:
            return await engine.run(task(), name="two", tags={"c": "d"})

    assert asyncio.run(main())[1:] == ("two", {"c": "d"})


async def test_members_of_a_population_share_them_also_when_they_are_started_again() -> None:
    failures = iter([ValueError(), None, None])

    @cs.task(mode="inline")
    def once() -> object:
        if (error := next(failures)) is not None:
            raise error
        return own()[1:]

    async with cs.Engine() as engine:
        members = engine.start_many([once(), once()], name="pollers", tags={"a": "b"}, on_failure=cs.Restart(limit=1))
        assert (await members).restarts == 1
        assert [run.result() for run in members.runs] == [("pollers", {"a": "b"})] * 2
        assert repr(members) == "<Population 'pollers' (a=b) of 2: 2 done, 1 restarts>"
        assert repr(engine.start_many([])) == "<Population of 0: no members>"


async def test_the_repr_of_a_population_has_its_own_name_whatever_its_members_are_called() -> None:
    async with cs.Engine() as engine:
        members = engine.start_many([], name="pollers", tags={"a": "b"})
        assert repr(members) == "<Population 'pollers' (a=b) of 0: no members>"
        await members.add(keep(), name="other", tags={"a": "c"})
        assert repr(members) == "<Population 'pollers' (a=b) of 1: 1 done>"


async def test_tags_are_a_copy_that_nothing_changes() -> None:
    tags = {"site": "7"}
    async with cs.Engine() as engine:
        run = engine.start(give(1), tags=tags)
        tags["site"] = "8"
        assert run.tags == {"site": "7"} and run.name is None
        with pytest.raises(TypeError):
            run.tags["site"] = "9"  # type: ignore[index]
        await run


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": 7}, "name must be None or a str, got `int`"),
        ({"tags": ["a"]}, "tags must be None or a mapping of str to str, got `list`"),
        ({"tags": {"site": 7}}, 'tags must be a mapping of str to str, got \'site\': 7: write "site": "7"'),
    ],
)
async def test_wrong_ones_are_refused(given: dict[str, Any], message: str) -> None:
    async with cs.Engine() as engine:
        for start in (lambda: engine.start(give(1), **given), lambda: engine.start_many([give(1)], **given)):
            with pytest.raises(TypeError) as error:
                start()
            assert str(error.value) == message


@pytest.mark.parametrize("key", ["", "=", "a=b"])
async def test_the_key_of_a_tag_is_one_that_selectors_can_tell_from_its_value(key: str) -> None:
    async with cs.Engine() as engine:
        with pytest.raises(ValueError, match="key of a tag must be a str that is not empty and has no '=', got "):
            engine.start(give(1), tags={key: "7"})
        assert engine.runs == ()


@pytest.mark.parametrize("how", ["inline", "thread", "async", "wait", "recv"])
def test_a_subset_of_runs_is_paused_by_name_and_by_tag(how: str, virtual: VirtualTime) -> None:
    @cs.task(mode="thread" if how == "thread" else "inline")
    def work() -> str:
        return "worked"

    @cs.task
    async def later() -> str:
        return "worked"

    channel: cs.Channel[str] = cs.Channel()

    def target() -> Any:
        channel.send("message")
        made = {"async": later, "wait": lambda: cs.wait(0), "recv": lambda: channel.recv()}
        return made.get(how, work)()

    async def main() -> None:
        engine = virtual.engine
        engine.limits.pause("tag:site=7")
        engine.limits.pause("run:order-*")
        labels: list[dict[str, Any]] = [
            {},
            {"name": "order-17"},
            {"tags": {"site": "7"}},
            {"tags": {"site": "8"}},
            {"name": "other", "tags": {"site": "7", "kind": "a"}},
        ]
        runs = [engine.start(target(), **label) for label in labels]
        population = engine.start_many([target(), target()], tags={"site": "7"})
        await asyncio.sleep(1)
        assert [run.done() for run in runs] == [True, False, False, True, False] and not population.done()
        engine.limits.resume("tag:site=7")
        await asyncio.sleep(1)
        assert [run.done() for run in runs] == [True, False, True, True, True] and population.done()
        engine.limits.resume("run:order-*")
        await runs[1]

    virtual.run(main())


async def test_messages_about_a_run_say_its_name(caplog: pytest.LogCaptureFixture) -> None:
    @cs.task(mode="inline")
    def fail() -> None:
        raise ValueError("so")

    @cs.task(mode="inline")
    def here() -> str:
        return repr(cs.current())

    async with cs.Engine() as engine:
        channel: cs.Channel[int] = cs.Channel()
        run = engine.start(fail(), name="order-17", tags={"site": "7", "day": "1"}, closes=channel)
        called = f"run {run.id} 'order-17' (site=7, day=1)"
        with pytest.raises(cs.EngineStateError, match=re.escape(f"{called} has not ended")):
            run.result()
        with pytest.raises(ValueError, match="so") as caught:
            await run
        assert caught.value.__notes__[0].endswith(f"of {called}")
        with pytest.raises(cs.ChannelClosedError, match=re.escape(f"{called}, to which it belongs")):
            await channel.receive()
        assert "'order-18', attempt 1" in await engine.run(here(), name="order-18")
        with pytest.raises(cs.RunDeadlineError, match=r"^run \d+ 'slow' has reached its deadline"):
            await engine.run(cs.wait(3600), deadline=0.001, name="slow")
        engine.start(fail(), name="lost")
        await engine.join()
        gc.collect()
    assert "the exception of run" in caplog.text
    assert "'lost' was never retrieved" in caplog.text


def test_so_does_that_of_a_deadlock() -> None:
    engine = cs.Engine(clock=cs.Clock.virtual())
    with pytest.raises(cs.DeadlockError, match=r"run \d+ 'waits': waiting in recv"):
        cs.run(cs.Channel[int]().recv(), engine=engine, name="waits")
