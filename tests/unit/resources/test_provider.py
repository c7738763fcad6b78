"""`cs.resource`: what makes a resource, under which name, and what it needs."""

from __future__ import annotations

import functools

import pytest

import cascade as cs
from cascade.resources.provider import resource


def test_kinds_names_and_scopes() -> None:
    @resource
    def plain():
        return 1

    @resource()
    async def coroutine():
        return 1

    @resource(scope="call")
    def generator():
        yield 1

    @resource(scope="engine", name="other")
    async def asynchronous():
        yield 1

    assert (plain.name, plain.scope, plain.kind) == ("plain", "run", "plain")
    assert (coroutine.name, coroutine.scope, coroutine.kind) == ("coroutine", "run", "async")
    assert (generator.name, generator.scope, generator.kind) == ("generator", "call", "generator")
    assert (asynchronous.name, asynchronous.scope, asynchronous.kind) == ("other", "engine", "async generator")
    assert repr(asynchronous) == "<Resource other: async generator, scope engine>"
    assert plain() == 1


def test_what_a_decorator_has_wrapped_and_what_is_callable() -> None:
    def same(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            return fn(*args, **kwargs)

        return wrapper

    @same
    def wrapped(other):
        yield other

    class Callable:
        def __call__(self, other):
            yield other

    assert resource(wrapped).kind == "generator"
    assert resource(Callable(), name="c").kind == "generator"
    assert resource(functools.partial(wrapped, 1), name="p").kind == "generator"
    assert dict(resource(Callable(), name="c").needs) == {"other": "other"}
    assert resource(dict).kind == "plain"


def test_needs_are_parameters_without_a_default_or_with_an_inject() -> None:
    @resource
    def one(a, /, b, c=cs.Inject("other"), d=5, *args, e, f=cs.Inject("last"), g=None, **kwargs): ...  # noqa: B008

    assert dict(one.needs) == {"a": "a", "b": "b", "c": "other", "e": "e", "f": "last"}


def test_positional_only_parameters_keep_their_defaults() -> None:
    @resource
    def one(a, b=2, c=cs.Inject("x"), /, *, d):  # noqa: B008
        return a, b, c, d

    assert one.call({"a": 1, "c": 3, "d": 4}) == (1, 2, 3, 4)


@pytest.mark.parametrize("scope", ["task", "", None, 1])
def test_unknown_scopes(scope: object) -> None:
    with pytest.raises(ValueError, match="scope must be 'run', 'call' or 'engine', got"):
        resource(scope=scope)


@pytest.mark.parametrize("name", ["", 1, b"x"])
def test_what_is_no_name(name: object) -> None:
    with pytest.raises(TypeError, match="name of a resource must be a non-empty str"):
        resource(name=name)


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match=r"got `str`; give the scope as `scope=...`"):
        resource("run")
    with pytest.raises(TypeError, match="fn must be a function, got `int`"):
        resource(1)
    with pytest.raises(TypeError, match="which is a resource already"):
        resource(resource(lambda: 1, name="one"))
    with pytest.raises(TypeError, match="name must be given for a `partial`"):
        resource(functools.partial(int, 1))


def test_defaults_that_would_be_taken_for_resources() -> None:
    @cs.task
    def t(): ...

    @resource
    def one(): ...

    with pytest.raises(TypeError, match=r"got `LazyResult` - at parameter `x` of resource `two`"):

        @resource
        def two(x=t()): ...  # noqa: B008

    with pytest.raises(TypeError, match=r"got `Resource` - at parameter `x` of resource `three`"):

        @resource
        def three(x=one): ...
