"""The application `cascade`: reads a command line and runs the command that it names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cascade as cs
from cascade.command_line.status import DONE, FAILED, USAGE, UsageError, finish, print_problems, report, write
from cascade.extras import need

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["build", "main", "read"]

_TAKE_ARGUMENTS = ("run", "explain", "visualize")
"""The commands for which `--help` after a target lists the arguments of the target."""
_HELP = ("--help", "-h")


def build() -> App:
    """Return the command line application.

    Raises:
        MissingExtraError: the extra `cli` is not installed.
    """
    need("cyclopts", "cli", "the command line")
    need("rich", "cli", "the command line")
    from cyclopts import App

    from cascade.command_line.explain import explain
    from cascade.command_line.fireflies import fireflies
    from cascade.command_line.run import run
    from cascade.command_line.templates import app as templates
    from cascade.command_line.visualize import visualize

    app = App(name="cascade", help="Declarative, recursive task graphs at the speed of a loop.", version=cs.__version__)
    commands: tuple[Callable[..., Any], ...] = (run, explain, visualize, fireflies)
    for command in commands:
        app.command(command)
    app.command(templates)
    if hasattr(app, "install_completion"):  # not in the first versions of cyclopts 4
        app.command(_install_completion, name="--install-completion")
    return app


def _install_completion(
    *, shell: Literal["bash", "zsh", "fish", "powershell"] | None = None, output: Path | None = None
) -> int:
    """Install completion for a shell: of commands, options and targets.

    Args:
        shell: By default, the shell in which this is called.
        output: The file to write, instead of that in which the shell looks for it.
    """
    from cyclopts.completion import ShellDetectionError

    try:
        written = build().install_completion(shell=shell, output=output)
    except ShellDetectionError as error:
        raise UsageError(f"--shell must be given, as the shell cannot be found out: {error}") from None
    except OSError as error:
        print_problems(str(error))
        return FAILED
    return write(f"Completion was installed in {written}. Start a new shell to use it.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, and return the exit status.

    Args:
        arguments: the arguments of the command; None: those of this process.

    Returns:
        0: done; 1: failed; 2: an argument is missing or wrong, with an error on standard error; 130: stopped by Ctrl-C.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    return finish(lambda: _main(given), "cascade")


def _main(arguments: list[str]) -> int:
    app = build()
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if arguments and arguments[0] in _TAKE_ARGUMENTS and any(flag in options for flag in _HELP):
        target = _target(app, [each for each in arguments if each not in _HELP])
        if target is not None:
            return _help(target, arguments[0])
    return read(app, arguments)


def _target(app: App, arguments: list[str]) -> str | None:
    """Return the target that a command line names; None: it names none."""
    from cyclopts import CycloptsError

    try:
        bound = app.parse_known_args(arguments)[1]
    except CycloptsError:
        return None
    return bound.arguments.get("target")


def _help(target: str, command: str) -> int:
    """Print the arguments of a target."""
    from cascade.command_line.arguments import print_help

    try:
        print_help(target, command)
    except UsageError:
        raise
    except Exception as error:  # raised by the user's module
        report(error, "cascade", verbose=False)
        return FAILED
    return DONE


def read(app: App, arguments: list[str]) -> int:
    """Run the command that a command line names, and return its exit status."""
    from cyclopts import CycloptsError

    try:
        status = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return USAGE  # already printed, with the usage
    return status if isinstance(status, int) else DONE
