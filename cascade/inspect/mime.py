"""Pictures as notebooks take them: Mermaid, and SVG if the program `dot` of Graphviz is installed.

All is bounded: a cell must not hang because its value is a huge graph.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol

from cascade._support.failures import describe
from cascade._support.notebooks import PLAIN, Types, asks_for

__all__ = ["MARKDOWN", "MERMAID", "NODES", "SVG", "picture_bundle", "svg", "too_many"]

MERMAID = "text/vnd.mermaid"
MARKDOWN = "text/markdown"
SVG = "image/svg+xml"

NODES = 200  # of a larger graph no picture is shown: nobody can read it
LONGEST = 50_000  # characters of Mermaid, which is what Mermaid itself takes
LONGEST_SVG = 2_000_000
SECONDS = 3.0  # that `dot` may take


class Drawing(Protocol):
    """A picture: its source texts."""

    @property
    def mermaid(self) -> str:
        """The text for Mermaid."""

    @property
    def dot(self) -> str:
        """The text for Graphviz."""


def picture_bundle(
    text: Callable[[], str], draw: Callable[[], Drawing | str], include: Types, exclude: Types
) -> dict[str, str]:
    """Return what an object that has a picture shows in a notebook, by MIME type.

    Markdown with the text for Mermaid is a part of it only if there is no SVG: some front ends prefer it to SVG and
    cannot draw Mermaid.

    Args:
        text: makes the text of the object.
        draw: makes the picture, or a text that says why there is none. It is called only if a picture is asked for.
        include: the types that are asked for; None, or empty: all.
        exclude: the types that are not; None: none.
    """
    made: dict[str, str] = {}
    note = ""
    if any(asks_for(kind, include, exclude) for kind in (MERMAID, MARKDOWN, SVG)) and not _shows_text_only():
        try:
            drawn = draw()
        except Exception as error:  # a cell shows its value, whatever a user's object does
            drawn = f"no picture: {describe(error)}"
        if not isinstance(drawn, str) and len(drawn.mermaid) > LONGEST:
            drawn = f"no picture: its text of {len(drawn.mermaid):,} characters is too long for a notebook"
        if isinstance(drawn, str):
            note = f"\n({drawn})"
        else:
            image = svg(drawn.dot) if asks_for(SVG, include, exclude) else None
            if image is not None:
                made[SVG] = image
            if asks_for(MERMAID, include, exclude):
                made[MERMAID] = drawn.mermaid
            if image is None and asks_for(MARKDOWN, include, exclude):
                made[MARKDOWN] = f"```mermaid\n{drawn.mermaid}\n```"
    if asks_for(PLAIN, include, exclude):
        made[PLAIN] = text() + note
    return made


def too_many(nodes: int) -> str | None:
    """Return the text that says that a graph has too many nodes for a picture; None: it has not."""
    if nodes <= NODES:
        return None
    return f"no picture: {nodes:,} nodes, at most {NODES} are drawn in a notebook; see cs.explain and cs.visualize"


def svg(dot: str) -> str | None:
    """Return the SVG that Graphviz makes of a text; None: it is not installed, fails, or takes too long.

    Args:
        dot: the text for Graphviz.
    """
    import shutil
    import subprocess

    program = shutil.which("dot")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-Tsvg"],
            input=dot.encode(errors="replace"),
            capture_output=True,
            timeout=SECONDS,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except Exception:  # also under a virtual clock, which refuses processes
        return None
    image = done.stdout.decode(errors="replace")
    return image if done.returncode == 0 and "<svg" in image and len(image) <= LONGEST_SVG else None


def _shows_text_only() -> bool:
    """Whether this is IPython in a terminal, which asks for all types and shows the text."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    types = getattr(getattr(shell, "display_formatter", None), "active_types", None)
    return types is not None and SVG not in types
