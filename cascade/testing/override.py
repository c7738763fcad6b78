"""Overrides: resources that stand in for others in a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade.engine import Engine

__all__ = ["override"]


@contextmanager
def override(engine: Engine, /, **providers: Any) -> Iterator[None]:
    """Have resources stand in for others while the context lasts: `Engine.override` for several at once.

    Args:
        engine: whose resources.
        providers: by name, what `Engine.register` takes: a resource, a connector or any value.

    Returns:
        A context manager.

    Raises:
        ResourceError: no resource of such a name is registered; then none is overridden.
    """
    with ExitStack() as stack:
        for name, provider in providers.items():
            stack.enter_context(engine.override(name, provider))
        yield
