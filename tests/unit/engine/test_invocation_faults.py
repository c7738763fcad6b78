"""Programs that are wrong, and code of users that fails where it must not: told, bounded, and nothing hangs."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import cascade as cs


@cs.task(mode="inline")
def same(x: Any) -> Any:
    return x


def named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("modify", [
    lambda call: call.with_retry(2),
    lambda call: call.with_constraints(gpu=1),
    lambda call: call.with_cache(cs.ResultCache()),
    lambda call: call.after(same(1)),
])  # fmt: skip
def test_modifiers_under_very_many_conditions_need_no_stack(modify: Any) -> None:
    call = same(0)
    for _ in range(300_000):
        call = call.run_if(True)
    assert cs.run(modify(call), engine=cs.Engine(limits={"gpu": 1})) == 0


@pytest.mark.parametrize("policy", ["with_retry", "with_timeout", "with_cache", "with_constraints"])
def test_stop_iteration_out_of_a_thread(policy: str) -> None:
    @cs.task(mode="thread")
    def stops() -> None:
        raise StopIteration(4)

    settings: dict[str, tuple[Any, ...]] = {"with_timeout": (60,), "with_cache": (cs.ResultCache(),)}
    with pytest.raises(RuntimeError, match="StopIteration"):
        cs.run(getattr(stops(), policy)(*settings.get(policy, ())))


class Forgetful:
    """A state backend that fails at the end."""

    def boundary(self, *told: Any) -> None: ...

    def clear(self, *told: Any) -> None: ...

    def latest(self, run: int) -> None: ...

    def forget(self, run: int) -> None:
        raise OSError("the disk is full")


async def test_a_state_backend_that_fails_at_the_end_is_reported_and_the_run_keeps_its_value() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(told))
    assert await cs.Engine(state=Forgetful()).run(same(1)) == 1
    assert [named(told["exception"]) for told in reported] == ["OSError: the disk is full"]


async def test_a_timeout_holds_also_while_the_run_is_stopping() -> None:
    """The sibling has failed; the call in a thread never returns, and nobody waits for it beyond its time."""
    released = threading.Event()

    @cs.task(mode="thread")
    def never() -> None:
        released.wait(60)

    @cs.task
    async def fail() -> None:
        raise KeyError("f")

    try:
        with pytest.raises((KeyError, ExceptionGroup)):
            await cs.Engine().run([never().with_timeout(0.05), fail()])
        assert not released.is_set()
    finally:
        released.set()


async def test_a_stray_cancellation_does_not_leave_a_call_behind() -> None:
    begun, gate, ended = threading.Event(), threading.Event(), threading.Event()

    @cs.task(mode="thread")
    def work() -> None:
        begun.set()
        gate.wait(60)
        ended.set()

    run = cs.Engine().start(work().with_retry(2))
    assert await asyncio.to_thread(begun.wait, 60)
    for handle in run._handles():
        handle.cancel()
    await asyncio.sleep(0)
    assert not run.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ended.is_set()


def test_an_input_that_changes_while_it_is_mapped() -> None:
    def error_of(change: Any) -> str:
        items = [1, 2, 3]

        @cs.task
        async def step(x: int) -> int:
            change(items)
            await asyncio.sleep(0)
            return x

        with pytest.raises(cs.MapError) as caught:
            cs.run(step.map(x=items, concurrency=1))
        return str(caught.value)

    changed = "inputs of a map must not change during a run, got "
    assert error_of(lambda items: items.clear()) == changed + "1 items instead of 3"
    assert error_of(lambda items: items.append(1)) == changed + "4 items instead of 3"


def test_a_generator_gives_its_items_once() -> None:
    target = same.map(x=(n for n in range(3)))
    assert cs.run(target) == [0, 1, 2]
    with pytest.raises(cs.MapError, match="input 'x' of a map must have items, got an exhausted generator"):
        cs.run(target)


class Odd:
    """A cache policy that answers with anything."""

    blocking = False

    def __init__(self, load: Any, save: Any) -> None:
        self._load, self._save = load, save

    def key(self, *call: Any) -> bytes:
        return b"key"

    def load(self, key: bytes, now: float) -> Any:
        return self._load

    def save(self, key: bytes, value: Any, now: float) -> Any:
        return self._save


def test_a_cache_policy_that_gives_no_hit() -> None:
    with pytest.raises(TypeError, match=r"Odd\.load must return a `Hit` or None, got `int`"):
        cs.run(same(1).with_cache(Odd(7, None)))
    with pytest.raises(TypeError, match=r"Odd\.save must return a `Hit` or None, got `str`"):
        cs.run(same(1).with_cache(Odd(None, "x")))
    assert cs.run(same(1).with_cache(Odd(None, cs.Hit(2)))) == 2


def test_an_executor_that_gives_no_future() -> None:
    class Idle:
        def submit(self, *call: Any) -> None: ...

        def abandon(self, future: Any) -> None: ...

        def close(self) -> None: ...

    @cs.task(mode="thread")
    def work() -> None: ...

    engine = cs.Engine(executors={"thread": Idle()})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=r"Idle\.submit must return a `concurrent\.futures\.Future`, got `NoneType`"):
        cs.run(work(), engine=engine)
