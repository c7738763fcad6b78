"""Overrides: replacements of resources in a test."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from cascade._support.public import public_in

if TYPE_CHECKING:
    from cascade.engine.engine import Engine

__all__ = ["override"]


class _Overrides(AbstractContextManager[None]):
    """The context manager of `override`.

    Not a generator with `contextlib`: that sets attributes of exceptions, and some exceptions refuse it.
    """

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
    """Replace resources while a `with` block lasts: `Engine.override` for several at once.

    Args:
        engine: the engine with the resources.
        providers: the replacements by name, each as `Engine.register` takes it: a resource, a connector or any value.

    Returns:
        A context manager.

    Raises:
        ResourceError: one of the names is not registered. Then none is replaced. Raised when the block is entered.

    >>> import cascade as cs
    >>> from cascade.testing import override
    >>> engine = cs.Engine()
    >>> engine.register("db.example", "host")
    >>> @cs.task
    ... def address(host=cs.Inject("host")):
    ...     return f"https://{host}"
    >>> with override(engine, host="localhost"):
    ...     cs.run(address(), engine=engine)
    'https://localhost'
    """
    return _Overrides(engine, providers)
