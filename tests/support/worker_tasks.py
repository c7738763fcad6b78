"""Tasks that worker processes can find."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import cascade as cs


@cs.task
def pid() -> int:
    return os.getpid()


@cs.task
def double(number: int) -> int:
    return 2 * number


@cs.task
def hold(begun: str, gate: str) -> str:
    """Until there is a file, or the directory in which it would be is gone."""
    Path(begun).write_text(str(os.getpid()))
    while not Path(gate).exists() and Path(gate).parent.exists():
        time.sleep(0.002)
    return "held"


@cs.task
def die() -> None:
    os._exit(3)


@cs.task
def nested(number: int) -> list[int]:
    """In processes of its own, which nothing closes."""
    engine = cs.Engine(max_processes=1, default_mode="process")
    value: list[int] = cs.run(double.map(number=range(number)), engine=engine)
    return value


@cs.task
def start_thread() -> int:
    """Its process does not exit by itself: Python waits for the thread."""
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return os.getpid()


@cs.task
def fork(how: str) -> str:
    """Return in a fork of the process, too; or raise there."""
    if child := os.fork():
        return f"parent of a child with exit code {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}"
    if how == "raise":
        raise SystemExit(3)
    return "child"


class Slow:
    """Is unpickled only when its gate is open."""

    gates: ClassVar[dict[str, threading.Event]] = {}
    begun: ClassVar[set[str]] = set()  # the gates at which something waits

    def __init__(self, gate: str) -> None:
        self.gate = gate

    def __reduce__(self) -> Any:
        return load_slowly, (self.gate,)


def load_slowly(gate: str) -> Slow:
    Slow.begun.add(gate)
    assert Slow.gates[gate].wait(60)
    return Slow(gate)


class SlowError(Exception):
    def __reduce__(self) -> Any:
        return load_error, ("error",)


def load_error(gate: str) -> SlowError:
    if gate in Slow.gates:  # not in the worker, which tries it out
        load_slowly(gate)
    return SlowError()


@cs.task
def slow(gate: str) -> Slow:
    if gate == "error":
        raise SlowError
    return Slow(gate)
