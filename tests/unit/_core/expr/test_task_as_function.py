"""What tools ask of a function, a task answers as its function does."""

from __future__ import annotations

import abc
import asyncio
import functools
import inspect
import pickle
import typing
from collections.abc import Callable

import pytest

import cascade as cs


@cs.task
def add(a: int, b: int = 2, *, c: float = 0.5) -> int:
    """Add."""
    return a + b


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


class Shape:
    @cs.task
    def area(self, factor: int = 3) -> float:
        return 2.0 * factor

    @classmethod
    @cs.task
    async def make(cls, factor: int = 3) -> Shape:
        return cls()

    @staticmethod
    @cs.task
    def unit(factor: int = 3) -> str:
        return "m" * factor


class AsyncCallable:
    async def __call__(self, url: str) -> bytes:
        return url.encode()


TASKS: list[tuple[cs.Task, Callable[..., object]]] = [
    (add, add.fn),
    (add.with_retry(3), add.fn),
    (cs.task(add.fn, name="other", mode="thread"), add.fn),
    (fetch, fetch.fn),
    (Shape.area, Shape.area.fn),
    (Shape().area, Shape.area.fn),
    (Shape.unit, Shape.unit.fn),
]


@pytest.mark.parametrize(("task", "function"), TASKS)
@pytest.mark.parametrize(
    "name", ["__module__", "__defaults__", "__kwdefaults__", "__annotations__", "__doc__", "__code__", "__name__"]
)
def test_attributes_are_those_of_the_function(task: cs.Task, function: Callable[..., object], name: str) -> None:
    if (task.name, name) != ("other", "__name__"):
        assert getattr(task, name) == getattr(function, name)


def test_attributes_of_what_is_called_are_not_those_of_the_class() -> None:
    assert cs.Task.__module__ == "cascade"
    assert repr(cs.Task) == "<class 'cascade.Task'>"
    assert pickle.loads(pickle.dumps(cs.Task)) is cs.Task
    assert cs.task(functools.partial(add.fn, 1)).__defaults__ == (2,)
    assert cs.task(len).__module__ == "builtins"
    assert not hasattr(cs.task(len), "__defaults__")


@pytest.mark.parametrize(("task", "function"), TASKS)
def test_signature_and_hints(task: cs.Task, function: Callable[..., object]) -> None:
    assert typing.get_type_hints(task) == typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters)
    assert list(inspect.signature(task).parameters) == parameters[1 if task is TASKS[5][0] else 0 :]


@pytest.mark.parametrize(
    ("task", "is_async"),
    [
        *((task, inspect.iscoroutinefunction(function)) for task, function in TASKS),
        (Shape.make, True),
        (Shape().make, True),
        (cs.task(functools.partial(fetch.fn, "x")), True),
        (cs.task(functools.partial(add.fn, 1)), False),
        (cs.task(AsyncCallable()), True),
        (cs.task(len), False),
    ],
)
def test_a_coroutine_function_is_one(task: cs.Task, is_async: bool) -> None:
    assert inspect.iscoroutinefunction(task) is is_async


def test_what_calls_an_async_task_is_no_coroutine_function() -> None:
    """Calling a task gives a lazy result: a task made of such a function is sync, and goes on with it."""

    class Calls:
        @cs.task
        async def __call__(self, url: str) -> bytes:
            return url.encode()

    for made in (cs.task(functools.partial(fetch, "x"), mode="inline"), cs.task(Calls(), mode="inline")):
        assert not made.is_async
    assert cs.run(cs.task(functools.partial(fetch, "x"), mode="inline")()) == b"x"
    assert cs.run(cs.task(Calls(), mode="inline")("y")) == b"y"


def test_a_name_that_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match=r"'cascade.Task' object has no attribute 'delay'"):
        add.delay  # type: ignore[attr-defined]  # noqa: B018


def test_wrapping_a_task_as_a_function() -> None:
    @functools.wraps(add)
    def wrapper(*args: int) -> object:
        return add(*args)

    assert wrapper.__module__ == __name__
    assert wrapper.__name__ == "add"
    assert typing.get_type_hints(wrapper) == typing.get_type_hints(add.fn)


# ------------------------------------------------------------------------------------------------ abstract methods


class Abstract(abc.ABC):
    @abc.abstractmethod
    @cs.task
    def above(self) -> int: ...

    @cs.task
    @abc.abstractmethod
    def below(self) -> int: ...

    @classmethod
    @abc.abstractmethod
    @cs.task
    def of_class(cls) -> int: ...

    @staticmethod
    @abc.abstractmethod
    @cs.task
    def static() -> int: ...

    @cs.task(mode="inline")
    def concrete(self) -> int:
        return 1


class Concrete(Abstract):
    @cs.task(mode="inline")
    def above(self) -> int:
        return 2

    @cs.task(mode="inline")
    def below(self) -> int:
        return 3

    @classmethod
    @cs.task(mode="inline")
    def of_class(cls) -> int:
        return 4

    @staticmethod
    @cs.task(mode="inline")
    def static() -> int:
        return 5


def test_a_class_with_abstract_tasks_cannot_be_instantiated() -> None:
    assert Abstract.__abstractmethods__ == {"above", "below", "of_class", "static"}
    with pytest.raises(TypeError, match="abstract"):
        Abstract()  # type: ignore[abstract]


def test_one_that_has_them_all_can() -> None:
    made = Concrete()
    assert Concrete.__abstractmethods__ == frozenset()
    assert cs.run([made.concrete(), made.above(), made.below(), made.of_class(), made.static()]) == [1, 2, 3, 4, 5]


def test_to_be_abstract_can_be_asked_and_set() -> None:
    made = cs.task(lambda: None)
    assert made.__isabstractmethod__ is False
    made.__isabstractmethod__ = True
    assert made.__isabstractmethod__ is made.with_retry(3).__isabstractmethod__ is True
    with pytest.raises(AttributeError):
        cs.task(len).__isabstractmethod__ = True


# ------------------------------------------------------------------------------------------------------- pydantic


def test_pydantic_validates_the_arguments_of_a_task() -> None:
    pydantic = pytest.importorskip("pydantic")
    arguments = pytest.importorskip("pydantic_core").ArgsKwargs

    adapter = pydantic.TypeAdapter(add)
    assert adapter.json_schema() == pydantic.TypeAdapter(add.fn).json_schema()
    made = adapter.validate_python(arguments(("1",), {"b": "5"}))
    assert (made.task, made.args, made.kwargs["b"]) == (add, (1,), 5)
    with pytest.raises(pydantic.ValidationError, match="valid integer"):
        adapter.validate_python(arguments(("one",)))


def test_pydantic_validates_calls_of_the_function_of_a_task() -> None:
    pydantic = pytest.importorskip("pydantic")

    @cs.task(mode="inline")
    @pydantic.validate_call
    def double(n: int) -> int:
        return 2 * n

    @cs.task
    @pydantic.validate_call
    async def later(n: int) -> int:
        await asyncio.sleep(0)
        return n

    assert later.is_async
    assert cs.run(double(later("3"))) == 6  # type: ignore[arg-type]
    with pytest.raises(pydantic.ValidationError, match="valid integer"):
        cs.run(double("three"))  # type: ignore[arg-type]


def test_a_task_and_a_lazy_result_as_fields_of_a_model() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model(
        "Model",
        __config__={"arbitrary_types_allowed": True},
        task=(cs.Task, ...),
        typed=(cs.Task[[int], int], ...),
        lazy=(cs.LazyResult[int], ...),
    )
    lazy = add(1)
    made = model(task=add, typed=add, lazy=lazy)
    assert made.task is made.typed is add and made.lazy is lazy
    with pytest.raises(pydantic.ValidationError):
        model(task=1, typed=add, lazy=lazy)
