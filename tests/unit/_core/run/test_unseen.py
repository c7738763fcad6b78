"""Messages that a run has received and that no task was given: what stops a part of the run puts them back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.testing import VirtualTime
from support.tasks import keep


class Boom(Exception):
    """The failure of a task that was told to fail."""


@cs.task
async def fails(gate: asyncio.Event) -> None:
    await gate.wait()
    raise Boom


@cs.task
async def ends(gate: asyncio.Event) -> str:
    await gate.wait()
    return "ended"


@cs.task
async def hangs(*given: object) -> None:
    await asyncio.Event().wait()


@cs.task(mode="inline")
def returns(channel: cs.Channel[str]) -> Any:
    return channel.recv()


@cs.task(mode="inline")
def same(value: object) -> object:
    return value


Make = Callable[[cs.Channel[str]], Any]

# What has received "a", and perhaps "b", as something beside it fails; and what is in the channel then.
HELD: dict[str, tuple[Make, list[str]]] = {
    "a call that lacks another operand": (lambda channel: channel.recv(), ["a", "b"]),
    "two": (lambda channel: [channel.recv(), channel.recv()], ["a", "b"]),
    "a container": (lambda channel: {"x": [channel.recv()]}, ["a", "b"]),
    "one that is there twice": (lambda channel: [one := channel.recv(), one], ["a", "b"]),
    "a gather": (lambda channel: cs.gather(channel.recv(), 1), ["a", "b"]),
    "a sequence": (lambda channel: cs.sequence([channel.recv(), channel.recv()]), ["a", "b"]),
    "a choice": (lambda channel: cs.select([cs.Channel(), channel]), ["a", "b"]),
    "a route": (lambda channel: cs.Router("x", {"x": channel.recv(), "y": channel.recv()}), ["a", "b"]),
    "a condition": (lambda channel: cs.lazy(channel.recv()).run_if(same(True)), ["a", "b"]),
    "a recover": (lambda channel: cs.recover(channel.recv(), repr), ["a", "b"]),
    "a fallback": (lambda channel: cs.fallback(channel.recv(), 1), ["a", "b"]),
    "a scope": (lambda channel: cs.scope(channel.recv()), ["a", "b"]),
    "a scope with a policy": (lambda channel: cs.scope(channel.recv()).with_timeout(60), ["a", "b"]),
    "a race": (lambda channel: cs.race(channel.recv(), hangs()), ["a", "b"]),
    "what was given to a task": (lambda channel: keep(channel.recv()), ["b"]),
    "what a task has passed on": (lambda channel: same(channel.recv()), ["b"]),
    "what was given to one of two": (lambda channel: [one := channel.recv(), same(one)], ["b"]),
    "what a task was given that goes on": (lambda channel: hangs(channel.recv()), ["b"]),
    "an attribute": (lambda channel: cs.attr(channel.recv(), "message"), ["b"]),
}

CATCHERS: dict[str, Callable[[Any], Any]] = {
    "recover": lambda inner: cs.recover(inner, lambda error: "caught"),
    "fallback": lambda inner: cs.fallback(inner, "caught"),
    "outcome": lambda inner: cs.outcome(inner),
    "race": lambda inner: cs.recover(cs.race(inner), lambda error: "caught"),
    "scope": lambda inner: cs.recover(cs.scope(inner).with_retry(1), lambda error: "caught"),
    "gather": lambda inner: cs.gather(inner, return_exceptions=True),
    "beneath": lambda inner: cs.recover(cs.task(lambda: inner, mode="inline")(), lambda error: "caught"),
}


@pytest.mark.parametrize("catch", CATCHERS.values(), ids=CATCHERS)
@pytest.mark.parametrize("held", HELD)
def test_as_something_beside_it_fails(held: str, catch: Callable[[Any], Any], virtual: VirtualTime) -> None:
    make, left = HELD[held]

    async def main() -> None:
        channel: cs.Channel[str] = cs.Channel()
        gate = asyncio.Event()
        run = virtual.engine.start([catch(keep(make(channel), fails(gate))), cs.wait(1)])
        await asyncio.sleep(0.1)
        channel.send("a")
        channel.send("b")
        await asyncio.sleep(0.1)
        gate.set()
        await run
        assert channel.drain() == left

    virtual.run(main())


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize(
    "make",
    [
        lambda channel, gate: cs.race(channel.recv(), ends(gate)),
        lambda channel, gate: cs.race(ends(gate), channel.recv()),
        lambda channel, gate: cs.race([channel.recv()], ends(gate)),
        lambda channel, gate: cs.race(keep(channel.recv(), hangs()), ends(gate)),
        lambda channel, gate: cs.race(cs.recover(channel.recv(), repr), ends(gate)),
        lambda channel, gate: cs.race(cs.race(channel.recv(), hangs()), ends(gate)),
        lambda channel, gate: cs.race(channel.recv(), channel.recv(), ends(gate)),
        lambda channel, gate: cs.race(channel.recv(), channel.recv()),
    ],
)
async def test_whatever_wins_a_race_no_message_is_lost(make: Any, turns: int) -> None:
    channel: cs.Channel[str] = cs.Channel()
    gate = asyncio.Event()
    async with cs.Engine() as engine:
        run = engine.start(make(channel, gate))
        for _ in range(5):
            await asyncio.sleep(0)
        gate.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        channel.send("a")
        channel.send("b")
        won = await run
        won = won[0] if isinstance(won, list) else won
        received = [won.message] if isinstance(won, cs.Received) else []
        assert [*received, *channel.drain()] == ["a", "b"]


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize(
    "make",
    [
        lambda channel: channel.recv(),
        lambda channel: cs.select([channel]),
        lambda channel: cs.gather(channel.recv()),
        lambda channel: returns(channel),
        lambda channel: cs.scope(channel.recv()).with_timeout(60),
        lambda channel: cs.lazy(channel.recv()).run_if(same(True)),
    ],
)
async def test_an_await_that_is_cancelled_as_the_message_comes(make: Make, turns: int) -> None:
    channel: cs.Channel[str] = cs.Channel()
    given: list[str] = []
    inner: list[asyncio.Task[Any]] = []

    def note(received: Any) -> None:
        given.append((received[0] if isinstance(received, tuple) else received).message)

    @cs.task
    async def takes() -> str:
        inner.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            note(await cs.lazy(make(channel)))
        except asyncio.CancelledError:
            return "cancelled"
        return "given"

    async with cs.Engine() as engine:
        run = engine.start(takes())
        for _ in range(5):
            await asyncio.sleep(0)
        if turns % 2:
            channel.send("a")
            inner[0].cancel()
        else:
            inner[0].cancel()
            channel.send("a")
        for _ in range(turns):
            await asyncio.sleep(0)
        channel.send("b")
        await run
    assert [*given, *channel.drain()] == ["a", "b"]


@pytest.mark.parametrize("again", [1, 2])
def test_each_attempt_of_a_scope_begins_with_the_messages_of_the_one_before(again: int, virtual: VirtualTime) -> None:
    made: list[int] = []

    @cs.task(mode="inline")
    def flaky(_: object) -> None:
        made.append(1)
        if len(made) <= again:
            raise Boom

    async def main() -> None:
        channel: cs.Channel[str] = cs.Channel()
        run = virtual.engine.start(cs.scope(keep(channel.recv(), flaky(cs.wait(1)))).with_retry(5, delay=1))
        channel.send("a")
        channel.send("b")
        received, _ = await run
        assert (received.message, channel.drain()) == ("a", ["b"])

    virtual.run(main())


def test_messages_are_put_back_in_the_order_in_which_they_had_come(virtual: VirtualTime) -> None:
    async def main() -> None:
        channel: cs.Channel[int] = cs.Channel()
        gate = asyncio.Event()
        parts = [channel.recv() for _ in range(10)]
        run = virtual.engine.start(cs.recover(keep(parts[::2], fails(gate), *parts[1::2]), repr))
        await asyncio.sleep(1)
        for number in range(15):
            channel.send(number)
        await asyncio.sleep(1)
        gate.set()
        await run
        assert channel.drain() == [*range(15)]

    virtual.run(main())


def test_who_waits_gets_what_is_put_back(virtual: VirtualTime) -> None:
    async def main() -> None:
        channel: cs.Channel[str] = cs.Channel()
        gate = asyncio.Event()
        run = virtual.engine.start(cs.recover(keep(channel.recv(), fails(gate)), repr))
        await asyncio.sleep(1)
        channel.send("a")
        await asyncio.sleep(1)
        waiting = asyncio.ensure_future(channel.receive())
        other = virtual.engine.start(channel.recv())
        await asyncio.sleep(1)
        gate.set()
        await run
        assert (await waiting).message == "a" and other.state == "parked"

    virtual.run(main())


# What may still come to need a message, once something else that it was for has failed.
LATER: dict[str, Callable[[Any, asyncio.Event], Any]] = {
    "a route": lambda one, gate: cs.Router(ends(gate), {"ended": keep(one), "b": 1}),
    "the route itself": lambda one, gate: cs.Router(ends(gate), {"ended": one, "b": 1}),
    "a container in a route": lambda one, gate: cs.Router(ends(gate), {"ended": keep(cs.gather(one, [one])), "b": 1}),
    "a condition": lambda one, gate: cs.lazy(keep(one)).run_if(ends(gate)),
    "an alternative": lambda one, gate: cs.lazy(keep(1)).run_if(ends(gate) == 0, otherwise=keep(one)),
    "a fallback": lambda one, gate: cs.fallback(fails(gate), keep(one)),
    "the fallback itself": lambda one, gate: cs.fallback(fails(gate), one),
    "what races": lambda one, gate: cs.race(cs.lazy(keep(one)).run_if(ends(gate)), cs.wait(60)),
    "a condition in a route": lambda one, gate: cs.Router(
        ends(gate), {"ended": cs.lazy(keep(one)).run_if(same(True)), "b": 1}
    ),
}


@pytest.mark.parametrize("catch", CATCHERS.values(), ids=CATCHERS)
@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
def test_what_something_may_still_need_is_not_put_back(later: Any, catch: Any, virtual: VirtualTime) -> None:
    async def main() -> None:
        channel: cs.Channel[str] = cs.Channel()
        first, second = asyncio.Event(), asyncio.Event()
        one = channel.recv()
        run = virtual.engine.start([catch(keep(one, fails(first))), later(one, second)])
        await asyncio.sleep(1)
        channel.send("a")
        await asyncio.sleep(1)
        first.set()
        await asyncio.sleep(1)
        second.set()
        assert "'a'" in repr((await run)[1]) and channel.drain() == []

    virtual.run(main())


@st.composite
def parts(draw: st.DrawFn, leaves: list[Any], gates: list[asyncio.Event], depth: int = 3) -> Any:
    """An expression over calls that receive, which are shared, and tasks that end or fail when a gate is opened."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        gate = st.sampled_from(gates)
        return draw(st.one_of(*[st.sampled_from(leaves)] * 2, gate.map(fails), gate.map(ends)))
    one, other, third = (draw(parts(leaves, gates, depth - 1)) for _ in range(3))
    gate = draw(st.sampled_from(gates))
    return draw(
        st.sampled_from(
            [
                lambda: keep(one, [other]),
                lambda: cs.gather(one, other),
                lambda: cs.recover(one, lambda error: "handled"),
                lambda: cs.fallback(one, other),
                lambda: cs.outcome(one),
                lambda: cs.race(one, other),
                lambda: cs.scope(one).with_retry(2),
                lambda: cs.scope(one).with_timeout(2),
                lambda: cs.Router(ends(gate), {"ended": one}, default=other),
                lambda: cs.Router(same(one), {"ended": other}, default=third),
                lambda: cs.lazy(keep(one)).run_if(ends(gate), otherwise=third),
                lambda: cs.recover(keep(one, fails(gate)), lambda error: "handled"),
                lambda: cs.task(lambda: one, mode="inline")(),
            ]
        )
    )()


def messages(value: object) -> set[int]:
    """The messages in a value."""
    if isinstance(value, cs.Received):
        return {value.message}
    if isinstance(value, cs.Outcome):
        return messages(value.value) if value.ok else set()
    return {each for part in value for each in messages(part)} if isinstance(value, list | tuple) else set()


@given(st.data())
def test_no_message_is_there_twice(data: st.DataObject) -> None:
    """What the run has, and what its tasks were given, is not in the channel; and what is there is in order."""
    virtual = VirtualTime()
    given_to: set[int] = set()

    @cs.task(mode="inline")
    def sees(*values: object) -> object:
        given_to.update(messages(values))
        return values

    channel: cs.Channel[int] = cs.Channel()
    gates = [asyncio.Event() for _ in range(3)]
    leaves: list[Any] = [cs.lazy(channel.recv()) for _ in range(2)]
    leaves += [sees(leaf) for leaf in leaves]
    target = cs.outcome([data.draw(parts(leaves, gates)) for _ in range(2)])
    steps: list[asyncio.Event | int] = data.draw(st.permutations([*gates, 1, 2, 3, 4]))
    pauses = data.draw(st.lists(st.booleans(), min_size=len(steps), max_size=len(steps)))

    async def main() -> None:
        run = virtual.engine.start(target)
        for number, (step, pause) in enumerate(zip(steps, pauses, strict=True)):
            if isinstance(step, asyncio.Event):
                step.set()
            else:
                channel.send(number)
            if pause:
                await asyncio.sleep(0.1)
        await asyncio.wait([run], timeout=100)  # type: ignore[type-var]
        run.cancel()
        await asyncio.wait([run])  # type: ignore[type-var]
        has = given_to | (messages(run.result()) if run.state == "done" else set())
        left = channel.drain()
        assert not has & set(left) and left == sorted(set(left))

    try:
        virtual.run(main())
    finally:
        virtual.close()
