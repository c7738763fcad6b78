"""Engines that are collected in the worst of ways: the interpreter survives it, and no message comes back spoilt.

Whatever keeps the finalizer of an engine from its end, the collector clears the runs afterwards, in any order. Each
test has an interpreter of its own, which may crash, and whose allocator shows it if memory is used that was freed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

Program = Callable[[str], str]

PARTS = """
    import asyncio, gc, os, sys
    import cascade as cs

    channel = cs.Channel()

    @cs.task
    async def forever(*args):
        await asyncio.sleep(3600)  # its event loop holds it, and with it the engine, until that is closed

    @cs.task(mode="inline")
    def keep(*args):
        return args

    def run(main):
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: None)  # tasks that are destroyed with their loop
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()

    async def settle():
        for _ in range(5):
            await asyncio.sleep(0)

    async def lose(*more):
        # One run that waits for all there is, and one that a message was delivered to that it will never look at.
        engine = cs.Engine()
        for target in (keep(engine, forever(1), forever(2), cs.wait(3600), *more), keep(engine, channel.recv())):
            engine.start(target)
        await settle()

    async def lose_many():
        # Without messages: their waiters are found by the collector in any order.
        for _ in range(10):
            engine = cs.Engine()
            engine.start(keep(engine, forever(1), forever(2), cs.wait(3600)))
            await settle()
        gc.collect()  # their loop holds them
        await settle()
"""


@pytest.fixture
def program(interpreter: Callable[..., str]) -> Program:
    """Run code after `PARTS`, with the allocator that looks for what is wrong, and give what it prints, errors too."""

    def run(code: str) -> str:
        parts = textwrap.dedent(PARTS) + "\nos.dup2(1, 2)\n"
        return interpreter(parts + textwrap.dedent(code), PYTHONMALLOC="debug", PYTHONFAULTHANDLER="1")

    return run


STARTS = """
    class Starts:
        def __init__(self, engine):
            self.engine, self.me = engine, self  # in a cycle of its own: both are found at once

        def __del__(self):
            waits = [channel.recv()] if {messages} else []
            try:
                self.engine.start(keep(self.engine, forever(1), forever(2), cs.wait(100), *waits))
                outcomes.append("started")
            except cs.EngineClosedError:
                outcomes.append("refused")

    outcomes = []

    async def main():
        for _ in range(20):
            engine = cs.Engine()
            engine.start(keep(Starts(engine), cs.wait(3600)))
            await settle()
            del engine
        for _ in range(3):
            gc.collect()
            await settle()

    gc.disable()
    run(main())
    for number in range(20):
        channel.send([number])
    for _ in range(3):
        gc.collect()
    print(len(outcomes), channel.drain() == [[number] for number in range(20)])
"""


@pytest.mark.parametrize("messages", [False, True])
def test_a_destructor_starts_a_run_on_the_engine_that_is_collected_with_it(messages: bool, program: Program) -> None:
    assert program(STARTS.format(messages=messages)).splitlines()[-1] == "20 True"


REVIVED = """
    saved = []

    class Saves:
        def __init__(self, engine):
            self.engine, self.me = engine, self

        def __del__(self):
            saved.append(self.engine)

    async def first():
        engine = cs.Engine()
        engine.start(keep(Saves(engine), cs.wait(3600)))
        await settle()

    async def second():
        engine = saved.pop()
        for _ in range(10):
            try:
                engine.start(keep(engine, forever(1), forever(2), cs.wait(100)))
            except cs.EngineClosedError as error:
                print(error)
        await settle()
        del engine
        gc.collect()

    run(first())
    gc.collect()
    run(second())
    gc.collect()
    print(len(saved))
"""


def test_an_engine_that_a_finalizer_revives_is_closed(program: Program) -> None:
    """Python finalizes it no more, so nothing would detach what it started."""
    said = program(REVIVED).splitlines()
    assert said.count("the engine is closed") == 10
    assert said[-1] == "0"


RECURSION = """
    import logging

    class Listen(logging.Handler):
        def emit(self, record):
            logged.append(record.getMessage())

    told, logged = [], []
    sys.unraisablehook = told.append  # in C, as the one that Python has: it takes no room
    logging.getLogger("cascade").addHandler(Listen())

    def deep(frames, function):
        return deep(frames - 1, function) if frames else function()

    sys.setrecursionlimit(300)
    gc.disable()
    most = 300
    while most:
        try:
            deep(most, gc.isenabled)
            break
        except RecursionError:
            most -= 1
    cut = False
    for room in range(60):
        run(lose_many())
        deep(most - room, gc.collect)
        gc.collect()
        run(lose())
        channel.send([room])
        told.clear()
        logged.clear()
        deep(most - room, gc.collect)
        reports = logged + [str(failure.exc_value) for failure in told]
        assert room < 5 or any(text.startswith("an engine was dropped") for text in reports), (room, reports)
        cut |= any(failure.exc_type is RecursionError for failure in told)
        gc.collect()
        back = channel.drain()
        assert back == [[room]] or (back == [] and room < 20), (room, back)
    print("cut short" if cut else "never cut short")
"""


def test_a_finalizer_that_has_no_room_on_the_stack(program: Program) -> None:
    """A collection near the limit of recursion, at every distance from it.

    Its report is lost only if nothing can be called.
    """
    assert program(RECURSION).splitlines()[-1] == "cut short"


INTERRUPTED = """
    from cascade.engine.loop_binding import LoopBinding

    def interrupt_at(event):
        left = event

        def trace(frame, kind, argument):
            nonlocal left
            inside = frame
            while inside is not None and inside.f_code is not LoopBinding.__del__.__code__:
                inside = inside.f_back
            if inside is None:
                return None
            if not left:
                raise KeyboardInterrupt
            left -= 1
            return trace

        sys.settrace(trace)

    told = []
    sys.unraisablehook = lambda failure: told.append(failure.exc_type.__name__)
    gc.disable()
    events = 0
    while len(told) == events:
        run(lose())
        channel.send([events])
        interrupt_at(events)
        gc.collect()
        sys.settrace(None)
        gc.collect()
        assert channel.drain() in ([[events]], []), events
        events += 1
    print(set(told), events > 20)
"""


def test_a_finalizer_that_is_interrupted_anywhere(program: Program) -> None:
    """Ctrl-C in its first line, in its second..."""
    assert program(INTERRUPTED).splitlines()[-1] == "{'KeyboardInterrupt'} True"


EXIT = """
    loop = asyncio.new_event_loop()
    gc.disable()
    for _ in range(10):
        loop.run_until_complete(lose())
    channel.send("to a run that will never look")
    if {closed}:
        loop.close()
        del loop
    print("end")
"""


@pytest.mark.parametrize("closed", [False, True])
def test_an_engine_that_is_found_only_as_the_interpreter_ends(closed: bool, program: Program) -> None:
    """By then nothing can be imported any more. asyncio tells of its own tasks, we of nothing."""
    said = program(EXIT.format(closed=closed)).splitlines()
    own = [line for line in said if not line.startswith(("Task was destroyed", "task: <Task pending"))]
    assert own == ["end"]
