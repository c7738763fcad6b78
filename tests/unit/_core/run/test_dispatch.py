"""A node starts when its inputs are there, in traversal order, and nothing waits for a stage."""

from __future__ import annotations

import asyncio
import threading

import pytest

import cascade as cs
from support.tasks import take


class Trace:
    """Tasks that note their name when they run."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def task(self, name: str, *inputs: object, **named: object) -> cs.LazyResult:
        def body(*args: object, **kwargs: object) -> str:
            self.names.append(name)
            return name

        return cs.task(body, name=name, mode="inline")(*inputs, **named)


def test_ready_together_start_in_traversal_order() -> None:
    trace = Trace()
    leaf = trace.task
    cs.run(take(leaf("a"), [leaf("b"), {"x": leaf("c"), 0: leaf("d")}], z=leaf("e"), y=(leaf("f"),)))
    assert trace.names == list("abcdef")


def test_names_start_sorted_whatever_order_the_call_has() -> None:
    @cs.task(mode="inline")
    def four(a: str, b: str, c: str, d: str) -> None: ...

    trace = Trace()
    cs.run(four(**{name: trace.task(name) for name in "dbca"}))
    assert trace.names == list("abcd")


def test_names_of_a_task_that_takes_any_start_in_the_order_of_the_call() -> None:
    trace = Trace()
    cs.run(take(**{name: trace.task(name) for name in "dbca"}))
    assert trace.names == list("dbca")


def test_a_ready_node_comes_before_later_ones() -> None:
    """Ready together are a consumer whose inputs are there and the leaves to its right: traversal order decides."""
    trace = Trace()
    task = trace.task
    cs.run(task("root", task("inner", task("a"), task("b")), task("c")))
    assert trace.names == ["a", "b", "inner", "c", "root"]


def test_results_are_in_traversal_order_however_they_end() -> None:
    events = [asyncio.Event() for _ in range(5)]

    @cs.task
    async def turn(number: int) -> int:
        await events[number].wait()
        if number:
            events[number - 1].set()
        return number

    events[4].set()
    assert cs.run([turn(number) for number in range(5)]) == [0, 1, 2, 3, 4]


def test_independent_async_tasks_run_at_the_same_time() -> None:
    async def main() -> object:
        first, second = asyncio.Event(), asyncio.Event()

        @cs.task
        async def ping() -> str:
            first.set()
            await second.wait()
            return "ping"

        @cs.task
        async def pong() -> str:
            second.set()
            await first.wait()
            return "pong"

        return await cs.Engine().run(take(ping(), x=[pong()]))

    assert asyncio.run(main()) == (("ping",), {"x": ["pong"]})


def test_independent_thread_tasks_run_at_the_same_time() -> None:
    together = threading.Barrier(4)

    @cs.task(mode="thread")
    def meet() -> int:
        together.wait(timeout=60)
        return threading.get_ident()

    found = cs.run([meet() for _ in range(4)], engine=cs.Engine(max_threads=4))
    assert len(set(found)) == 4
    assert threading.get_ident() not in found


@pytest.mark.parametrize("mode", ["async", "thread"])
def test_a_slow_sibling_holds_up_only_its_own_consumers(mode: str) -> None:
    """The slow one ends only after the consumer of the quick one has run: with stages, this would never end."""
    released = threading.Event() if mode == "thread" else asyncio.Event()

    async def waits() -> str:
        await released.wait()
        return "slow"

    def blocks() -> str:
        assert released.wait(timeout=60)
        return "slow"

    slow = cs.task(waits) if mode == "async" else cs.task(blocks, mode="thread")

    @cs.task(mode="inline")
    def quick() -> str:
        return "quick"

    @cs.task(mode="inline")
    def consumer(value: str) -> str:
        released.set()
        return value

    assert cs.run(take(slow(), consumer(consumer(quick())), [slow()])) == (("slow", "quick", ["slow"]), {})


@pytest.mark.parametrize("mode", ["async", "thread"])
def test_a_child_frame_holds_up_nobody(mode: str) -> None:
    """A task in the middle returned a lazy result that waits; its siblings go on, and so do their children."""
    released = threading.Event() if mode == "thread" else asyncio.Event()

    async def waits() -> str:
        await released.wait()
        return "child"

    def blocks() -> str:
        assert released.wait(timeout=60)
        return "child"

    waiting = cs.task(waits) if mode == "async" else cs.task(blocks, mode="thread")

    @cs.task(mode="inline")
    def middle() -> cs.LazyResult:
        return waiting()

    @cs.task(mode="inline")
    def sibling() -> cs.LazyResult:
        return releasing()

    @cs.task(mode="inline")
    def releasing() -> str:
        released.set()
        return "sibling"

    assert cs.run(take(middle(), sibling())) == (("child", "sibling"), {})


def test_async_and_sync_feed_each_other() -> None:
    @cs.task
    async def double(value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    @cs.task(mode="thread")
    def add_one(value: int) -> int:
        return value + 1

    @cs.task(mode="inline")
    def pair(a: int, b: int) -> int:
        return a + b

    node: cs.LazyResult | int = 1
    for _ in range(10):
        node = pair(double(add_one(node)), b=add_one(0))
    expected = 1
    for _ in range(10):
        expected = (expected + 1) * 2 + 1
    assert cs.run(node) == expected


def test_gather_takes_any_number() -> None:
    trace = Trace()
    assert cs.run(cs.gather()) == ()
    assert cs.run(cs.gather(trace.task("a"))) == ("a",)
    assert cs.run(cs.gather(*(trace.task(str(number)) for number in range(100)))) == tuple(map(str, range(100)))
    assert cs.run(take(cs.gather(cs.gather(trace.task("a")), trace.task("b")))) == (((("a",), "b"),), {})


def test_gather_as_a_tail_call_and_in_the_middle() -> None:
    @cs.task(mode="inline")
    def spread(count: int) -> cs.LazyResult:
        return cs.gather(*(spread(count - 1) for _ in range(2))) if count else take("leaf")

    leaf = (("leaf",), {})
    assert cs.run(spread(2)) == ((leaf, leaf), (leaf, leaf))
    assert cs.run(take(spread(1))) == (((leaf, leaf),), {})


def test_an_empty_list_of_targets() -> None:
    assert cs.run([]) == []
    assert cs.run(()) == ()
