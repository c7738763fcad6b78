"""`cascade explain`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

import cascade as cs
from cascade.command_line.arguments import Given, TargetName, make_target
from cascade.command_line.status import FAILED, UsageError, report, write

__all__ = ["explain"]


def explain(
    target: TargetName,
    /,
    *arguments: Given,
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative=())] = False,
) -> int:
    """Print the template of a target: its nodes with operands and priorities. Nothing is run.

    Args:
        target: MODULE:NAME or FILE.py:NAME of a lazy result, of a list of them, or of a task or function that returns
            one. Modules are searched in the current directory first.
        arguments: What the task or function is called with, or --NAME VALUE for a param. TARGET --help lists them.
        verbose: Print a failure as a traceback.
    """
    try:
        text = cs.explain(make_target(target, arguments)[0])
    except UsageError:
        raise
    except Exception as error:
        report(error, "cascade", verbose=verbose)
        return FAILED
    return write(text.rstrip("\n") + "\n")
