"""Real input and output while time is virtual: an error that names the task."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from support.tasks import keep


@cs.task
async def connect() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


@cs.task
async def spawn() -> None:
    await asyncio.create_subprocess_exec("true")


@cs.task
def connect_now() -> None:
    with socket.socket() as opened:
        opened.connect(("127.0.0.1", 9))


@cs.task
def spawn_now() -> None:
    subprocess.run(["true"], check=False)


@cs.task
def fork_now() -> None:
    process, terminal = os.forkpty()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)
    os.close(terminal)


@cs.task
def become_another() -> None:
    os.execv("/nowhere/at/all", ["all"])


targets = [connect(), spawn(), connect_now(), spawn_now(), become_another()]
if hasattr(os, "forkpty"):
    targets.append(fork_now())


@pytest.mark.parametrize("target", targets)
def test_real_input_and_output_is_an_error_that_names_the_task(virtual: VirtualTime, target: cs.LazyResult) -> None:
    with pytest.raises(cs.VirtualTimeError) as raised:
        virtual.run(target)
    assert target.task.name in raised.value.__notes__[0]


@cs.task
def sleep_now() -> None:
    time.sleep(0.001)


@cs.task
def start_thread() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="Python does not tell of it")
def test_sleeping_is_an_error_where_python_tells_of_it(virtual: VirtualTime) -> None:
    with pytest.raises(cs.VirtualTimeError, match=r"cascade\.wait"):
        virtual.run(sleep_now())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python does not tell of it")
def test_starting_a_thread_is_an_error_where_python_tells_of_it(virtual: VirtualTime) -> None:
    with pytest.raises(cs.VirtualTimeError, match="a thread cannot be started"):
        virtual.run(start_thread())


def test_the_border_is_open_outside(virtual: VirtualTime) -> None:
    virtual.run(keep(1))
    assert subprocess.run(["true"], check=False).returncode == 0
