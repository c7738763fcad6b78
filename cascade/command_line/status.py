"""The end of a command: exit statuses, and errors on one line."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Final

from cascade._support import failures
from cascade.demos.fireflies.settings import SettingsError
from cascade.exceptions import CascadeError
from cascade.extras import MissingExtraError

__all__ = ["DONE", "FAILED", "INTERRUPTED", "USAGE", "UsageError", "describe", "finish", "print_problems", "report"]

DONE: Final = 0
FAILED: Final = 1
"""The exit status of a command that has started and failed."""
USAGE: Final = 2
"""The exit status for wrong arguments; nothing was started."""
INTERRUPTED: Final = 130
"""The exit status after Ctrl-C, as in shells."""

_LONGEST = 2000
_SHOWN = 5


class UsageError(CascadeError, ValueError):
    """Arguments of a command line are wrong; the message has one line for each error."""


def finish(command: Callable[[], int], program: str) -> int:
    """Run a command, print its errors, and return its exit status.

    Args:
        command: returns an exit status, or raises an error of usage.
        program: the name at the beginning of errors.
    """
    try:
        return command()
    except (UsageError, SettingsError, MissingExtraError) as error:
        print_problems(str(error), program)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe. Flushing the rest must not fail again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def print_problems(problems: str, program: str = "cascade") -> None:
    """Print a line on standard error for each line of `problems`."""
    for problem in problems.splitlines():
        print(f"{program}: {problem}", file=sys.stderr)


def report(error: BaseException, program: str, *, verbose: bool) -> None:
    """Print a failure on standard error: one line; if ``verbose``, after the traceback."""
    if verbose:
        traceback.print_exception(error)
    print_problems(describe(error), program)


def describe(error: BaseException) -> str:
    """Return an exception on one line: its type, its message, and its notes, which contain the place.

    >>> error = ZeroDivisionError("division by zero")
    >>> error.add_note("task jobs.divide at $, iteration 3 of run 1")
    >>> describe(error)
    'ZeroDivisionError: division by zero (task jobs.divide at $, iteration 3 of run 1)'
    >>> describe(ExceptionGroup("two tasks failed", [error, KeyError("x")]))
    "two tasks failed: ZeroDivisionError: division by zero (task jobs.divide at $, iteration 3 of run 1); KeyError: 'x'"
    """
    if failures.is_a(error, BaseExceptionGroup):
        single = list(failures.singles(error))
        shown = [describe(one) for one in single[:_SHOWN]]
        if len(single) > _SHOWN:
            shown.append(f"and {len(single) - _SHOWN} more")
        return _plain(f"{error.message}{_notes(error)}: {'; '.join(shown)}")
    message = failures.message(error)
    kind = type(error).__qualname__
    return _plain(f"{kind}: {message}{_notes(error)}" if message else f"{kind}{_notes(error)}")


def _notes(error: BaseException) -> str:
    known = failures.fields(error).get("__notes__")
    notes = [note for note in known if isinstance(note, str)] if type(known) is list else []
    return f" ({'; '.join(notes[:_SHOWN])})" if notes else ""


def _plain(text: str) -> str:
    """Return text on one line without control characters."""
    text = " ".join(text[: 2 * _LONGEST].split())
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
