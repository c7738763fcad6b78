"""The end of a command: exit statuses, and errors on one line."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

from cascade._support.failures import LONGEST, describe
from cascade._support.one_line import plain
from cascade.exceptions import CascadeError
from cascade.extras import MissingExtraError

__all__ = ["DONE", "FAILED", "INTERRUPTED", "USAGE", "UsageError", "finish", "print_problems", "report", "write"]

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
    except BrokenPipeError:  # the reader has closed the pipe
        _discard(sys.stdout, sys.stderr)
        return FAILED
    except OSError as error:  # the text of `--help` has no place on the disk
        _discard(sys.stdout, sys.stderr)
        print_problems(str(error), program)
        return FAILED


def write(content: str | bytes, program: str = "cascade") -> int:
    """Write the result of a command on standard output, and return the exit status.

    Characters that the encoding of standard output lacks are escaped.

    Args:
        content: text; or bytes, which are written whatever the encoding is.
        program: the name at the beginning of errors.

    Raises:
        BrokenPipeError: the reader has closed the pipe; `finish` handles it.
    """
    out = sys.stdout
    if out is None:
        print_problems("standard output must be open, as the result is written there", program)
        return FAILED
    try:
        if isinstance(content, str):
            encoding = getattr(out, "encoding", None) or "utf-8"
            out.write(content.encode(encoding, "backslashreplace").decode(encoding))
        elif hasattr(out, "buffer"):
            out.flush()
            out.buffer.write(content)
        else:  # it was replaced by an object that takes text only
            out.write(content.decode())
        out.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:  # the disk is full, the file is closed
        _discard(out)
        print_problems(f"the result could not be written on standard output: {error}", program)
        return FAILED
    return DONE


def _discard(*streams: TextIO | None) -> None:
    """Send what streams still hold nowhere: writing it must not fail once more when Python exits."""
    for stream in streams:
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
                os.close(nowhere)


def print_problems(problems: str, program: str = "cascade") -> None:
    """Print a line on standard error for each line of `problems`."""
    if sys.stderr is None:  # closed; `print` would take standard output
        return
    for problem in problems.splitlines():
        print(f"{program}: {problem}", file=sys.stderr)


def report(error: BaseException, program: str, *, verbose: bool) -> None:
    """Print a failure on standard error, on one line; if ``verbose``, as a traceback, which ends with the same."""
    if verbose and sys.stderr is not None:
        from cascade._core.tracebacks import hide_frames

        hide_frames(error)
        traceback.print_exception(error)
        return
    print_problems(plain(describe(error, notes=True), LONGEST), program)
