"""Debug mode: where lazy results were written, and which were dropped.

It is one switch for the process, so each test has a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PARTS = """
import asyncio, gc, pickle, sys, warnings
import cascade as cs

@cs.task(mode="inline")
def inverse(x):
    return 1 / x

@cs.task(mode="inline")
def total(numbers):
    return sum(numbers)

@cs.task(mode="inline")
def part(n):
    return total([inverse(n),
                  inverse(n - 1)])  # part

@cs.task
async def awaits():
    return await total([
        inverse(0)])  # awaits

@cs.task(mode="inline")
def loop(n):
    if n:
        return loop(n - 1)
    return total([inverse(0)])  # loop

def notes(target, **options):
    try:
        cs.run(target, **options)
    except ZeroDivisionError as error:
        return error.__notes__

def line(mark):
    with open(__file__) as file:
        return next(number for number, text in enumerate(file, 1) if text.rstrip().endswith("# " + mark))
"""


def run(tmp_path: Path, code: str, *options: str, debug: str = "1") -> list[str]:
    """Run code in a process of its own, and return the lines that it writes, warnings first."""
    path = tmp_path / "program.py"
    path.write_text(PARTS + code)
    environment = {**os.environ, "CASCADE_DEBUG": debug}
    command = [sys.executable, *options, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [*done.stderr.splitlines(), *done.stdout.splitlines()]


def test_errors_show_where_a_node_was_written(tmp_path: Path) -> None:
    code = """
def check(found, *marks):
    assert len(found) == len(marks), found
    for note, mark in zip(found, marks):
        assert f"({__file__}:{line(mark)})" in note, (note, mark)

check(notes(inverse(0)), "alone")  # alone
check(notes(part(1)), "part")
check(notes(total([total([part(1)])])), "part")
check(notes(loop(3)), "loop")
check(notes(awaits()), "awaits", "outside")  # outside
check(notes(total(inverse.map(x=[1, 0]))), "map")  # map
check(notes(cs.Router(1, {1: inverse(0)})), "route")  # route
check(notes(total({"a": [inverse(0)]}).after(inverse(1))), "dict")  # dict
check(notes(inverse(0).with_retry(2)), "retry")  # retry
check(notes(inverse.with_retry(2)(0)), "task")  # task
shared = inverse(0)  # shared
check(notes(total([total([shared]), shared])), "shared")
check(notes(pickle.loads(pickle.dumps(shared))), "pickled")  # pickled
check(notes([shared, inverse(1)]), "shared")
"""
    assert run(tmp_path, code) == []


def test_what_was_dropped_is_told_of(tmp_path: Path) -> None:
    code = """
inverse(1)  # 1
inverse(inverse(inverse(1)))  # 2
total([inverse(1), {"a": inverse(2)}])  # 3
policy = inverse(1).with_retry(2).after(inverse(2))  # 4
del policy

class Holder:
    def __init__(self, lazy):
        self.lazy = lazy

cs.run(total([1]).after(cs.gather(Holder(inverse(1)))))  # 5
for _ in range(3):
    inverse(1)  # 6
cs.Channel(capacity=1, overflow="block").send(1)  # 7
"""
    told = [text for text in run(tmp_path, code) if "RuntimeWarning" in text]
    path = str(tmp_path / "program.py")
    lines = {text.rstrip()[-1]: number for number, text in enumerate((PARTS + code).splitlines(), 1) if "  # " in text}
    assert [text.split(": RuntimeWarning: ")[0] for text in told] == [f"{path}:{lines[mark]}" for mark in "1234567"]
    assert "lazy result __main__.inverse(...) was dropped and never evaluated: return it" in told[0]
    assert "lazy result __main__.total(...)" in told[2]
    assert "lazy result cascade.send(...)" in told[6]


def test_what_was_used_is_not(tmp_path: Path) -> None:
    code = """
warnings.simplefilter("error")

def hook(unraisable):
    print("unraisable", unraisable.exc_value)

sys.unraisablehook = hook

cs.run(inverse(1))
cs.run([inverse(1), {"a": 1} and inverse(2)])
cs.run(total([inverse(1).with_retry(2).after(inverse(1)), inverse(3).run_if(True)]))
cs.run(cs.Router(1, {1: inverse(1), 2: inverse(2)}))  # a route that is not taken is a part of what was evaluated
cs.run(total(inverse.map(x=[1, 2], )))
cs.run(cs.scope(inverse(1)).with_retry(2))
cs.run(cs.gather(inverse(1), 2).with_timeout(60))
cs.run(cs.sequence([inverse(1), inverse(2), inverse(3)]))
pickle.dumps(inverse(1))
pickle.dumps(total([inverse(1)]))
cs.explain(inverse(1))
notes(total([inverse(0), inverse(1)]))

async def main():
    async with cs.Engine() as engine:
        run = engine.start(total([inverse(1)]))
        run.cancel()
        try:
            await run
        except asyncio.CancelledError:
            print("cancelled")

asyncio.run(main())

@cs.task(mode="inline")
def loop(n):
    return loop(total([inverse(n)]))

@cs.task
async def late():
    async with asyncio.timeout(0):
        await total([inverse(1)])

for target in loop(1), cs.gather(loop(1)):
    try:
        cs.run(target, max_iterations=0)
    except cs.RunLimitError:
        print("limited")
try:
    cs.run(late())
except TimeoutError:
    print("too late")
at_the_end = inverse(1)
"""
    assert run(tmp_path, code) == ["cancelled", "limited", "limited", "too late"]


def test_what_a_task_has_returned_too_late_was_not_dropped_by_it(tmp_path: Path) -> None:
    code = """
import threading

begun, go_on = threading.Event(), threading.Event()

@cs.task(mode="thread")
def slow(in_a_list):
    begun.set()
    go_on.wait(60)
    return [inverse(1), {"a": inverse(2)}] if in_a_list else inverse(3)

@cs.task
async def stubborn():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        return inverse(4)

async def main():
    async with cs.Engine() as engine:
        for in_a_list in False, True:
            run = engine.start(slow(in_a_list))
            await asyncio.to_thread(begun.wait)
            run.cancel()
            asyncio.get_running_loop().call_later(0, go_on.set)
            await asyncio.wait([run])
            begun.clear(), go_on.clear()
            print(await engine.run(cs.outcome(cs.lazy(slow(in_a_list)).with_timeout(0.01))))
            go_on.set()
            await asyncio.to_thread(begun.wait)
            begun.clear()
            await asyncio.get_running_loop().run_in_executor(None, int)
            go_on.clear()
        run = engine.start(stubborn())
        while run.state != "parked":
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.wait([run])
        print(run.state)

asyncio.run(main())
gc.collect()
"""
    found = run(tmp_path, code)
    assert not [line for line in found if "Warning" in line]
    assert found[-1] == "cancelled" and len([line for line in found if "TaskTimeoutError" in line]) == 2


def test_a_warning_that_is_an_error_goes_to_the_hook(tmp_path: Path) -> None:
    code = """
warnings.simplefilter("error")
sys.unraisablehook = lambda unraisable: print(type(unraisable.exc_value).__name__, unraisable.exc_value)
try:
    raise KeyError("kept")
except KeyError as error:
    inverse(1)
    assert sys.exc_info()[1] is error
"""
    (told,) = run(tmp_path, code)
    assert told.startswith("RuntimeWarning lazy result __main__.inverse(...)")


def test_an_engine_switches_it_on_for_the_process(tmp_path: Path) -> None:
    code = """
before = inverse(0)
before_that = cs.Engine()
assert notes(before)[0].startswith("task __main__.inverse at $, iteration")
assert before._site is None
engine = cs.Engine(debug=True)
after = inverse(0)  # after
assert after._site == (__file__, line("after"))
assert f":{line('after')}), iteration" in notes(after, engine=engine)[0]
assert f":{line('after')}), iteration" in notes(after, engine=cs.Engine())[0]
assert notes(before, engine=engine)[0].startswith("task __main__.inverse at $, iteration")
assert notes(after, engine=before_that)[0].startswith("task __main__.inverse at $, iteration")
inverse(3)
"""
    told = run(tmp_path, code, debug="")
    assert len([text for text in told if "RuntimeWarning" in text]) == 1


@pytest.mark.parametrize("debug", ["", "0"])
def test_without_it_nothing_is_remembered(tmp_path: Path, debug: str) -> None:
    code = """
lazy = inverse(1)
assert lazy._site is None
del lazy
inverse(1)
assert "(" not in notes(part(1))[0]
"""
    assert run(tmp_path, code, debug=debug) == []


def test_memory_is_given_back(tmp_path: Path) -> None:
    code = """
def work(n):
    for _ in range(n):
        cs.run(total([inverse(1), total([inverse(2), inverse.map(x=[1, 2, 3])[0] if False else 1])]))
        notes(part(1))
        lazy = 0
        for _ in range(50):
            lazy = total([lazy, inverse(lazy)])
        del lazy
    gc.collect()

warnings.simplefilter("ignore")
work(20)
before = sys.getallocatedblocks()
work(100)
after = sys.getallocatedblocks()
assert after - before < 200, after - before
"""
    assert run(tmp_path, code) == []


def test_deep_chains_are_freed_without_recursion(tmp_path: Path) -> None:
    code = """
lazy = 0
for _ in range(300_000):
    lazy = inverse(lazy)  # deep
del lazy
lists = 0
for _ in range(20_000):
    lists = total([lists])
del lists
"""
    told = [text for text in run(tmp_path, code) if "RuntimeWarning" in text]
    assert len(told) == 2
