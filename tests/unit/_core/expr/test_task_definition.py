"""What can be a task: functions of every kind, methods, callables; and what it tells of itself."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest

import cascade as cs
from support.ids import case_name


def plain(a: int, b: int = 2) -> tuple[int, int]:
    """Say what it got."""
    return (a, b)


async def later(a: int) -> int:
    await asyncio.sleep(0)
    return a


class Counter:
    """Has tasks of every kind that a class can have."""

    kind = "class"

    def __init__(self, start: int) -> None:
        self.start = start

    @cs.task(mode="inline")
    def method(self, more: int) -> int:
        return self.start + more

    @cs.task
    async def coroutine(self, more: int = 1) -> int:
        await asyncio.sleep(0)
        return self.start + more

    @classmethod
    @cs.task(mode="inline")
    def of_class(cls, more: int) -> tuple[str, int]:
        return (cls.kind, more)

    @staticmethod
    @cs.task(mode="inline")
    def static(more: int) -> int:
        return more

    def __call__(self, more: int) -> int:
        return self.start + more


class Sub(Counter):
    kind = "sub"


class Awaiting:
    async def __call__(self, value: int) -> int:
        await asyncio.sleep(0)
        return value


def test_bare_and_with_settings() -> None:
    for task in (cs.task(plain), cs.task()(plain), cs.task(mode="inline")(plain), cs.task(plain, mode="thread")):
        assert isinstance(task, cs.Task)
        assert cs.run(task(1)) == (1, 2)


def test_calling_runs_nothing() -> None:
    def never() -> None:
        raise AssertionError("ran")

    assert isinstance(cs.task(never)(), cs.LazyResult)


def test_what_a_task_tells() -> None:
    task = cs.task(mode="thread")(plain)
    assert task.fn is plain
    assert task.name == plain.__qualname__
    assert task.module == plain.__module__
    assert task.mode == "thread"
    assert task.is_async is False
    assert cs.task(later).is_async is True
    assert cs.task(plain, name="other").name == "other"
    assert task.__doc__ == plain.__doc__
    assert task.__name__ == "plain"
    assert task.__wrapped__ is plain
    assert inspect.signature(task) == inspect.signature(plain)


@pytest.mark.parametrize("mode", ["auto", "inline", "thread"])
def test_modes_are_told(mode: str) -> None:
    assert cs.task(plain, mode=mode).mode == mode


def test_methods() -> None:
    one, two = Counter(1), Counter(10)
    assert cs.run([one.method(1), two.method(1), two.method(more=2)]) == [2, 11, 12]
    assert cs.run([one.coroutine(), two.coroutine(5)]) == [2, 15]
    assert cs.run(Counter.method(one, 5)) == 6
    assert cs.run(Counter.method(self=one, more=5)) == 6
    assert cs.run(one.method(two.method(1))) == 12


def test_bound_methods_of_all_instances_share_a_structure() -> None:
    digests = {cs.structural_hash(Counter(number).method(number))[0] for number in range(5)}
    assert len(digests) == 1


def test_class_and_static_methods() -> None:
    assert cs.run([Counter.of_class(1), Sub.of_class(2), Sub(0).of_class(3)]) == [("class", 1), ("sub", 2), ("sub", 3)]
    assert cs.run([Counter.static(1), Counter(0).static(2)]) == [1, 2]


def test_task_of_a_bound_method() -> None:
    class Plain:
        def method(self, value: int) -> tuple[object, int]:
            return (self, value)

    instance = Plain()
    assert cs.run(cs.task(instance.method, mode="inline")(1)) == (instance, 1)


def test_callables() -> None:
    task = cs.task(Counter(5), mode="inline")
    assert cs.run(task(1)) == 6
    assert cs.run([cs.task(Counter(number), mode="inline")(1) for number in range(3)]) == [1, 2, 3]
    awaiting = cs.task(Awaiting())
    assert awaiting.is_async is True
    assert cs.run(awaiting(3)) == 3


def test_partials() -> None:
    assert cs.run(cs.task(functools.partial(plain, 1), mode="inline")()) == (1, 2)
    assert cs.run(cs.task(functools.partial(plain, b=5), mode="inline")(1)) == (1, 5)
    nested = functools.partial(functools.partial(plain, 1), b=3)
    assert cs.run(cs.task(nested, mode="inline")()) == (1, 3)
    awaiting = cs.task(functools.partial(later, 7))
    assert awaiting.is_async is True
    assert cs.run(awaiting()) == 7


def test_partials_of_one_function_do_not_mix() -> None:
    partials = [cs.task(functools.partial(plain, number), mode="inline") for number in range(3)]
    assert cs.run([task(b=number) for number, task in enumerate(partials)]) == [(0, 0), (1, 1), (2, 2)]


def test_builtins_classes_and_lambdas() -> None:
    assert cs.run(cs.task(max, mode="inline")(1, cs.task(len, mode="inline")([1, 2, 3]))) == 3
    assert cs.run(cs.task(dict, mode="inline")(a=1)) == {"a": 1}
    assert cs.run(cs.task(Counter, mode="inline")(4)).start == 4
    assert cs.run(cs.task(lambda x: x * 2, mode="inline")(4)) == 8


def test_decorated_functions_are_called_through_their_wrapper() -> None:
    def twice(function: object) -> object:
        @functools.wraps(function)
        def wrapper(*args: object, **kwargs: object) -> object:
            return (function(*args, **kwargs), "wrapped")

        return wrapper

    assert cs.run(cs.task(twice(plain), mode="inline")(1)) == ((1, 2), "wrapped")
    assert cs.run(cs.task(twice(lambda: 5), mode="inline")()) == (5, "wrapped")


def test_names_of_nested_functions() -> None:
    @cs.task
    def nested() -> None: ...

    assert nested.name == "test_names_of_nested_functions.<locals>.nested"


@pytest.mark.parametrize("thing", [None, 1, "name", [], classmethod(plain), object()], ids=case_name)
def test_what_cannot_be_called_is_refused(thing: object) -> None:
    with pytest.raises(cs.TaskDefinitionError):
        cs.task(mode="inline")(thing)


def test_a_task_of_a_task_is_refused() -> None:
    with pytest.raises(cs.TaskDefinitionError):
        cs.task(cs.task(plain))


@pytest.mark.parametrize("options", [{"mode": "quick"}, {"mode": 1}, {"mode": []}, {"name": 1}, {"name": ""}])
def test_settings_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(cs.TaskDefinitionError):
        cs.task(**options)(plain)


def test_async_functions_have_no_worker() -> None:
    for mode in ("thread", "process"):
        with pytest.raises(cs.TaskDefinitionError):
            cs.task(later, mode=mode)


def test_process_tasks_must_be_importable() -> None:
    with pytest.raises(cs.TaskDefinitionError):
        cs.task(lambda: None, mode="process")


def test_tasks_and_lazy_results_are_made_by_calling_only() -> None:
    for kind in (cs.Task, cs.LazyResult):
        with pytest.raises(TypeError):
            kind()
        with pytest.raises(TypeError):
            kind.__new__(kind)


def test_a_lazy_result_tells_its_call_and_has_no_truth_value() -> None:
    task = cs.task(plain)
    lazy = task(1, b=2)
    assert lazy.task is task
    assert "plain" in repr(lazy)
    with pytest.raises(TypeError):
        bool(lazy)


def test_a_task_that_a_task_returns_is_a_value() -> None:
    inner = cs.task(plain, mode="inline")
    assert cs.run(cs.task(lambda: inner, mode="inline")()) is inner
