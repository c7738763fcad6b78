"""A task that was not called is refused where only its result can be meant, and is a value elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import cascade as cs
from support.tasks import give, leaf


@cs.task
def ready() -> bool:
    return False


USES: list[tuple[str, Callable[[], object]]] = [
    ("condition", lambda: leaf().run_if(ready)),
    ("otherwise", lambda: leaf().run_if(True, otherwise=ready)),
    (r"predecessors\[1\]", lambda: leaf().after(leaf(), ready)),
    ("route 'a'", lambda: cs.Router("a", {"a": ready})),
    ("default", lambda: cs.Router("a", {"a": 1}, default=ready)),
    ("selector", lambda: cs.Router(ready, {"a": 1})),
]


@pytest.mark.parametrize(("what", "use"), USES)
def test_it_is_refused_where_it_is_written(what: str, use: Callable[[], object]) -> None:
    message = rf"{what} must be a lazy result or a value, got <Task .*ready>, which was not called: write ready\(...\)"
    with pytest.raises(cs.PolicyError, match=message):
        use()


def test_a_step_of_a_sequence() -> None:
    with pytest.raises(cs.PolicyError, match=r"got `Task` - at `steps\[0\]`: write ready\(...\)"):
        cs.sequence([ready])  # type: ignore[list-item]


def test_it_is_a_value_as_an_argument_and_where_it_is_marked() -> None:
    assert cs.run(give(ready)) is ready
    assert cs.run(give([leaf(), ready]))[1] is ready
    assert cs.run(cs.Router("a", {"a": cs.data(ready)})) is ready
    assert cs.run(leaf().run_if(False, otherwise=cs.data(ready))) is ready

    @cs.task(mode="inline")
    def chain(handler: cs.Task = leaf) -> object:
        return handler("handled")

    assert cs.run(chain()) == "handled"


def test_as_a_default_where_the_annotation_says_what_is_meant() -> None:
    with pytest.raises(cs.TaskDefinitionError, match=r"default of 'flag' of .* must be a `bool`, got <Task .*ready>"):

        @cs.task
        def typed(flag: bool = ready) -> None: ...  # type: ignore[assignment]

    with pytest.raises(cs.TaskDefinitionError, match=r"write number=leaf\(...\)"):

        @cs.task
        def named(*, number: int = leaf) -> None: ...  # type: ignore[assignment]

    @cs.task(mode="inline")
    def handled(handler: Callable[[], object] = ready, other: object = ready, third=ready) -> object:  # type: ignore[no-untyped-def]
        return handler, other, third

    assert cs.run(handled()) == (ready, ready, ready)
