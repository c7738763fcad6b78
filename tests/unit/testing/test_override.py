"""Resources that stand in for others in a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import cascade as cs
from cascade.testing import override

whole = pytest.mark.skipif(not hasattr(cs.Engine, "events"), reason="the engine has no events yet")


class Overridable:
    """As much of an engine as `override` uses."""

    def __init__(self, **resources: Any) -> None:
        self.resources = resources

    @contextmanager
    def override(self, name: str, provider: Any) -> Iterator[None]:
        if name not in self.resources:
            raise cs.ResourceError(name)
        before = self.resources[name]
        self.resources[name] = provider
        try:
            yield
        finally:
            self.resources[name] = before


def test_overrides_hold_as_long_as_the_context() -> None:
    engine: Any = Overridable(a=1, b=2, name=3)
    with override(engine, a=10, name=30):
        assert engine.resources == {"a": 10, "b": 2, "name": 30}
        with override(engine, **{"a": 100}):
            assert engine.resources["a"] == 100
        assert engine.resources["a"] == 10
    assert engine.resources == {"a": 1, "b": 2, "name": 3}


def test_an_unknown_one_overrides_nothing() -> None:
    engine: Any = Overridable(a=1)
    with pytest.raises(cs.ResourceError), override(engine, a=10, unknown=2):
        raise AssertionError("not reached")
    assert engine.resources == {"a": 1}


@whole
async def test_an_override_on_an_engine() -> None:
    pytest.importorskip("cascade.resources")

    @cs.task(mode="inline")
    def show(text: str, greeting: Any = cs.Inject("greeting")) -> str:  # noqa: B008
        return f"{greeting}, {text}"

    async with cs.Engine() as engine:
        engine.register("hello", "greeting")
        with override(engine, greeting="goodbye"):
            assert await engine.run(show("you")) == "goodbye, you"
        assert await engine.run(show("you")) == "hello, you"
