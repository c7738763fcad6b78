"""The end of a command: exit statuses, and errors on one line."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Final

from cascade._support.failures import LONGEST, describe
from cascade._support.one_line import plain
from cascade.exceptions import CascadeError
from cascade.extras import MissingExtraError

__all__ = ["DONE", "FAILED", "INTERRUPTED", "USAGE", "UsageError", "finish", "print_problems", "report"]

DONE: Final = 0
FAILED: Final = 1
"""The exit status of a command that has started and failed."""
USAGE: Final = 2
"""The exit status for wrong arguments; nothing was started."""
INTERRUPTED: Final = 130
"""The exit status after Ctrl-C, as in shells."""


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
    except (UsageError, MissingExtraError) as error:
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
    print_problems(plain(describe(error, notes=True), LONGEST), program)
