"""Requirements of protocols, as conditions that an implementation is checked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn

from cascade._support.failures import describe

__all__ = ["Requirement", "check_methods", "shown"]


class Requirement:
    """One requirement of a protocol: a context manager around the use of an implementation.

    Any failure within it becomes an `AssertionError` whose message begins with the requirement. No ``assert`` statement
    is used, so checks also work under ``python -O``.

    Args:
        text: the requirement, as a sentence.

    >>> with Requirement("`latest` returns the latest boundary") as requirement:
    ...     requirement.expect(1 == 2, "the iteration must be 2, got 1")
    Traceback (most recent call last):
    AssertionError: `latest` returns the latest boundary: the iteration must be 2, got 1
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def expect(self, condition: object, otherwise: str) -> None:
        """Raise `AssertionError` unless a condition is true.

        Args:
            condition: the condition.
            otherwise: the message for the case that it is false: what was required, and what was found.
        """
        if not condition:
            self.violated(otherwise)

    def violated(self, how: str, error: BaseException | None = None) -> NoReturn:
        """Raise `AssertionError`: the implementation violates the requirement.

        Args:
            how: how it violates it.
            error: the cause; None: there is none.
        """
        raise AssertionError(f"{self._text}: {how}") from error

    @contextmanager
    def raises(self) -> Iterator[None]:
        """Return a context manager in which the implementation must raise an `Exception`."""
        try:
            yield
        except Exception:
            return
        self.violated("the call must raise an exception, got none")

    def __enter__(self) -> Requirement:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, AssertionError):
            self.violated(f"it raised {describe(error)}", error)


def check_methods(implementation: Any, protocol: type[Any]) -> None:
    """Check that an implementation has all methods of its protocol.

    Args:
        implementation: an instance.
        protocol: the class of the protocol.

    Raises:
        AssertionError: a method is missing, or the implementation is a class and not an instance.
    """
    name = protocol.__name__
    methods = [key for key, value in vars(protocol).items() if callable(value) and not key.startswith("_")]
    with Requirement(f"`make` returns an object with the methods of `{name}`: {', '.join(methods)}") as requirement:
        requirement.expect(not isinstance(implementation, type), f"it returned the class `{shown(implementation)}`")
        for method in methods:
            found = callable(getattr(implementation, method, None))
            requirement.expect(found, f"`{type(implementation).__name__}` has no `{method}`")


def shown(value: Any) -> str:
    """Return a value as text of at most 200 characters, and an ellipsis."""
    text = value.__name__ if isinstance(value, type) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
