"""Run a target for a command: events and failures on standard error, the value on standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Literal

import cascade as cs
from cascade.command_line.json_value import to_json
from cascade.command_line.status import FAILED, INTERRUPTED, UsageError, report, write
from cascade.engine.engine import Engine
from cascade.exceptions import InputError
from cascade.expressions.inputs import resolve
from cascade.inspect.api import inputs

if TYPE_CHECKING:
    from cascade.events import EventLog

__all__ = ["Log", "execute"]

Log = Literal["none", "text", "json"]


def execute(
    target: Any,
    params: Mapping[str, Any],
    *,
    engine: Engine,
    program: str,
    log: Log = "none",
    json: bool = False,
    verbose: bool = False,
) -> int:
    """Run a target, print its value, and return the exit status.

    Args:
        target: the target.
        params: the values of its params, by name.
        engine: the engine of the run.
        program: the name at the beginning of errors.
        log: what is written on standard error during the run: "none", "text" (lines for people) or "json" (events).
        json: whether the value is printed as JSON instead of by `repr`.
        verbose: whether a failure is printed as a traceback.

    Raises:
        UsageError: the value of a param or variable is missing, unknown or does not convert. Nothing was started.
    """
    try:
        resolve(inputs(target), params, os.environ)  # before the run: an InputError of a task is not an error of usage
    except InputError as error:
        raise UsageError(str(error)) from None
    try:
        with _logged(engine, log, verbose):
            value = cs.run(target, params=params, engine=engine)
        result = to_json(value) + b"\n" if json else f"{value!r}\n"
    except KeyboardInterrupt:
        return INTERRUPTED
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        report(error, program, verbose=verbose)
        return FAILED
    return write(result, program)


def _logged(engine: Engine, log: Log, verbose: bool) -> ExitStack:
    """Write the events of an engine on standard error until the stack is closed."""
    stack = ExitStack()
    if sys.stderr is None:  # closed
        return stack
    if log == "text":
        from cascade.events import EventConsole

        stack.enter_context(EventConsole(verbose=verbose).attach(engine))
    elif log != "none":
        from cascade.events import EventLog

        stack.callback(_close, EventLog(sys.stderr).attach(engine))
    return stack


def _close(events: EventLog) -> None:
    with suppress(OSError):  # standard error is closed: the value is still printed
        events.close()
