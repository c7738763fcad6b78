"""Notebooks that are executed in a real kernel of Jupyter."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from support.paths import HOME, TESTS

__all__ = ["BEGUN", "Cell", "execute"]

BEGUN = "this cell may be interrupted now"
SECONDS = 120  # that a cell may take on a busy machine


class Cell:
    """What a cell has shown.

    Attributes:
        printed: what it has printed.
        data: what its value has shown, by MIME type.
        error: the name of the exception that it has raised; None: none.
        message: the message of that exception.
    """

    def __init__(self, outputs: Sequence[Any]) -> None:
        self.printed = "".join(each["text"] for each in outputs if each["output_type"] == "stream")
        self.data: dict[str, str] = {}
        self.error: str | None = None
        self.message = ""
        for each in outputs:
            if each["output_type"] in ("execute_result", "display_data"):
                self.data |= each["data"]
            elif each["output_type"] == "error":
                self.error, self.message = each["ename"], each["evalue"]

    def __repr__(self) -> str:
        return f"<Cell: printed {self.printed!r}, data {self.data!r}, error {self.error!r} {self.message!r}>"


class _Client(NotebookClient):  # type: ignore[misc]
    """Interrupts the kernel when a cell prints `BEGUN`."""

    interrupts: list[asyncio.Task[None]]

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "stream" and BEGUN in msg["content"]["text"]:
            self.interrupts.append(asyncio.ensure_future(self.km.interrupt_kernel()))
        return super().process_message(msg, cell, cell_index)


def execute(folder: Path, *cells: str) -> list[Cell]:
    """Execute the cells of a notebook one after another in a kernel of its own, whatever they raise.

    Args:
        folder: the directory of the notebook, an empty one: nothing of the user's own settings is used.
        cells: the code of each.
    """
    return asyncio.run(_execute(folder, cells))


async def _execute(folder: Path, cells: Sequence[str]) -> list[Cell]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = _Client(
        notebook, kernel_name="python3", timeout=SECONDS, allow_errors=True, resources={"metadata": {"path": folder}}
    )
    client.interrupts = []
    settings = {name: str(folder / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR")}
    path = os.pathsep.join([str(HOME), str(TESTS), os.environ.get("PYTHONPATH", "")])
    await client.async_execute(env={**os.environ, **settings, "PYTHONPATH": path})
    await asyncio.gather(*client.interrupts)
    return [Cell(cell["outputs"]) for cell in notebook["cells"]]
