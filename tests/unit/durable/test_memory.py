"""The state of runs in memory."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.durable.memory import Boundary, MemoryState

RUNS = st.integers(1, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("boundary"), RUNS, st.integers(0, 9)),
        st.tuples(st.just("clear"), RUNS, st.integers(0, 30)),
        st.tuples(st.just("forget"), RUNS, st.just(0)),
    )
)


@given(STEPS, st.integers(1, 5))
def test_as_a_model_has_it(steps: list[tuple[str, int, int]], max_runs: int) -> None:
    state = MemoryState(max_runs)
    model: list[Boundary] = []  # all that are not let go, in order
    for number, (step, run, value) in enumerate(steps):
        if step == "boundary":
            state.boundary(run, number, f"{value:x}", [value])
            model = [kept for kept in model if kept.run != run]
            model.append(Boundary(run, number, f"{value:x}", (value,)))
            model = model[-max_runs:]
        elif step == "clear":
            state.clear(run, value)
            model = [kept for kept in model if kept.run != run or kept.iteration >= value]
        else:
            state.forget(run)
            model = [kept for kept in model if kept.run != run]
        latest = {kept.run: kept for kept in model}
        assert [state.latest(run) for run in range(6)] == [latest.get(run) for run in range(6)]
        assert len(state) == len(model)


class Dying:
    """Uses the state when it is let go."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def __del__(self) -> None:
        self._state.boundary(99, 1, "ab", [])


@pytest.mark.parametrize("step", ["boundary", "surplus", "clear", "forget"])
def test_slots_may_use_the_state_when_they_are_let_go(step: str) -> None:
    state = MemoryState(max_runs=1 if step == "surplus" else 10)
    state.boundary(1, 1, "ab", [Dying(state)])
    if step == "boundary":
        state.boundary(1, 2, "ab", [])
    elif step == "surplus":
        state.boundary(2, 1, "ab", [])
    elif step == "clear":
        state.clear(1, 2)
    else:
        state.forget(1)
    assert state.latest(99) == Boundary(99, 1, "ab", ())


def test_it_holds_the_objects_and_nothing_dead() -> None:
    class Thing:
        pass

    state, thing = MemoryState(), Thing()
    kept = weakref.ref(thing)
    state.boundary(1, 1, "ab", [thing])
    boundary = state.latest(1)
    assert boundary is not None and boundary.slots[0] is thing
    del thing, boundary
    state.boundary(1, 2, "ab", [None])
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("max_runs", [0, -1, 1.0, True, None])
def test_what_is_no_number_of_runs_is_refused(max_runs: Any) -> None:
    with pytest.raises(ValueError, match="max_runs must be an int >= 1, got"):
        MemoryState(max_runs)


@pytest.mark.parametrize(("wrong", "got"), [(3, "`int`"), (MemoryState, "the class `Mem"), (cs.MemoryStore(), "`Mem")])
def test_what_is_no_backend_is_refused_by_an_engine(wrong: Any, got: str) -> None:
    with pytest.raises(TypeError, match=f"state must be a state backend with a method `boundary`, got {got}"):
        cs.Engine(state=wrong)
