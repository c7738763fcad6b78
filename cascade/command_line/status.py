"""How a command ends: exit statuses, and errors as a person wants to read them, on one line."""

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
"""What was asked for was tried, and did not succeed."""
USAGE: Final = 2
"""What was asked for cannot be had; nothing was started."""
INTERRUPTED: Final = 130
"""The exit status after Ctrl-C, as shells have it."""

_LONGEST = 2000
_SHOWN = 5


class UsageError(CascadeError, ValueError):
    """What a command line asks for cannot be had; the message has a line for each thing that is wrong."""


def finish(command: Callable[[], int], program: str) -> int:
    """Run a command and return its exit status, whatever happens short of `SystemExit`.

    Args:
        command: gives a status, or raises what is wrong with its usage.
        program: the name that errors begin with.
    """
    try:
        return command()
    except (UsageError, SettingsError, MissingExtraError) as error:
        print_problems(str(error), program)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads on. What is still buffered must not fail once more when Python shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def print_problems(problems: str, program: str = "cascade") -> None:
    """Print a line on standard error for each line of `problems`."""
    for problem in problems.splitlines():
        print(f"{program}: {problem}", file=sys.stderr)


def report(error: BaseException, program: str, *, verbose: bool) -> None:
    """Print a failure on standard error: one line, with ``verbose`` after the traceback."""
    if verbose:
        traceback.print_exception(error)
    print_problems(describe(error), program)


def describe(error: BaseException) -> str:
    """Return an exception on one line: its type, its message, and its notes, which say where it was raised.

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
    """Text on one line that does nothing to a terminal."""
    text = " ".join(text[: 2 * _LONGEST].split())
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
