"""An exception as the text that events carry: "Type: message"."""

from __future__ import annotations

__all__ = ["describe"]

LONGEST = 2000
"""Characters of a message that are kept; an exception may quote a whole array."""
_MEMBERS = 3


def describe(error: BaseException) -> str:
    r"""Return an exception as "Type: message", without trust in its `__str__`.

    The type has its module unless it is a built-in one, as in a traceback. The message may have several lines. Of a
    group, the first exceptions are told with it.

    Args:
        error: any exception.

    >>> describe(ZeroDivisionError("division by zero")), describe(KeyError())
    ('ZeroDivisionError: division by zero', 'KeyError')
    >>> describe(ExceptionGroup("two failed", [ValueError("a"), KeyError("b")]))
    "ExceptionGroup: two failed (2 sub-exceptions): ValueError: a; KeyError: 'b'"
    """
    text = _alone(error)
    if isinstance(error, BaseExceptionGroup):
        members = error.exceptions
        told = "; ".join(_alone(member) for member in members[:_MEMBERS])
        text = f"{text}: {told}{'; ...' if len(members) > _MEMBERS else ''}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _alone(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(error)[:LONGEST]
    except Exception as second:  # the exception of a user, and its `__str__`
        message = f"<no message: its __str__ raised {type(second).__name__}>"
    return f"{name}: {message}" if message else name
