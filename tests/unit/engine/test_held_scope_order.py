"""What is in a scope does not wait behind what waits for the scope, whatever else they both ask for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cascade as cs
from cascade.testing import VirtualTime
from support.tasks import keep


@cs.task
async def work(name: object, log: list[object], seconds: float = 1) -> None:
    log.append(name)
    await asyncio.sleep(seconds)


def ask(name: object, log: list[object], /, **amounts: float) -> Any:
    return work(name, cs.data(log)).with_constraints(**amounts)


def after(seconds: float, target: object) -> Any:
    return cs.scope(target).after(cs.wait(seconds))


def free(engine: cs.Engine) -> bool:
    return all(not state.waiting and (state.rate or not state.in_use) for state in engine.limits.snapshot())


RULES: list[dict[str, Any]] = [{"concurrency": 5}, {"rate": "5/s", "burst": 5}]


@pytest.mark.parametrize("rule", RULES, ids=["concurrency", "rate"])
def test_a_rule_that_has_room_for_what_is_in_the_scope(rule: dict[str, Any]) -> None:
    virtual = VirtualTime(limits={"a": 1})
    virtual.engine.limits.set("task:*work", **rule)
    log: list[object] = []
    holder = cs.scope(work("in", cs.data(log)).after(cs.wait(1))).with_constraints(a=1)
    virtual.run([holder, ask("out", log, a=1)])
    assert log == ["in", "out"] and free(virtual.engine)
    virtual.close()


@pytest.mark.parametrize("limits", [{"a": 1, "b": 1}, {"a": 1, "b": "60/m"}], ids=["limit", "rate"])
@pytest.mark.parametrize("priority", [0, 3])
def test_another_limit_that_both_ask_for(limits: dict[str, Any], priority: int) -> None:
    virtual = VirtualTime(limits=limits)
    log: list[object] = []
    holder = cs.scope([after(1, ask("in", log, b=1))]).with_constraints(a=1)
    virtual.run([holder, ask("out", log, a=1, b=1, priority=priority)])
    assert log == ["in", "out"] and free(virtual.engine)
    virtual.close()


def test_what_comes_late_and_what_waited_before() -> None:
    """The one for both has the higher priority; of two in the scope one waits already and one comes later."""
    virtual = VirtualTime(limits={"a": 1, "b": 1})
    log: list[object] = []
    holder = cs.scope([ask(1, log, b=1), ask(2, log, b=1), after(0.5, ask(3, log, b=1))]).with_constraints(a=1)
    virtual.run([holder, after(0.25, ask("out", log, a=1, b=1, priority=9))])
    assert log == [1, 2, 3, "out"] and virtual.time == 4
    virtual.close()


def test_through_a_second_scope() -> None:
    """ "out" waits for the outer scope, a call in that for the other scope, and a call in this one must pass both."""
    virtual = VirtualTime(limits={"a": 1, "b": 1})
    virtual.engine.limits.set("task:*work", concurrency=3)
    log: list[object] = []
    outer = cs.scope([after(1, ask("needs b", log, b=1))]).with_constraints(a=1)
    other = cs.scope([after(2, work("in b", cs.data(log)))]).with_constraints(b=1)
    virtual.run([outer, other, ask("out", log, a=1)])
    assert log == ["in b", "needs b", "out"] and free(virtual.engine)
    virtual.close()


def test_only_what_waits_for_the_scope_is_passed() -> None:
    """A call for much of what the scope does not hold keeps its place."""
    virtual = VirtualTime(limits={"a": 2, "b": 2})
    log: list[object] = []
    scope = cs.scope([ask("in", log, b=1), after(0.5, ask("late", log, b=1))]).with_constraints(a=1)
    virtual.run([scope, after(0.25, ask("out", log, a=1, b=2))])
    assert log == ["in", "out", "late"]
    virtual.close()


def test_scopes_that_wait_for_each_other_are_a_deadlock_and_no_endless_loop() -> None:
    virtual = VirtualTime(limits={"a": 1, "b": 1})
    log: list[object] = []
    one = cs.scope([after(1, ask("b", log, b=1))]).with_constraints(a=1)
    two = cs.scope([after(1, ask("a", log, a=1))]).with_constraints(b=1)
    with pytest.raises(cs.DeadlockError):
        virtual.run([one, two, ask("out", log, a=1, b=1)])
    assert log == [] and free(virtual.engine)
    virtual.close()


ORDER = "abc"  # a scope holds what comes before all that is asked for in it, so nothing can wait for itself


def trees(least: int = 0) -> st.SearchStrategy[Any]:
    amounts = st.dictionaries(st.sampled_from(ORDER[least:]), st.integers(1, 2), min_size=1)
    calls = st.tuples(st.just("call"), amounts, st.integers(0, 2), st.integers(-1, 1))
    if least == len(ORDER) - 1:
        return calls
    scopes = st.integers(least, len(ORDER) - 2).flatmap(
        lambda held: st.tuples(st.just("scope"), st.just(held), st.lists(trees(held + 1), min_size=1, max_size=3))
    )
    return calls | scopes


def made(tree: Any) -> Any:
    match tree:
        case ("call", amounts, delay, priority):
            return after(delay, ask("call", [], **amounts, priority=priority))
        case (_, held, inner):
            return cs.scope(keep(*map(made, inner))).with_constraints(**{ORDER[held]: 1})


@given(st.lists(trees(), min_size=2, max_size=6), st.sampled_from([None, 1, 3]), st.none() | st.integers(0, 3))
@example([("scope", 0, [("call", {"b": 1}, 1, 0)]), ("call", {"a": 2, "b": 1}, 0, 0)], 1, None)
def test_what_is_asked_for_in_one_order_always_ends(found: list[Any], most: int | None, cancel: int | None) -> None:
    virtual = VirtualTime(limits=dict.fromkeys(ORDER, 2))
    if most is not None:
        virtual.engine.limits.set("task:*work", concurrency=most)

    async def main() -> None:
        runs = [virtual.engine.start(made(tree)) for tree in found]
        if cancel is not None:
            await asyncio.sleep(cancel)
            runs[0].cancel()
        ended = await asyncio.gather(*runs, return_exceptions=True)
        assert all(not isinstance(each, Exception) for each in ended), ended

    virtual.run(main())  # a hang is an error in virtual time
    assert free(virtual.engine)
    virtual.close()
