"""One round: engines, channels and threads that are used at once, while values end everywhere and act as they end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import itertools
import logging
import queue
import random
import sys
import threading
from collections.abc import Iterator
from typing import Any

import actions
import endings
from book import Book
from scenes import HELD, SCENES, Scene, drop, failing, many, mapped, resources

import cascade as cs
from cascade.events import Event

DEEP = 4  # ends of values that act inside of one another
FUEL = 80  # actions for each step of a round
STEPS = 12
MODES = ("error", "block", "drop_oldest", "drop_newest")


class World:
    """What a round has, and the source of its chance.

    Args:
        seed: any text.
        without: names of actions that are left out.

    Attributes:
        strict: whether each message must be accounted for: no run that receives is stopped. Else those that runs may
            have held as they were stopped are excused.
    """

    def __init__(self, seed: str, without: frozenset[str] = frozenset()) -> None:
        self.random = random.Random(seed)
        self.strict = self.chance(0.4)
        self.virtual = self.chance(0.4)
        self.book = Book()
        self.over = False
        self.forking = False
        self.used = itertools.count()  # actions so far
        self.fuel = FUEL  # and how many there may be
        self.made = itertools.count()
        self.gone = itertools.count()
        self.threads = [] if self.virtual else [Helper(self) for _ in range(2)]
        self.thread = threading.get_ident()
        self.inside = threading.local()  # how deep
        self.channels = [self._channel(mode) for mode in MODES for _ in range(2)]
        self.closed: list[cs.Channel] = []
        self.blocking = dict.fromkeys(channel for channel in self.channels if channel in self.blocked)
        self.engines: list[cs.Engine] = []
        self.runs: list[cs.Run] = []
        self.watched: list[tuple[cs.Run, int]] = []  # with the number of messages that each may hold when it is stopped
        self.listeners: list[cs.Run] = []  # runs that receive, where each message counts
        self.populations: list[cs.Population] = []
        self.tasks = dict[asyncio.Task[None], None]()
        self.attending = False  # new tasks are taken
        self.loop: asyncio.AbstractEventLoop | None = None
        left_out = without | ({"cancel_run"} if self.strict else set())
        self.actions = [each for each in actions.ACTIONS if each.__name__ not in left_out]
        self.scenes = [each for each in SCENES if not self.strict or each not in (many, mapped, failing)]

    # --- chance

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def below(self, stop: int) -> int:
        return self.random.randrange(stop)

    def choose(self, among: Any) -> Any:
        return self.random.choice(among)

    def a_span(self) -> float:
        return self.random.choice([0, 0, 0.00001, 0.0005, 0.002])

    def a_timeout(self) -> float | None:
        return self.random.choice([None, 0, 0.0005, 0.01])

    # --- values

    def a_value(self) -> object:
        """One that does something when it goes."""
        if self.over or self.chance(0.3):
            return None
        next(self.made)
        value = self.choose(endings.KINDS)(self.end)
        return drop(value, [drop(value)]) if self.chance(0.05) else value

    def an_iterator(self) -> Iterator[int]:
        next(self.made)
        return endings.iterator(self.end)

    def end(self) -> None:
        """A value goes."""
        next(self.gone)
        self.act()

    def act(self) -> None:
        """Do anything, wherever this is called from."""
        depth = getattr(self.inside, "depth", 0)
        if self.over or depth >= DEEP:
            return
        self.inside.depth = depth + 1
        try:
            for _ in range(self.random.choice([1, 1, 2, 4])):
                if next(self.used) < self.fuel:
                    action = self.choose(self.actions)
                    try:
                        action(self)
                    except BaseException as error:
                        self.book.note(f"{action.__name__} failed", error)
        finally:
            self.inside.depth = depth

    # --- channels

    blocked: set[cs.Channel]

    def _channel(self, mode: str) -> cs.Channel:
        channel = cs.Channel(capacity=self.choose([1, 3, 50]), overflow=mode)
        self.__dict__.setdefault("blocked", set())
        if mode == "block":
            self.blocked.add(channel)
        return channel

    def a_channel(self) -> cs.Channel:
        return self.choose(self.channels)

    def a_select(self) -> cs.LazyResult:
        return cs.select([self.a_channel() for _ in range(3)], timeout=self.a_timeout())

    def replace(self, channel: cs.Channel) -> None:
        """It was closed: have a new one of its kind in its place."""
        for place, each in enumerate(self.channels):
            if each is channel:
                self.closed.append(channel)
                self.channels[place] = self._channel(MODES[place // 2])

    def a_lazy_send(self) -> cs.LazyResult | None:
        """A message on its way into a channel that blocks."""
        channel = self.channels[MODES.index("block") * 2 + self.below(2)]
        message = self.book.new(self.a_value())
        self.book.unsure(message.number)
        try:
            return channel.send(message)
        except cs.ChannelClosedError:
            return None

    # --- runs

    def start(self, scene: Scene) -> cs.Run | None:
        engine = self.choose(self.engines)
        if len(engine.runs) > 40:
            return None
        run = engine.start(scene(self))
        self.watch(run, scene)
        if self.chance(0.3) and not (self.strict and scene in HELD):
            self.runs.append(run)
        return run

    def watch(self, run: cs.Run, scene: Scene) -> None:
        if self.strict and scene in HELD:
            self.listeners.append(run)
        if not self.strict or self.chance(0.3):  # else nobody but the engine has it
            self.watched.append((run, HELD.get(scene, 0)))

    def in_thread(self) -> bool:
        return threading.get_ident() == self.thread

    # --- a round

    def new_engine(self, clock: cs.Clock) -> cs.Engine:
        engine = cs.Engine(
            quantum=self.choose([0, 0.00001, 0.001]),
            clock=clock,
            seed=self.below(1000),
            limits={"slots": 1},
            max_threads=2,
            templates=cs.Templates() if self.chance(0.5) else None,
        )
        for resource in resources(self):
            engine.register(resource)
        if self.chance(0.3):
            engine.events.subscribe(Event, self.hear)
        return engine

    def hear(self, _event: Event) -> None:
        if self.chance(0.02):
            self.act()

    async def drive(self, engines: list[cs.Engine], *, leave: bool) -> None:
        """Use engines, and close them, or have the event loop closed under them."""
        self.engines = engines
        self.attending = True
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._unhandled)
        async with contextlib.AsyncExitStack() as stack:
            if leave:
                for engine in engines:
                    await stack.enter_async_context(engine)
            for _ in range(STEPS):
                self.fuel += FUEL
                for _ in range(self.below(4)):
                    self.start(self.choose(self.scenes))
                self.act()
                await asyncio.sleep(self.choose([0, 0, 0, 0.0005, 0.003]))
                if self.chance(0.5) and self.runs:
                    self.choose(self.runs).cancel()
            self.attending = False
            for task in [*self.tasks]:
                task.cancel()
            if self.tasks:
                await asyncio.wait([*self.tasks])
            if self.strict and leave:
                await self._end_listeners()
        if leave:
            for engine in engines:
                await engine.aclose()

    async def _end_listeners(self) -> None:
        """Have the runs that receive end by themselves: what one of them is about to look at would be lost with it."""
        while any(not run.done() for run in self.listeners):
            for channel in self.channels:
                channel.close()
            await asyncio.sleep(0.0005)

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context["message"] != "Task was destroyed but it is pending!":  # the event loop was closed under it
            self.book.note(context["message"], context.get("exception"))

    def loops(self) -> None:
        """Give the engines one event loop, or two of which the first ends while runs wait on it."""
        clock = cs.Clock.virtual(seed=self.below(100))  # which engines may share, as they may not a real one
        engines = [self.new_engine(clock if self.virtual else cs.Clock.real()) for _ in range(1 + self.below(2))]
        leaves = [False, True] if self.chance(0.3) and not self.strict else [True]
        self.book.cuts = len(leaves) > 1
        for leave in leaves:
            with asyncio.Runner(loop_factory=engines[0].new_loop) as runner:
                runner.run(self.drive(engines, leave=leave))

    def run(self) -> list[str]:
        """Return what went wrong."""
        with self._listening(), self._collecting():
            for thread in self.threads:
                thread.start()
            try:
                self.loops()
            except BaseException as error:
                self.book.fail("the event loop failed", error)
            for thread in self.threads:
                thread.stop()
            self._finish()
        return self.book.close([*self.channels, *self.closed])

    def unfinished(self) -> list[str]:
        """The runs that have not ended, and the tasks of an event loop that has not."""
        runs = [f"{run!r} has not ended" for engine in self.engines for run in engine.runs]
        if self.loop is None or self.loop.is_closed():
            return runs
        return [*runs, *(f"{task!r} has not ended" for task in asyncio.all_tasks(self.loop))]

    def _finish(self) -> None:
        self.over = True
        for what in self.unfinished():
            self.book.note(what)
        for run, held in self.watched:
            if not run.done():
                continue
            if run.state != "done" and not self.strict:
                self.book.excused.append(held)
            if run.state == "failed":
                try:
                    run.result()
                except BaseException as error:
                    self.book.note(f"{run!r} failed", error)
        for channel in [*self.channels, *self.closed]:
            while messages := channel.drain():
                for message in messages:
                    self.book.take(message)
        self.engines = []
        self.runs.clear()
        self.watched.clear()
        self.listeners.clear()
        self.populations.clear()
        self.tasks.clear()
        gc.collect()

    @contextlib.contextmanager
    def _collecting(self) -> Iterator[None]:
        """The garbage collector comes by all the time, or threads change all the time, or neither."""
        threshold, interval = gc.get_threshold(), sys.getswitchinterval()
        gc.set_threshold(*self.choose([threshold, (1, 2, 2), (1,), (7, 3, 3)]))
        sys.setswitchinterval(self.choose([interval, 1e-5]))
        try:
            yield
        finally:
            gc.set_threshold(*threshold)
            sys.setswitchinterval(interval)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Hear of errors that nobody can catch."""
        before, before_thread = sys.unraisablehook, threading.excepthook
        handler = _Handler(self.book)
        logger = logging.getLogger("cascade")
        logger.addHandler(handler)
        propagate, logger.propagate = logger.propagate, False
        sys.unraisablehook = lambda event: self.book.note(f"nobody caught, in {event.object!r}", event.exc_value)
        threading.excepthook = lambda event: self.book.note("a thread failed", event.exc_value)
        try:
            yield
        finally:
            sys.unraisablehook, threading.excepthook = before, before_thread
            logger.removeHandler(handler)
            logger.propagate = propagate


class _Handler(logging.Handler):
    def __init__(self, book: Book) -> None:
        super().__init__(logging.ERROR)
        self.book = book

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self.book.note(record.getMessage(), error)


class Helper:
    """A thread that calls what it is given, or just drops it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.queue = queue.SimpleQueue[object]()  # the only one that a destructor may put something into at any time
        self._thread = threading.Thread(target=self._main, daemon=True)
        self.start = self._thread.start

    def give(self, value: object) -> None:
        self.queue.put(value)

    def stop(self) -> None:
        self.queue.put(None)
        self._thread.join()

    def _main(self) -> None:
        while (value := self.queue.get()) is not None:
            if isinstance(value, functools.partial):
                value()
            value = None
