"""Sentences: what a protocol says, and what becomes of an implementation that does not keep one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn

from cascade._support.failures import describe

__all__ = ["Sentence", "complete", "shown"]


class Sentence:
    """One sentence of a protocol, as a context in which an implementation is used.

    Whatever goes wrong in it is an `AssertionError` that begins with the sentence. No ``assert`` statement is used, so
    it also holds under ``python -O``.

    Args:
        text: the sentence.

    >>> with Sentence("`latest` returns the latest boundary") as sentence:
    ...     sentence.expect(1 == 2, "the iteration must be 2, got 1")
    Traceback (most recent call last):
    AssertionError: `latest` returns the latest boundary: the iteration must be 2, got 1
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def expect(self, condition: object, otherwise: str) -> None:
        """Raise if something does not hold.

        Args:
            condition: what should hold.
            otherwise: what it was like instead.
        """
        if not condition:
            self.broken(otherwise)

    def broken(self, how: str, error: BaseException | None = None) -> NoReturn:
        """Raise.

        Args:
            how: what came instead of what was expected.
            error: what it came of.
        """
        raise AssertionError(f"{self._text}: {how}") from error

    @contextmanager
    def raises(self) -> Iterator[None]:
        """A context in which the implementation must raise some `Exception`."""
        try:
            yield
        except Exception:
            return
        self.broken("the call must raise an exception, got none")

    def __enter__(self) -> Sentence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, AssertionError):
            self.broken(f"it raised {describe(error)}", error)


def complete(implementation: Any, protocol: type[Any]) -> None:
    """Raise if an implementation lacks a method.

    Args:
        implementation: an instance.
        protocol: the protocol.

    Raises:
        AssertionError: a method is not there, or the implementation is a class.
    """
    name = protocol.__name__
    methods = [key for key, value in vars(protocol).items() if callable(value) and not key.startswith("_")]
    with Sentence(f"`make` returns an object with the methods of `{name}`: {', '.join(methods)}") as sentence:
        sentence.expect(not isinstance(implementation, type), f"it returned the class `{shown(implementation)}`")
        for method in methods:
            found = callable(getattr(implementation, method, None))
            sentence.expect(found, f"`{type(implementation).__name__}` has no `{method}`")


def shown(value: Any) -> str:
    """Return a stranger's value as text of bearable length."""
    text = value.__name__ if isinstance(value, type) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
