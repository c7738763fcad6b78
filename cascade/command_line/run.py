"""`cascade run`."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from cascade._core.time.clock import Clock
from cascade.command_line.arguments import Given, TargetName, make_target
from cascade.command_line.execution import Log, execute, rehearse
from cascade.command_line.options import option_name
from cascade.command_line.status import FAILED, UsageError, report
from cascade.command_line.target import find
from cascade.engine.engine import Engine

__all__ = ["run"]

_NONE: tuple[str, ...] = ()


def run(
    target: TargetName,
    /,
    *arguments: Given,
    param: Annotated[tuple[str, ...], Parameter(name=("--param", "-p"), negative=())] = _NONE,
    json: Annotated[bool, Parameter(negative=())] = False,
    log: Log = "none",
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    virtual: Annotated[bool, Parameter(negative=())] = False,
    engine: str | None = None,
    limit: Annotated[tuple[str, ...], Parameter(negative=())] = _NONE,
    seed: int | None = None,
    default_mode: Literal["auto", "inline", "thread", "process"] | None = None,
    max_threads: int | None = None,
    max_processes: int | None = None,
    quantum: float | None = None,
) -> int:
    """Run a target and print its value.

    Args:
        target: MODULE:NAME or FILE.py:NAME of a lazy result, of a list of them, or of a task or function that returns
            one. Modules are searched in the current directory first.
        arguments: What the task or function is called with, or --NAME VALUE for a param. TARGET --help lists them.
        param: NAME=VALUE, for each param of the target without a default, or with another value than its default.
        json: Print the value as JSON.
        log: Write events on standard error: "text" for people, "json" for programs, one event per line.
        verbose: Print a failure as a traceback, and log every node (text).
        quiet: Show no progress, and nothing else but failures.
        dry_run: Print what would be run, instead of running it.
        virtual: Run in virtual time: waiting takes no real time.
        engine: MODULE:NAME of an engine, or of a function that returns one, with its resources and settings.
        limit: NAME=AMOUNT, or NAME=RATE such as tokens=90_000/m, for each limit that calls have as a constraint.
        seed: The seed of the jitter of retries.
        default_mode: Where sync tasks without a mode run.
        max_threads: The maximum number of worker threads.
        max_processes: The maximum number of worker processes.
        quantum: Seconds for which one run may keep the event loop; 0: yield at every step.
    """
    settings = {
        "limits": _amounts(limit) or None,
        "seed": seed,
        "default_mode": default_mode,
        "max_threads": max_threads,
        "max_processes": max_processes,
        "quantum": quantum,
        "virtual": virtual or None,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    if engine is not None and given:
        option = next(iter(given)).replace("_", "-")
        raise UsageError(f"--engine cannot be combined with settings of a new engine, got --{option}")
    try:
        pairs = _pairs(param, "--param", "NAME=VALUE")
        found, params = make_target(target, arguments, pairs, options=_options())
        runs_on = _new(given) if engine is None else _find_engine(engine)
    except UsageError:
        raise
    except Exception as error:  # raised by the user's module
        report(error, "cascade", verbose=verbose)
        return FAILED
    if dry_run:
        return rehearse(found, params, engine=runs_on, program="cascade", json=json, verbose=verbose)
    return execute(
        found, params, engine=runs_on, program="cascade", log=log, json=json, verbose=verbose, quiet=quiet,
        owns_process=True,
    )  # fmt: skip


def _pairs(texts: tuple[str, ...], option: str, form: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    problems = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            problems.append(f"{option} must be {form}, got {text!r}")
        elif name in pairs:
            problems.append(f"{option} must be given once for {name!r}, got it again as {text!r}")
        else:
            pairs[name] = value
    if problems:
        raise UsageError("\n".join(problems))
    return pairs


def _amounts(texts: tuple[str, ...]) -> dict[str, float | str]:
    amounts: dict[str, float | str] = {}
    problems = []
    for name, text in _pairs(texts, "--limit", "NAME=AMOUNT").items():
        try:
            amounts[name] = text if "/" in text else int(text) if text.isdecimal() else float(text)
        except ValueError:
            problems.append(f"--limit must be a number, or a rate such as 90_000/m, for {name!r}, got {text!r}")
    if problems:
        raise UsageError("\n".join(problems))
    return amounts


def _new(settings: dict[str, Any]) -> Engine:
    if settings.pop("virtual", False):
        settings["clock"] = Clock.virtual(seed=settings.get("seed", 0))
    try:
        return Engine(**settings)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from None


def _find_engine(text: str) -> Engine:
    found = find(text)
    if callable(found) and not isinstance(found, type):
        found = found()
    if not isinstance(found, Engine):
        raise UsageError(f"{text} must be an engine or a function that returns one, got `{type(found).__name__}`")
    return found


def _options() -> list[str]:
    """Return the options of the command."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return [option_name(one.name) for one in inspect.signature(run).parameters.values() if one.kind is kind]
