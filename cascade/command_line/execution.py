"""Run a target for a command: events and failures on standard error, the value on standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from msgspec.structs import asdict

import cascade as cs
from cascade.command_line.progress import Progress, is_shown
from cascade.command_line.status import DONE, FAILED, INTERRUPTED, USAGE, UsageError, print_problems, report, write
from cascade.engine.engine import Engine
from cascade.exceptions import InputError
from cascade.expressions.inputs import resolve
from cascade.expressions.targets import expression
from cascade.inspect.api import inputs

if TYPE_CHECKING:
    from cascade.events import EventLog
    from cascade.inspect.dry_run import DryRun

__all__ = ["Log", "execute", "rehearse"]

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
    quiet: bool = True,
    owns_process: bool = False,
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
        quiet: whether standard error gets no progress, and no line about virtual time.
        owns_process: whether a second Ctrl-C ends the process at once: neither a thread nor a worker process can be
            interrupted otherwise.

    Raises:
        UsageError: the value of a param or variable is missing, unknown or does not convert. Nothing was started.
    """
    try:
        resolve(inputs(target), params, os.environ)  # before the run: an InputError of a task is not an error of usage
    except InputError as error:
        raise UsageError(str(error)) from None
    from cascade.engine.interrupts import Interrupts
    from cascade.engine.runner import run_in_new_loop

    start = engine.clock.time()
    line = None if quiet or json or log != "none" or not is_shown() else Progress(engine)
    interrupts = Interrupts(partial(_leave, line)) if owns_process else Interrupts()
    try:
        with _logged(engine, log, verbose), line or nullcontext():
            value = run_in_new_loop(expression(target), {"params": params}, engine, interrupts)
        result = _json(value) if json else f"{value!r}\n"
    except KeyboardInterrupt:
        return INTERRUPTED
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        report(error, program, verbose=verbose)
        return FAILED
    finally:
        if engine.clock.is_virtual and not quiet and log != "json":
            from cascade.events.text import span

            passed = engine.clock.time() - start
            print_problems(f"{span(passed) + ' of' if passed else 'no'} virtual time passed", program)
    return write(result, program)


def rehearse(
    target: Any,
    params: Mapping[str, Any],
    *,
    engine: Engine,
    program: str,
    json: bool = False,
    verbose: bool = False,
) -> int:
    """Print what a run of a target would do, and return the exit status. Nothing is started.

    Args:
        target: the target.
        params: the values of its params, by name.
        engine: the engine whose resources and limits are checked.
        program: the name at the beginning of errors.
        json: whether it is printed as JSON instead of as a table.
        verbose: whether a failure is printed as a traceback.

    Returns:
        0: nothing is known for which a run would fail; else 2, and the problems are printed, too.
    """
    try:
        found = cs.dry_run(target, params=params, engine=engine)
        text = _json(_document(found)) if json else f"{found}\n"
    except Exception as error:  # the target has no template
        report(error, program, verbose=verbose)
        return FAILED
    status = write(text, program)
    return status if found.ok or status != DONE else USAGE


def _document(found: DryRun) -> dict[str, Any]:
    """Return a dry run for JSON: policies and values of params are text."""
    from cascade.expressions.conversion import shown
    from cascade.inspect.policy_text import describe

    document = {name: [asdict(each) for each in part] for name, part in asdict(found).items() if name != "problems"}
    for node in document["nodes"]:
        node["policies"] = {role: describe(role, setting) for role, setting in node["policies"].items()}
    for given in document["inputs"]:
        given["value"] = shown(given["value"]) if given["known"] else None
    return {**document, "problems": found.problems}


def _json(value: Any) -> bytes:
    from cascade.command_line.json_value import to_json

    return to_json(value) + b"\n"


def _leave(progress: Progress | None) -> NoReturn:
    """End the process at once, after a second Ctrl-C."""
    if progress is not None:
        progress.stop(timeout=1)
    if "multiprocessing" in sys.modules:
        for child in sys.modules["multiprocessing"].active_children():
            child.kill()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # it is closed; or the signal has interrupted a write
            stream.flush()
    os._exit(INTERRUPTED)


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
