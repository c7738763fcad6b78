"""`cascade visualize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import cascade as cs
from cascade.command_line.arguments import Given, TargetName, make_target
from cascade.command_line.status import DONE, FAILED, UsageError, report, write

__all__ = ["visualize"]


def visualize(
    target: TargetName,
    /,
    *arguments: Given,
    format: Literal["mermaid", "dot"] = "mermaid",  # noqa: A002 - the option `--format`
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), negative=())] = None,
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative=())] = False,
) -> int:
    """Print a picture of a target as text for Mermaid or Graphviz. Nothing is run.

    Args:
        target: MODULE:NAME or FILE.py:NAME of a lazy result, of a list of them, or of a task or function that returns
            one. Modules are searched in the current directory first.
        arguments: What the task or function is called with, or --NAME VALUE for a param. TARGET --help lists them.
        format: The language: "mermaid" (Markdown pages show it) or "dot" (Graphviz).
        output: Write the picture to this file instead.
        verbose: Print a failure as a traceback.
    """
    try:
        picture = cs.visualize(make_target(target, arguments)[0])
        text = (picture.mermaid if format == "mermaid" else picture.dot).rstrip("\n")
        if output is not None:
            output.write_text(f"{text}\n", encoding="utf-8")
            return DONE
    except UsageError:
        raise
    except Exception as error:
        report(error, "cascade", verbose=verbose)
        return FAILED
    return write(f"{text}\n")
