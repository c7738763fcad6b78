"""`cascade explain`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

import cascade as cs
from cascade.command_line.status import FAILED, UsageError, report, write
from cascade.command_line.target import find_target

__all__ = ["explain"]


def explain(
    target: str,
    /,
    *,
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative=())] = False,
) -> int:
    """Print the template of a target: its nodes with operands and priorities. Nothing is run.

    Args:
        target: MODULE:NAME of a lazy result, of a list of them, or of a task or function that needs no arguments. The
            current directory is searched first.
        verbose: Print a failure as a traceback.
    """
    try:
        text = cs.explain(find_target(target))
    except UsageError:
        raise
    except Exception as error:
        report(error, "cascade", verbose=verbose)
        return FAILED
    return write(text.rstrip("\n") + "\n")
