"""Arguments are checked when the task is called, as Python itself would, and arrive as Python would pass them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs


def two(x: int, y: int) -> tuple[int, int]:
    return (x, y)


def only_positional(x: int, /, y: int = 0, **more: int) -> object:
    return (x, y, more)


def only_named(*, x: int, y: int = 0) -> object:
    return (x, y)


FAULTS = [
    (two, (), {}, "missing.*'x'.*'y'"),
    (two, (1,), {}, "missing argument 'y'"),
    (two, (), {"y": 1}, "missing argument 'x'"),
    (two, (1, 2, 3), {}, "takes 2 positional arguments but 3 were given"),
    (two, (1, 2), {"z": 3}, "unexpected keyword argument 'z'"),
    (two, (1, 2), {"y": 3}, "multiple values for argument 'y'"),
    (only_positional, (), {"x": 1}, "'x'"),
    (only_named, (1,), {"x": 1}, "takes 0 positional arguments but 1 was given"),
    (only_named, (), {"y": 1}, "missing argument 'x'"),
]


@pytest.mark.parametrize(("function", "args", "kwargs", "message"), FAULTS)
def test_messages(function: Callable, args: tuple, kwargs: dict, message: str) -> None:
    task = cs.task(function)
    for _ in range(2):
        with pytest.raises(cs.TaskArgumentError, match=message) as caught:
            task(*args, **kwargs)
        assert isinstance(caught.value, TypeError)
        assert function.__name__ in str(caught.value)


def test_methods_do_not_count_self() -> None:
    class Owner:
        @cs.task
        def method(self, x: int) -> None: ...

    assert isinstance(Owner().method(1), cs.LazyResult)
    with pytest.raises(cs.TaskArgumentError, match="missing argument 'x'"):
        Owner().method()
    with pytest.raises(cs.TaskArgumentError, match="takes 1 positional argument but 2 were given"):
        Owner().method(1, 2)
    with pytest.raises(cs.TaskArgumentError, match="missing argument 'x'"):
        Owner.method(Owner())


def test_a_message_tells_of_the_function_at_hand() -> None:
    """Functions made by one `def` share what the code says, not each other's default values."""

    class Secret:
        def __repr__(self) -> str:
            return "SECRET"

    def make(value: object) -> cs.Task:
        @cs.task
        def task(x: object, y: object = value) -> None: ...

        return task

    make(Secret())
    with pytest.raises(cs.TaskArgumentError, match="missing argument 'x'") as caught:
        make(1)()
    assert "SECRET" not in str(caught.value)


def test_different_defaults_of_one_code_are_told_apart() -> None:
    def make(optional: bool) -> cs.Task:
        def function(x: object, y: object = None) -> object:
            return (x, y)

        if not optional:
            function.__defaults__ = None
        return cs.task(function, mode="inline")

    for _ in range(2):
        assert cs.run(make(True)(1)) == (1, None)
        with pytest.raises(cs.TaskArgumentError, match="missing argument 'y'"):
            make(False)(1)


def test_different_keyword_defaults_of_one_code_are_told_apart() -> None:
    def make(optional: bool) -> cs.Task:
        def function(*, x: object = None) -> object:
            return x

        if not optional:
            function.__kwdefaults__ = None
        return cs.task(function, mode="inline")

    for _ in range(2):
        assert cs.run(make(True)()) is None
        with pytest.raises(cs.TaskArgumentError, match="missing argument 'x'"):
            make(False)()


def test_partials_with_different_arguments_are_told_apart() -> None:
    from functools import partial

    for _ in range(2):
        cs.task(partial(two, 1))(2)
        cs.task(partial(two, 1, 2))()
        cs.task(partial(two, y=1))(2)
        cs.task(partial(two, x=1))(y=2)
        with pytest.raises(cs.TaskArgumentError):
            cs.task(partial(two, 1))()
        with pytest.raises(cs.TaskArgumentError):
            cs.task(partial(two, 1, 2))(3)
        with pytest.raises(cs.TaskArgumentError):
            cs.task(partial(two, x=1))(2)


def test_a_lazy_result_is_an_argument_like_any_other() -> None:
    task = cs.task(two, mode="inline")
    with pytest.raises(cs.TaskArgumentError):
        task(task(1, 2))


# -- every signature against every call ------------------------------------------------------------------------


def everything(a, b=2, /, c=3, *rest, d, e=5, **more):
    return (a, b, c, rest, d, e, dict(sorted(more.items())))


def no_rest(a, /, b, c=3, *, d=4, **more):
    return (a, b, c, d, dict(sorted(more.items())))


def no_more(a, b=2, *rest, c):
    return (a, b, rest, c)


def shadowed(a, /, **more):
    return (a, dict(sorted(more.items())))


def strange(self, args, kwargs=1, *positional):
    return (self, args, kwargs, positional)


FUNCTIONS = [two, only_positional, only_named, everything, no_rest, no_more, shadowed, strange]
NAMES = st.sampled_from(["a", "b", "c", "d", "e", "x", "y", "self", "args", "kwargs", "rest", "more", "é"])


@given(
    st.sampled_from(FUNCTIONS),
    st.lists(st.integers(), max_size=6),
    st.dictionaries(NAMES, st.integers(), max_size=5),
    st.booleans(),
)
def test_accepted_exactly_if_python_accepts(function: Callable, args: list, kwargs: dict, lazily: bool) -> None:
    @cs.task(mode="inline")
    def same(value: int) -> int:
        return value

    task = cs.task(function, mode="inline")
    given_args = [same(value) if lazily else value for value in args]
    try:
        expected = function(*args, **kwargs)
    except TypeError:
        with pytest.raises(cs.TaskArgumentError):
            task(*given_args, **kwargs)
    else:
        assert cs.run(task(*given_args, **kwargs)) == expected


def test_many_call_sites_of_one_task() -> None:
    """More ways of calling than a task remembers, again and again."""

    @cs.task(mode="inline")
    def keep(*args: int, **kwargs: int) -> object:
        return (args, kwargs)

    for _ in range(3):
        for count in range(6):
            for names in (("a",), ("b", "a"), ("c", "b", "a"), (), ("z", "y")):
                kwargs = {name: number for number, name in enumerate(names)}
                assert cs.run(keep(*range(count), **kwargs)) == (tuple(range(count)), kwargs)
    assert list(cs.run(keep(b=1, a=2))[1].items()) == [("b", 1), ("a", 2)]
    assert list(cs.run(keep(a=1, b=2))[1].items()) == [("a", 1), ("b", 2)]


def test_very_many_arguments() -> None:
    @cs.task(mode="inline")
    def keep(*args: int, **kwargs: int) -> object:
        return (args, kwargs)

    @cs.task(mode="inline")
    def same(value: int) -> int:
        return value

    named = {f"n{number}": number for number in range(10_000)}
    lazily = {name: same(value) for name, value in named.items()}
    args, kwargs = cs.run(keep(*range(100_000), same(-1), **lazily))
    assert args == (*range(100_000), -1)
    assert kwargs == named


class Word(str):
    """A name that is a string of another type."""


def test_names_of_another_string_type() -> None:
    @cs.task(mode="inline")
    def keep(**kwargs: int) -> object:
        return kwargs

    target = keep(**{Word("b"): 1, "a": 2})
    assert cs.structural_hash(target)[0] == cs.structural_hash(keep(b=1, a=2))[0]
    assert cs.run(target) == {"a": 2, "b": 1}


def test_functions_that_come_and_go() -> None:
    """What is remembered of a function's code must not be taken for that of another at the same address."""
    for number in range(3000):
        names = [f"x{index}" for index in range(number % 4)]
        space: dict[str, object] = {}
        exec(f"def function({', '.join(names)}): return {number}", space)
        task = cs.task(space["function"], mode="inline")
        task(*names)
        with pytest.raises(cs.TaskArgumentError):
            task(*names, 1)
        del space, task
