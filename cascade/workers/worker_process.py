"""In a worker process: it ends with its parent, and a fork of it makes no calls."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import wait

__all__ = ["end_if_forked", "end_with_parent"]

_PERIOD = 1.0  # seconds between two looks at the parent's id


def end_with_parent() -> None:
    """End this process as soon as its parent has ended, in whatever way.

    A parent that is killed cannot stop its workers. Without this, they would go on, such as to write to files that the
    next process takes for complete.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        # Not by `threading`: there the thread would be counted, and the exit would wait for it.
        _thread.start_new_thread(_watch, (parent.sentinel, os.getppid()))


def _watch(sentinel: int, parent: int) -> None:
    # The sentinel is enough, unless a fork of the parent still has the other end of the pipe.
    while not wait([sentinel], _PERIOD) and (sys.platform == "win32" or os.getppid() == parent):
        pass
    os._exit(1)


def end_if_forked(process: int, error: BaseException | None = None) -> None:
    """End this process if the function of a task has forked it: only its parent returns the result of the call.

    Args:
        process: the id of the process in which the call has begun.
        error: the exception that the function has raised; None: it has returned.
    """
    if os.getpid() == process:
        return
    code = 0
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        code = error.code or 0
    elif error is not None:
        code = 1
        with suppress(BaseException):
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(code)
