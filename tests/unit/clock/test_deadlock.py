"""Everybody waits for ever, or time does not move: under a virtual clock that is seen, and told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

import pytest

import cascade as cs
from cascade.testing import VirtualTime

DAY = 86_400.0


@cs.task(mode="inline")
def keep(*values: object) -> object:
    return values


def test_a_deadlock_lists_what_each_run_waits_for(virtual: VirtualTime) -> None:
    channel = cs.Channel()

    @cs.task
    async def asleep() -> None:
        await asyncio.Event().wait()

    async def main() -> list[BaseException]:
        runs = [virtual.engine.start(keep(channel.recv())), virtual.engine.start(asleep())]
        done, _ = await asyncio.wait([asyncio.ensure_future(joined(run)) for run in runs])
        return [future.result() for future in done]

    async def joined(run: cs.Run) -> BaseException:
        with pytest.raises(cs.DeadlockError) as raised:
            await run
        return raised.value

    errors = virtual.run(main())
    assert len(errors) == 2
    for error in errors:
        assert "waiting in recv for keep" in str(error)
        assert "running " in str(error)
        assert "asleep" in str(error)


def test_a_pause_that_nothing_ends(virtual: VirtualTime) -> None:
    virtual.engine.limits.pause()
    with pytest.raises(cs.DeadlockError, match=r"pause '\*': waited for by 1"):
        virtual.run(keep(1))
    virtual.engine.limits.resume()
    assert virtual.run(keep(1)) == (1,)


def test_nothing_is_left_of_a_deadlock(virtual: VirtualTime) -> None:
    channel = cs.Channel()
    with pytest.raises(cs.DeadlockError):
        virtual.run([channel.recv(), cs.wait(5)])
    assert virtual.time == 5.0
    channel.send("late")
    assert channel.drain() == ["late"]


def test_resources_are_torn_down_after_a_deadlock(virtual: VirtualTime) -> None:
    seen = []

    @cs.resource(scope="run")
    def held() -> Iterator[str]:
        seen.append("up")
        try:
            yield "resource"
        finally:
            seen.append("down")

    virtual.engine.register(held)
    with pytest.raises(cs.DeadlockError):
        virtual.run(keep(cs.inject("held"), cs.Channel().recv()))
    assert seen == ["up", "down"]


def test_a_long_list_of_waiting_runs_is_cut(virtual: VirtualTime) -> None:
    channel = cs.Channel()
    with pytest.raises(cs.DeadlockError) as raised:

        async def main() -> None:
            runs = [virtual.engine.start(keep(channel.recv())) for _ in range(50)]
            for run in runs[1:]:
                with pytest.raises(cs.DeadlockError):
                    await run
            await runs[0]

        virtual.run(main())
    assert "and 30 more" in str(raised.value)


def test_plain_code_that_waits_for_ever(virtual: VirtualTime) -> None:
    async def forgotten() -> None:
        await asyncio.Event().wait()

    with pytest.raises(cs.DeadlockError, match="forgotten"):
        virtual.run(forgotten())


def test_a_run_that_can_still_be_woken_is_no_deadlock(virtual: VirtualTime) -> None:
    channel = cs.Channel()

    async def main() -> object:
        run = virtual.engine.start(channel.recv())
        await asyncio.sleep(DAY)
        channel.send("morning")
        return await run

    assert virtual.run(main()).elapsed == DAY


def test_a_standstill_is_logged(virtual: VirtualTime, caplog: pytest.LogCaptureFixture) -> None:
    @cs.task(mode="inline")
    def spin(n: int, _: object = None) -> object:
        return spin(n - 1, cs.wait(0)) if n else None

    with caplog.at_level(logging.WARNING, "cascade"):
        virtual.run(spin(3_000_000))
        virtual.run(cs.wait(1))
        assert not caplog.records
        virtual.run(spin(4_000_000))
    assert [record.getMessage() for record in caplog.records] == [caplog.records[0].getMessage()]
    assert "at t=1 s, the last one of <Run" in caplog.text
    assert "Run" in caplog.text


def test_a_loop_that_never_waits_is_logged(virtual: VirtualTime, caplog: pytest.LogCaptureFixture) -> None:
    @cs.task(mode="inline")
    def ask(left: int) -> object:
        return ask(left - 1) if left else "enough"

    with caplog.at_level(logging.WARNING, "cascade"):
        virtual.run(ask(4_900_000))
        virtual.run(cs.wait(1))
        assert not caplog.records
        virtual.run(ask(5_100_000))
    (record,) = caplog.records
    assert "at t=1 s, the last one of <Run" in record.getMessage()


@pytest.mark.long
def test_a_coroutine_that_sleeps_for_zero_seconds_is_logged(
    virtual: VirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    async def spin(rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)

    with caplog.at_level(logging.WARNING, "cascade"):
        virtual.run(spin(900_000))
        virtual.run(asyncio.sleep(1))
        assert not caplog.records
        virtual.run(spin(1_001_000))
    (record,) = caplog.records
    assert "virtual time is not advancing (1,000,000 rounds of the event loop at t=1 s)" in record.getMessage()


@cs.task(mode="inline")
def agent(name: str, *_: object) -> str:
    return name


@cs.task(mode="inline")
def starter(channel: cs.Channel) -> object:
    return agent("in the middle", channel.recv(), [channel.recv()])


def test_it_says_which_task_waits_also_in_a_list_and_below_another(virtual: VirtualTime) -> None:
    inbox, other = cs.Channel(), cs.Channel()
    with pytest.raises(cs.DeadlockError) as raised:
        virtual.run([agent("ada", inbox.recv()), keep(starter(other)), agent("late").after(other.recv())])
    lines = str(raised.value).splitlines()
    assert lines[1].endswith(
        ": waiting in recv for agent, waiting in recv for agent, waiting in recv for agent and 1 more"
    )


def test_it_says_on_which_channels_if_they_have_names(virtual: VirtualTime) -> None:
    red, blue, nameless = cs.Channel(name="red"), cs.Channel(1, "block", name="blue"), cs.Channel()
    virtual.run(blue.send("first"))
    with pytest.raises(cs.DeadlockError) as raised:
        virtual.run(agent("", red.recv(), cs.select([red, nameless, cs.Channel(name="green")]), blue.send("second")))
    told = str(raised.value).splitlines()[1].partition(": ")[2].split(" for agent")[:3]
    assert sorted(part.strip(", ") for part in told) == [
        "waiting in recv on 'red'",
        "waiting in select on 'red', 'green'",
        "waiting in send on 'blue'",
    ]
    assert repr(red) == "<Channel 'red': 0 messages wait>"
    blue.close()
    assert repr(blue) == "<Channel 'blue': 1 messages wait, closed>"
    assert nameless.name is None
    with pytest.raises(TypeError, match="name must be None or a str, got `int`"):
        cs.Channel(name=1)  # type: ignore[arg-type]


def test_all_engines_and_all_plain_code_are_in_one_list(virtual: VirtualTime) -> None:
    async def forgotten() -> None:
        await asyncio.Event().wait()

    async def main() -> list[object]:
        another = cs.Engine(clock=virtual.clock)
        lost = asyncio.ensure_future(forgotten())
        runs = [engine.start(agent("one", cs.Channel().recv())) for engine in (virtual.engine, another)]
        ends: list[object] = await asyncio.gather(*runs, return_exceptions=True)
        lost.cancel()
        return [*ends, runs]

    first, second, runs = virtual.run(main())
    assert str(first) == str(second)
    lines = str(first).splitlines()[1:]
    assert [line.partition(":")[0].strip() for line in lines[:2]] == [f"run {run.id}" for run in runs]
    here = "task test_all_engines_and_all_plain_code_are_in_one_list.<locals>"
    assert [line.strip() for line in lines[2:]] == [f"{here}.forgotten", f"{here}.main"]


def test_a_run_that_does_not_let_itself_be_stopped_is_in_the_list(virtual: VirtualTime) -> None:
    @cs.task
    async def stubborn() -> None:
        while not free.is_set():
            with suppress(asyncio.CancelledError):
                await free.wait()

    async def let_go() -> None:
        free.set()

    free = asyncio.Event()
    with pytest.raises(cs.DeadlockError, match=r"(?s)run [0-9]+: stopping: running .*stubborn"):
        virtual.run(stubborn())
    virtual.run(let_go())


def test_many_names_are_cut_and_what_may_not_start_is_not_running(virtual: VirtualTime) -> None:
    crowd = [cs.Channel(name=f"channel {number}") for number in range(1000)]
    with pytest.raises(cs.DeadlockError, match="on 'channel 0', 'channel 1', 'channel 2' and 997 more"):
        virtual.run(cs.select(crowd))
    virtual.engine.limits.pause()
    with pytest.raises(cs.DeadlockError, match="waiting to start recv"):
        virtual.run(crowd[0].recv())
    virtual.engine.limits.resume()


def test_plain_code_that_waits_for_ever_takes_nothing_of_what_runs_next(virtual: VirtualTime) -> None:
    channel = cs.Channel()
    went_on = []

    async def first() -> None:
        await channel.receive()
        went_on.append("first")

    async def later() -> int:
        channel.send("message")
        await asyncio.sleep(1)
        return len(channel)

    with pytest.raises(cs.DeadlockError, match=r"task .*first"):
        virtual.run(first())
    assert virtual.run(later()) == 1
    assert not went_on


@pytest.mark.long
def test_a_callback_that_schedules_itself_after_zero_seconds_is_logged(
    virtual: VirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    left = 1_100_000

    async def main() -> None:
        def again() -> None:
            nonlocal left
            left -= 1
            if left:
                loop.call_later(0, again)
            else:
                done.set_result(None)

        loop = asyncio.get_running_loop()
        done = loop.create_future()
        again()
        await done

    with caplog.at_level(logging.WARNING, "cascade"):
        virtual.run(main())
    (record,) = caplog.records
    assert "virtual time is not advancing" in record.getMessage()
