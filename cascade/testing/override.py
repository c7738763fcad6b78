"""Overrides: resources that stand in for others in a test."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from cascade._support.public import public_in

if TYPE_CHECKING:
    from cascade.engine.engine import Engine

__all__ = ["override"]


class _Overrides(AbstractContextManager[None]):
    """A class: a generator of `contextlib` would set attributes of exceptions, and some refuse that."""

    def __init__(self, engine: Engine, providers: dict[str, Any]) -> None:
        self._engine = engine
        self._providers = providers
        self._stack = ExitStack()

    def __enter__(self) -> None:
        with ExitStack() as stack:
            for name, provider in self._providers.items():
                stack.enter_context(self._engine.override(name, provider))
            self._stack = stack.pop_all()

    def __exit__(self, *exc: object) -> None:
        self._stack.close()


@public_in("cascade.testing")
def override(engine: Engine, /, **providers: Any) -> AbstractContextManager[None]:
    """Have resources stand in for others while the context lasts: `Engine.override` for several at once.

    Args:
        engine: whose resources.
        providers: by name, what `Engine.register` takes: a resource, a connector or any value.

    Returns:
        A context manager.

    Raises:
        ResourceError: no resource of such a name is registered; then none is overridden.
    """
    return _Overrides(engine, providers)
