"""Worker processes: they end with their parent, and a fork of one makes no calls."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cascade.workers.executors import ProcessExecutor
from support.paths import TESTS
from support.worker_tasks import fork
from unit.workers.test_thread_pool import PATIENCE, until


@pytest.mark.posix_only
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize(("how", "code"), [("return", 0), ("raise", 3)])
def test_a_task_that_forks_its_process_returns_once(how: str, code: int) -> None:
    executor = ProcessExecutor(1)
    for _ in range(3):
        future = executor.submit(fork, (how,), {})
        assert future.result(PATIENCE) == f"parent of a child with exit code {code}"
    executor.close()


ORPHANS = """
    import sys
    sys.path.insert(0, {tests!r})
    import cascade as cs
    from support.worker_tasks import hold

    if __name__ == "__main__":
        cs.run(hold(*sys.argv[1:]), engine=cs.Engine(default_mode="process"))
"""


@pytest.mark.posix_only
def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    program = tmp_path / "orphans.py"
    program.write_text(textwrap.dedent(ORPHANS.format(tests=str(TESTS))))
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    started = subprocess.Popen([sys.executable, program, begun, gate], stdout=subprocess.PIPE)
    try:
        until(lambda: begun.exists() and begun.read_text() != "")
        started.kill()
        started.communicate(timeout=PATIENCE)  # until no process has its standard output, the worker included
    finally:
        gate.touch()
