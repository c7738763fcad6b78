"""Signatures of functions whose annotations name what exists for type checkers only.

Up to Python 3.13 such annotations are text, or fail where the function is defined; from 3.14 on they are evaluated when
they are asked for, which nothing here does. The code is compiled without this file's own `from __future__ import`.
"""

from __future__ import annotations

import functools
import inspect
import sys
import textwrap
import typing
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import cascade as cs
from cascade._core.expr.task_spec import signature_of
from cascade.cache.arguments import bind
from cascade.command_line.target import find_target
from cascade.events import RunStarted
from support.ids import case_name

LATE = sys.version_info >= (3, 14)
"""Whether annotations are evaluated late."""


def defined(code: str) -> SimpleNamespace:
    """What some code defines, with all Pythons' annotations as 3.14 has them, or else as text."""
    space: dict[str, Any] = {"cs": cs, "functools": functools, "evaluated": []}
    text = ("" if LATE else "from __future__ import annotations\n") + textwrap.dedent(code)
    exec(compile(text, "<code>", "exec", dont_inherit=True), space)
    return SimpleNamespace(**space)


# A name that is missing, an attribute that is, an operation that fails, and code that must not run.
ANNOTATIONS = ["Later", "list[Later]", "cs.Missing[int] | None", "int | 'Later'", "1 / 0", "evaluated.append(1)"]


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_tasks_of_every_kind(annotation: str) -> None:
    made = defined(
        f"""
        @cs.task(mode="inline")
        def plain(a: {annotation}, b: {annotation} = 2, *, c: {annotation} = 3) -> {annotation}:
            return a, b, c

        @cs.task
        async def coroutine(a: {annotation}) -> {annotation}:
            return a

        class Holder:
            @cs.task(mode="inline")
            def method(self, a: {annotation}) -> "Holder":
                return a

            @classmethod
            @cs.task(mode="inline")
            def of_class(cls, a: {annotation}):
                return a

            @staticmethod
            @cs.task(mode="inline")
            def static(a: {annotation}):
                return a

            def __call__(self, a: {annotation}) -> {annotation}:
                return a

        def wrapped(fn):
            @functools.wraps(fn)
            def inner(*args: {annotation}, **kwargs: {annotation}) -> {annotation}:
                return fn(*args, **kwargs)
            return inner

        @cs.task(mode="inline")
        @wrapped
        def decorated(a: {annotation}) -> {annotation}:
            return a

        def bare(a: {annotation}, b: {annotation}) -> {annotation}:
            return a, b

        partial = cs.task(functools.partial(bare, 1), name="partial", mode="inline")
        called = cs.task(Holder(), name="called", mode="inline")
        bound = cs.task(Holder().__call__, name="bound", mode="inline")
        """
    )
    holder = made.Holder()
    assert cs.run(made.plain(1)) == (1, 2, 3)
    for task in (made.coroutine, holder.method, made.Holder.static, made.decorated, made.called, made.bound):
        assert cs.run(task(7)) == 7
    assert cs.run(made.partial(2)) == (1, 2)
    # The signature is known: what does not fit is refused at once.
    for task in (made.plain, made.coroutine, holder.method, made.partial, made.called, made.bound):
        with pytest.raises(cs.TaskArgumentError):
            task(unknown=1)
    assert made.evaluated == []


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_resources_caches_subscribers_and_targets(annotation: str, tmp_path: Any, monkeypatch: Any) -> None:
    made = defined(
        f"""
        @cs.resource
        def other() -> {annotation}:
            return 1

        @cs.resource
        def thing(other: {annotation}) -> {annotation}:
            return other + 1

        class Key:
            def __call__(self, a: {annotation}, b: {annotation} = 2):
                return a, b

        def heard(event: {annotation}) -> {annotation}:
            pass

        def heard_wrongly(one: {annotation}, two: {annotation}):
            pass
        """
    )
    engine = cs.Engine()
    engine.register(made.other)
    engine.register(made.thing)

    @cs.task(mode="inline")
    def keep(value: object) -> object:
        return value

    assert cs.run(keep(cs.inject("thing")), engine=engine) == 2
    assert bind(made.Key(), (1,), {}).values == [1, 2]
    engine.events.subscribe(RunStarted, made.heard)
    with pytest.raises(TypeError, match="fn must be a function of one argument"):
        engine.events.subscribe(RunStarted, made.heard_wrongly)
    module = f"late_{abs(hash(annotation))}"
    text = f"import cascade as cs\nevaluated = []\ndef target() -> {annotation}:\n    return cs.wait(0)\n"
    (tmp_path / f"{module}.py").write_text(text if LATE else "from __future__ import annotations\n" + text)
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(find_target(f"{module}:target"), cs.LazyResult)


def test_a_task_shows_the_annotations_that_there_are() -> None:
    made = defined(
        """
        @cs.task
        def task(a: int, b: Later) -> str: ...

        @cs.task
        def failing(a: int, b: 1 / 0) -> str: ...
        """
    )
    shown = inspect.signature(made.task).parameters
    if LATE:
        assert shown["a"].annotation is int and shown["b"].annotation.__forward_arg__ == "Later"
        assert str(inspect.signature(made.failing)) == "(a, b)"
    else:
        assert [shown[name].annotation for name in "ab"] == ["int", "Later"]
    assert list(inspect.signature(made.failing).parameters) == ["a", "b"]


def with_kinds(a: int, /, b: int = 1, *args: int, c: int, d: int = 2, **kwargs: int) -> None: ...


def closed() -> Callable[..., object]:
    free = 1

    def inner(a: int = free) -> int:
        return a + free

    return inner


class Everything:
    def __init__(self, a: int) -> None: ...

    def method(self, a: int, *, b: int = 1) -> None: ...

    part = functools.partialmethod(method, b=2)

    def __call__(self, a: int) -> None: ...


def wraps(fn: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(fn)
    def wrapper(*args: object, **kwargs: object) -> object:
        return fn(*args, **kwargs)

    return wrapper


def says_its_own(a: int) -> None: ...


says_its_own.__signature__ = inspect.Signature()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "fn",
    [
        with_kinds, closed(), Everything, Everything(1), Everything(1).method, Everything.method, Everything.part,
        Everything(1).part, functools.partial(with_kinds, 1, c=3), functools.partial(functools.partial(max, 1), 2),
        functools.partial(functools.partial(with_kinds, 1), 2), functools.partial(Everything(1).method, b=1),
        wraps(with_kinds), wraps(wraps(Everything(1))), says_its_own,
        wraps(says_its_own), functools.update_wrapper(functools.partial(with_kinds, 1), with_kinds), len, int.__add__,
        functools.lru_cache(with_kinds), functools.cache(Everything(1).method), cs.task(with_kinds), lambda *a: a,
        1, None, dict, "text",
    ],
    ids=case_name,
)  # fmt: skip
@pytest.mark.parametrize("follow_wrapped", [True, False])
def test_but_for_annotations_it_is_what_inspect_says(fn: Any, follow_wrapped: bool) -> None:
    expected = signature_or_error(inspect.signature, fn, follow_wrapped=follow_wrapped)
    assert signature_or_error(signature_of, fn, follow_wrapped=follow_wrapped, annotated=True) == expected
    bare = signature_or_error(signature_of, fn, follow_wrapped=follow_wrapped)
    assert without_annotations(bare) == without_annotations(expected)


def signature_or_error(read: Callable[..., inspect.Signature], fn: Any, **options: bool) -> Any:
    try:
        return read(fn, **options)
    except (TypeError, ValueError) as error:
        return type(error)


def without_annotations(signature: Any) -> Any:
    if isinstance(signature, type):
        return signature
    empty = inspect.Parameter.empty
    parameters = [parameter.replace(annotation=empty) for parameter in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=empty)


class Named:
    def __call__(self, a: int) -> str:
        return str(a)

    @cs.task(mode="inline")
    def method(self, a: int) -> Named:
        return self


@functools.cache
def cached(a: int) -> str:
    return str(a)


def plain(a: int, b: list[str] | None = None) -> float:
    return 1.0


FORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "function": (plain, {"a": int, "b": list[str] | None, "return": float}),
    "partial": (functools.partial(plain, b=None), {"a": int, "b": list[str] | None, "return": float}),
    "object": (Named(), {"a": int, "return": str}),
    "bound": (Named().__call__, {"a": int, "return": str}),
    "wrapper": (cached, {"a": int, "return": str}),
}


@pytest.mark.parametrize("form", FORMS)
def test_annotations_are_seen_through_the_task(form: str) -> None:
    fn, expected = FORMS[form]
    task = cs.task(fn, name=form, mode="inline")
    assert typing.get_type_hints(task) == expected
    assert inspect.get_annotations(task, eval_str=True) == expected if form == "function" else True
    assert list(task.__annotations__) == list(expected)
    assert inspect.signature(task) == inspect.signature(fn)
    assert task.__wrapped__ is fn
    assert typing.get_type_hints(task.with_retry(max_attempts=2)) == expected


def test_annotations_of_methods() -> None:
    expected = {"a": int, "return": Named}
    assert typing.get_type_hints(Named.method) == typing.get_type_hints(Named().method) == expected
    assert list(inspect.signature(Named().method).parameters) == ["a"]


def test_what_has_no_annotations_has_none() -> None:
    class Made:
        size: int = 0

    for fn in (len, functools.partial(len), Made):
        task = cs.task(fn, name="bare", mode="inline")
        for name in ("__annotations__", "__annotate__", "__type_params__"):
            assert not hasattr(task, name)
    task = cs.task(lambda: 1, name="nothing", mode="inline")
    assert task.__annotations__ == typing.get_type_hints(task) == {}


def test_a_wrapper_of_a_task_is_annotated_like_it() -> None:
    @functools.wraps(cs.task(plain, mode="inline"))
    def wrapper(*args: Any) -> Any: ...

    assert typing.get_type_hints(wrapper) == typing.get_type_hints(plain)


def test_an_object_that_wraps_itself() -> None:
    class Circle:
        def __call__(self) -> None: ...

    circle: Any = Circle()
    circle.__wrapped__ = circle
    assert not hasattr(cs.task(circle, name="circle", mode="inline"), "__annotations__")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="no type parameters, or not in annotations that are text")
def test_annotations_of_a_generic_function() -> None:
    made = defined("@cs.task(mode='inline')\ndef generic[T](a: T) -> 'T': ...")
    (parameter,) = made.generic.__type_params__
    assert typing.get_type_hints(made.generic) == {"a": parameter, "return": parameter}


@pytest.mark.skipif(not LATE, reason="annotations are evaluated early, or are text")
def test_annotationlib_sees_through_the_task_what_cannot_be_evaluated() -> None:
    import annotationlib

    made = defined(
        """
        @cs.task(mode="inline")
        def late(a: Later, b: list[int], c: Later.more | int) -> Later: ...

        class Holder:
            @cs.task
            async def method(self, a: Later) -> int: ...

        @cs.task(mode="inline")
        def counted(a: evaluated.append(1) or int) -> None: ...
        """
    )
    for task in (made.late, made.Holder.method, made.Holder().method):
        with pytest.raises(NameError, match="Later"):
            task.__annotations__  # noqa: B018 - as of the function itself
        with pytest.raises(NameError, match="Later"):
            typing.get_type_hints(task)
    texts = annotationlib.get_annotations(made.late, format=annotationlib.Format.STRING)
    assert texts == {"a": "Later", "b": "list[int]", "c": "Later.more | int", "return": "Later"}
    found = annotationlib.get_annotations(made.late, format=annotationlib.Format.FORWARDREF)
    assert found["b"] == list[int]
    assert type(found["a"]) is annotationlib.ForwardRef
    assert found["a"].__forward_arg__ == "Later"
    hints = typing.get_type_hints(made.late, format=annotationlib.Format.FORWARDREF)  # type: ignore[call-arg,unused-ignore]
    assert hints["b"] == list[int]
    for task in (made.Holder.method, made.Holder().method):
        texts = annotationlib.get_annotations(task, format=annotationlib.Format.STRING)
        assert texts == {"a": "Later", "return": "int"}
    assert made.evaluated == []
    assert annotationlib.get_annotations(made.counted) == {"a": int, "return": None}
    assert made.evaluated == [1]
    assert made.counted.__annotations__["a"] is int  # evaluated once, as of the function
    assert made.evaluated == [1]
