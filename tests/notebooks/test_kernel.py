"""Notebooks in a real kernel: what cells show, real and virtual time, interrupts, engines over many cells."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

from support.notebooks import BEGUN, Cell, execute
from support.paths import TESTS

# A kernel is another process, with modules and warnings of its own.
pytestmark = pytest.mark.filterwarnings("default")

TASKS = """
import asyncio, threading
import cascade as cs

@cs.task(mode="inline")
def add(a, b): return a + b

@cs.task(mode="inline")
def hours(left, _=0.0): return hours(left - 1, cs.wait(3600)) if left else "done"

@cs.task(mode="inline")
def forever(n=0): return forever(n + 1)
"""

# The test is told that the event loop waits, or looks for something to do, by a thread that looks at the main one.
IDLE = f"""
import sys, time
ends, main = [], threading.get_ident()

def watch():
    while sys._current_frames()[main].f_code.co_name != "select": time.sleep(0.001)
    print({BEGUN!r}, flush=True)

def tell_when_idle(): threading.Thread(target=watch, daemon=True).start()

@cs.task
async def sleeps():
    tell_when_idle()
    try: await asyncio.sleep(3600)
    finally: ends.append("ended")
"""

AGAIN = "await engine.run(add(1, 2)), await cs.arun(hours(24), engine=virtual), await cs.arun(add(3, 4))"


def values(cells: list[Cell]) -> list[str | None]:
    """The text of the value of each cell; of one that has failed, its error."""
    return [cell.error or cell.data.get("text/plain") for cell in cells]


def test_what_cells_show(tmp_path: Path) -> None:
    cells = execute(
        tmp_path,
        TASKS,
        "add(1, add(2, 3))",
        "cs.visualize(add(1, 2))",
        "engine = cs.Engine(); run = engine.start(add(1, 2), name='<b>sum'); run",
        "engine.start_many(add(n, 1) for n in range(3))",
        "engine",
        "engine.templates.lookup(add(1, 2))",
        "cs.dry_run(add(1, 2))",
        "x = add(0, 0)\nfor n in range(300): x = add(x, n)\nx",
        "[add(1, 2)]",
        "await run",
    )
    assert [cell.error for cell in cells] == [None] * 11
    _, lazy, picture, run, population, engine, template, report, large, listed, value = (cell.data for cell in cells)
    pictures = {"text/plain", "text/vnd.mermaid"}
    pictures.add("text/markdown" if shutil.which("dot") is None else "image/svg+xml")
    assert set(lazy) == set(picture) == set(template) == pictures
    assert lazy["text/plain"] == "<LazyResult add(1, b=<LazyResult add(2, 3)>)>".replace("b=", "")
    assert lazy["text/vnd.mermaid"].startswith("flowchart TD")
    assert set(run) == set(population) == set(engine) == {"text/plain", "text/html"}
    assert "<th>name</th><td>&lt;b&gt;sum</td>" in run["text/html"]
    assert "<th>members</th><td>3</td>" in population["text/html"]
    assert "no problems" in report["text/plain"] or "surely" in report["text/plain"]
    assert set(large) == {"text/plain"}
    assert "301 nodes, at most 200" in large["text/plain"]
    assert listed["text/plain"] == "[<LazyResult add(1, 2)>]"
    assert value["text/plain"] == "3"


def test_runs_in_cells(tmp_path: Path) -> None:
    cells = execute(
        tmp_path,
        TASKS,
        "await cs.arun(add(1, add(2, 3)))",
        "virtual = cs.Engine(clock=cs.Clock.virtual())\nawait cs.arun(hours(24), engine=virtual), virtual.clock.time()",
        # The loop of the kernel goes on meanwhile: a task waits for what it does.
        "seen = threading.Event()\nasyncio.get_running_loop().call_soon(seen.set)\n"
        "await cs.arun(cs.task(lambda: seen.wait())(), engine=virtual)",
        # A run that goes on beside the cells, and is awaited in a later one.
        "engine = cs.Engine()\nchannel = cs.Channel()\nbeside = engine.start(channel.recv())",
        "before = beside.state\nchannel.send('hello')\nbefore",
        "(await beside).message, await engine.run(add(1, 1)), await cs.arun(add(2, 2), engine=engine)",
        "cs.run(add(1, 2))",
        "cs.run(add(1, 2), engine=virtual)",
        "await add(1, 2)",
        "engine.close()",
        "await engine.aclose()\nawait cs.arun(add(1, 2), engine=engine)",
        # In a thread of its own a cell that is not async may use `cs.run`.
        "import concurrent.futures as futures\n"
        "with futures.ThreadPoolExecutor() as pool: got = pool.submit(cs.run, hours(24), engine=virtual).result()\ngot",
        "await cs.arun(cs.task(lambda: print('printed in virtual time'))(), engine=virtual)",
    )
    assert values(cells) == [
        None, "6", "('done', 86400.0)", "True", None, "'parked'", "('hello', 2, 4)", "EngineStateError",
        "EngineStateError", "EngineStateError", "EngineStateError", "EngineClosedError", "'done'", None,
    ]  # fmt: skip
    assert "write `await cs.arun(target)` instead of cs.run" in cells[7].message
    assert "write `await cs.arun(target, engine=engine)` instead of cs.run" in cells[8].message
    assert "write `await cs.arun(...)`" in cells[9].message
    assert "`await aclose()`" in cells[10].message
    assert cells[13].printed == "printed in virtual time\n"


def test_interrupted_cells_leave_the_engines_usable(tmp_path: Path) -> None:
    works = [
        "tell_when_idle(); await engine.run(forever())",
        "tell_when_idle(); await engine.start_many([forever(), forever()])",
        "tell_when_idle(); await cs.arun(forever())",
        "tell_when_idle(); await cs.arun(forever(), engine=virtual)",
        "tell_when_idle(); await cs.arun(cs.Channel().recv())",
        "tell_when_idle(); await cs.arun(cs.Channel().recv(), engine=engine)",
        "await cs.arun(sleeps(), engine=engine)",
        "await cs.arun(sleeps())",
    ]
    cells = execute(
        tmp_path,
        f"{TASKS}\n{IDLE}",
        "engine, virtual = cs.Engine(), cs.Engine(clock=cs.Clock.virtual())",
        *(cell for work in works for cell in (work, "engine.runs, virtual.runs, ends", AGAIN)),
        "await engine.aclose(); await cs.arun(add(1, 2), engine=engine)",
    )
    for number, work in enumerate(works):
        interrupted, left, again = cells[2 + 3 * number : 5 + 3 * number]
        assert interrupted.error in ("CancelledError", "KeyboardInterrupt"), f"{work}: {interrupted}"
        ended = ["ended"] * sum("sleeps" in each for each in works[: number + 1])
        assert values([left, again]) == [f"((), (), {ended})", "(3, 'done', 7)"], work
    assert cells[-1].error == "EngineClosedError"


def test_an_interrupt_of_a_blocking_cell_leaves_its_runs(tmp_path: Path) -> None:
    """A cell that is not async blocks the event loop, and so the runs beside it: they go on after the interrupt."""
    cells = execute(
        tmp_path,
        TASKS,
        "engine = cs.Engine()\nbeside = engine.start(forever())",
        f"import time\nprint({BEGUN!r}, flush=True)\ntime.sleep(3600)",
        "beside.state in ('ready', 'parked'), await engine.run(add(1, 2))",
        "beside.cancel()\nawait engine.join()\nbeside.state",
    )
    assert values(cells)[2:] == ["KeyboardInterrupt", "(True, 3)", "'cancelled'"]


def test_modules_that_are_loaded_again(tmp_path: Path) -> None:
    """With autoreload: a task reached through its module is the new one, and one imported by name is the old one."""
    module = "import cascade as cs\n@cs.task\ndef step(n): return {}\n"
    write = "from pathlib import Path\nimport os\ndef write(text, at):\n    Path('steps.py').write_text(text)\n"
    cells = execute(
        tmp_path,
        f"{write}    os.utime('steps.py', (at, at))",
        "%load_ext autoreload\n%autoreload 2",
        f"write({module.format('n + 1')!r}, 1_000_000_000)\nimport sys\nsys.path.insert(0, '.')",
        "import steps\nfrom steps import step\nimport cascade as cs",
        "engine = cs.Engine()\nold = steps.step(1)\nawait engine.run(steps.step(1))",
        f"write({module.format('n * 100')!r}, 1_000_000_100)",
        "await engine.run([steps.step(1), step(1), old])",
        "await engine.run(steps.step(2)), engine.templates.stats.builds",
    )
    assert [cell.error for cell in cells] == [None] * 8
    assert values(cells)[4:] == ["2", None, "[100, 2, 2]", "(200, 2)"]


def test_the_page_on_notebooks_is_one(tmp_path: Path) -> None:
    page = (TESTS.parent / "docs" / "guide" / "notebooks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    cells = execute(tmp_path, *blocks)
    assert len(blocks) >= 6
    assert [(block, cell) for block, cell in zip(blocks, cells, strict=True) if cell.error] == []
