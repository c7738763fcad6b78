"""Dry runs: what is told of a target, and that it is what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.inspect.dry_run import PlannedInput, PlannedLimit, PlannedResource

calls: list[str] = []


@cs.task(mode="inline")
def step(name: str, *taken: Any) -> Any:
    calls.append(name)
    return taken[0] if taken else name


@cs.task(mode="inline")
def give(name: str, value: Any) -> Any:
    calls.append(name)
    return value


def told(run: cs.DryRun) -> dict[str, str]:
    """How each task that was given a name runs; the place stands for what has none."""
    return {node.place: node.runs for node in run.nodes}


def test_nothing_runs() -> None:
    calls.clear()
    run = cs.dry_run(step("a", step("b")).with_retry(3))
    assert calls == []
    assert run.ok and [node.place for node in run.nodes] == ["$.args[1]", "$"]
    assert {node.runs for node in run.nodes} == {"surely"}
    (retry,) = run.nodes[1].policies.values()
    assert retry.max_attempts == 3
    assert "retry 3 attempts" in str(run)


def test_what_data_decides() -> None:
    run = cs.dry_run([step("a").run_if(True), step("b").run_if(0), step("c").run_if(None, otherwise=step("d"))])
    runs = [node.runs for node in run.nodes if node.name.endswith("step")]
    assert runs == ["surely", "surely", "never", "never"]


def test_what_a_param_decides() -> None:
    which = cs.Param("which", type=str)
    target = cs.Router(which, {"a": step("a"), "b": step("b")}, default=step("c"))
    for value, place in (("a", "$.routes['a']"), ("b", "$.routes['b']"), ("x", "$.default")):
        run = cs.dry_run(target, params={"which": value})
        assert [node.place for node in run.nodes if node.runs == "surely" and node.kind.startswith("sync")] == [place]
        assert sum(node.runs == "never" for node in run.nodes) == 2
    run = cs.dry_run(target)
    assert [node.runs for node in run.nodes].count("perhaps") == 3
    assert run.problems == ("param 'which': no value was given, and it has no default",)
    assert run.inputs == (PlannedInput("param", "which", False, None),)


def test_values_that_are_not_known_yet() -> None:
    choice = step("choose")
    shared = step("shared")
    run = cs.dry_run(step("all", cs.Router(choice, {1: shared, 2: step("two")}), shared))
    reasons = {node.place: node.reasons for node in run.nodes}
    assert reasons["$.args[1].routes[2]"] == ("route 2 of the router at $.args[1]",)
    assert reasons["$.args[1].routes[1]"] == ()
    assert told(run)["$"] == "surely"


def test_what_may_be_skipped() -> None:
    run = cs.dry_run(step("last", step("first").run_if(step("whether"))))
    runs = told(run)
    assert runs["$.args[1].condition"] == "surely"
    assert runs["$"] == "perhaps"
    assert run.nodes[-1].reasons == ("the condition at $.args[1] may be false",)
    skipped = cs.dry_run(step("last", step("first").run_if(False)))
    assert told(skipped)["$"] == "never"
    assert skipped.problems == ("the target would be skipped: the condition at $.args[1] is false",)


def test_a_router_without_a_route() -> None:
    run = cs.dry_run(cs.Router("z", {"a": step("a")}))
    assert run.problems == ("no route for its selector's value, and no default - at router $",)
    assert cs.dry_run(cs.Router("z", {"a": 1})).problems == run.problems
    assert cs.dry_run(cs.Router("a", {"a": 1})).ok
    assert cs.dry_run(cs.Router("z", {"a": step("a")}).run_if(step("maybe"))).ok


def test_inputs_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "80")
    monkeypatch.delenv("NOWHERE", raising=False)
    n, port = cs.Param("n", default=3, type=int), cs.Env("PORT", type=int)
    run = cs.dry_run([step("a", n), step("b", port), cs.Env("NOWHERE"), cs.Param("m", type=int)],
                     params={"m": "many", "k": 1})  # fmt: skip
    values = {(one.kind, one.name): (one.known, one.value) for one in run.inputs}
    assert values == {
        ("param", "n"): (True, 3), ("env", "PORT"): (True, 80), ("env", "NOWHERE"): (False, None),
        ("param", "m"): (False, None),
    }  # fmt: skip
    assert len(run.problems) == 3
    assert "param 'n' = 3" in str(run) and "variable 'NOWHERE' = ?" in str(run)


def test_resources() -> None:
    @cs.resource(scope="engine")
    def pool() -> Iterator[str]:
        raise AssertionError("nothing is set up")
        yield

    @cs.resource(scope="call")
    def session(pool: str) -> Iterator[str]:
        yield pool

    target = step("a", cs.inject("session"), cs.inject("cache"))
    assert cs.dry_run(target).resources == (
        PlannedResource("session", None, None), PlannedResource("cache", None, None),
    )  # fmt: skip
    engine = cs.Engine()
    engine.register(pool)
    engine.register(session)
    run = cs.dry_run(target, engine=engine)
    assert run.resources == (
        PlannedResource("pool", "engine", True), PlannedResource("session", "call", True),
        PlannedResource("cache", None, False),
    )  # fmt: skip
    assert run.problems == ("resource must be registered, got `cache`",)
    outside = step("a", [cs.inject("session")])
    with pytest.raises(cs.ResourceError) as caught:
        cs.run(outside, engine=engine)
    assert cs.dry_run(outside, engine=engine).problems == (str(caught.value),)  # one message for both


def test_limits() -> None:
    engine = cs.Engine(limits={"gpu": 2})
    target = step("a", step("b").with_constraints(gpu=3, mem=1), step("c").with_constraints(gpu=step("n")))
    run = cs.dry_run(target, engine=engine)
    assert run.limits == (PlannedLimit("gpu", None, 2), PlannedLimit("mem", 1, None))
    assert [problem.split(",")[0] for problem in run.problems] == [
        "amount of 'gpu' must be at most 2", "limit must be one of the engine's ('gpu')",
    ]  # fmt: skip
    assert cs.dry_run(target).ok
    n = cs.Param("n", type=int)
    assert not cs.dry_run(step("a").with_constraints(gpu=n), params={"n": 3}, engine=engine).ok
    assert cs.dry_run(step("a").with_constraints(gpu=n), params={"n": 2}, engine=engine).ok


def test_settings_that_cannot_be_shown_affect_nothing_else() -> None:
    class Awkward:
        blocking = False
        place = None

        def key(self, *args: object) -> bytes:
            raise AssertionError

        load = save = key

        def __repr__(self) -> str:
            raise AssertionError

    patient = cs.task(mode="thread", name="patient")(lambda: None)
    target = patient().with_cache(Awkward()).with_timeout(1, total=5)
    text = str(cs.dry_run(target))
    assert "cache Awkward" in text and "timeout 1 s an attempt, 5 s in total" in text
    assert "cache Awkward" in cs.visualize(target).dot


def test_a_target_that_is_none() -> None:
    with pytest.raises(cs.TargetError):
        cs.dry_run(step)


def test_a_long_chain() -> None:
    target = step("end")
    for _ in range(100_000):
        target = step("more", target)
    run = cs.dry_run(target)
    assert len(run.nodes) == 100_001
    assert "99,801 nodes left out" in str(run)
    assert len(str(run).splitlines()) == 2 + 1 + 201


# -- what is told is what happens --------------------------------------------------------------------------------------


@st.composite
def targets(draw: st.DrawFn) -> list[Any]:
    """A target of several expressions, whose tasks have names of their own."""
    pool: list[Any] = []
    for number in range(draw(st.integers(1, 10))):
        operand = st.sampled_from([True, False, *pool])
        name = str(number)
        made: Any = give(name, draw(st.booleans()))
        match draw(st.sampled_from(["give", "step", "router", "if", "else", "after"])):
            case "step":
                made = step(name, *[draw(operand) for _ in range(draw(st.integers(1, 3)))])
            case "router":
                default = {"default": draw(operand)} if draw(st.booleans()) else {}
                made = cs.Router(draw(operand), {True: draw(operand), False: made}, **default)
            case "if":
                made = made.run_if(draw(operand))
            case "else":
                made = made.run_if(draw(operand), otherwise=draw(operand))
            case "after":
                made = made.after(*[item for item in pool if type(item) is cs.LazyResult][:2])
        pool.append(made)
    return [item for item in pool[-3:] if type(item) is cs.LazyResult]


@given(targets())
def test_what_surely_starts_does_and_what_never_starts_does_not(target: list[Any]) -> None:
    run = cs.dry_run(target)
    _, slots = cs.structural_hash(target)
    template = cs.from_json(cs.to_json(target))

    def names(*words: str) -> list[str]:
        found = []
        for node in run.nodes:
            if node.runs in words and node.kind.startswith("sync"):
                found.append(slots[template.graph.nodes[node.number].operands[0].index])  # type: ignore[attr-defined]
        return found

    calls.clear()
    asyncio.run(_run(target))
    assert len(calls) == len(set(calls))
    assert set(names("surely")) <= set(calls)
    assert not set(names("never")) & set(calls)
    assert set(calls) <= set(names("surely", "perhaps"))
    # In the order that was foretold, but for what a choice has made otherwise.
    if not names("perhaps"):
        assert calls == names("surely")


async def _run(target: list[Any]) -> Any:
    return await cs.Engine().run(target)
