"""Programs with tasks for worker processes: what these import of the main module, and what is said if they cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cascade as cs
from cascade.workers.executors import ProcessExecutor
from support.paths import HOME

TASK = """
import cascade as cs

@cs.task(mode="process")
def double(n: int) -> int:
    return 2 * n
"""
RUN = "print(cs.run(double(21)))"
GUARD = 'if __name__ == "__main__":'


def program(code: str, directory: Path) -> str:
    """What a script prints; warnings are errors."""
    (directory / "program.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HOME), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def test_a_program_with_a_guard(tmp_path: Path) -> None:
    assert program(f"{TASK}\n{GUARD}\n    {RUN}\n", tmp_path) == "42\n"


def test_the_error_of_a_program_without_a_main_guard_says_what_is_missing(tmp_path: Path) -> None:
    printed = program(f"{TASK}\n{RUN}\n", tmp_path)
    assert "a worker process died with exit code 1 while task __main__.double(int) was running" in printed
    assert "start runs under `if __name__ == '__main__':` there" in printed


@pytest.mark.parametrize("what", ["task", "argument"])
def test_what_is_defined_under_the_guard_cannot_be_found(what: str, tmp_path: Path) -> None:
    hidden = TASK if what == "task" else "class Number(int): ..."
    code = [] if what == "task" else [TASK]
    code += [GUARD, *(f"    {line}" for line in hidden.splitlines())]
    code += ["    " + (RUN if what == "task" else "print(cs.run(double(Number(21))))")]
    printed = program("\n".join(code) + "\n", tmp_path)
    assert "AttributeError" in printed and "__mp_main__" in printed
    assert "define tasks and classes at the top level, or in a module" in printed


@cs.task(mode="process")
def take(value: object) -> None: ...


@cs.task(mode="process")
def leave(code: int) -> None:
    os._exit(code)


class _Missing:
    """Unpickling it looks for a name that is nowhere."""

    def __reduce__(self) -> tuple[object, ...]:
        return getattr, (cs.Clock, "no_such_name")


def test_nothing_is_said_of_guards_where_another_name_is_missing() -> None:
    executor = ProcessExecutor(1)
    try:
        error = executor.submit(take, (_Missing(),), {}).exception(60)
        assert executor.submit(take, (1,), {}).result(60) is None
        assert isinstance(error, AttributeError) and not hasattr(error, "__notes__")
        dead = executor.submit(leave, (1,), {}).exception(60)  # it had ended a call before: so it had started
        assert "exit code 1" in str(dead) and "__main__" not in str(dead)
        dead = executor.submit(leave, (3,), {}).exception(60)
        assert "exit code 3" in str(dead) and "__main__" not in str(dead)
    finally:
        executor.close()
