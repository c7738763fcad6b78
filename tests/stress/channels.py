"""Channels from any thread: eight threads send and receive, and every message is accounted for.

A trial has two channels of one overflow mode, four threads that send numbered messages and four that receive in every
way there is. Afterwards each message was received once, or dropped where the mode drops; and no receiver got the
messages of one sender out of order. Where receivers are cancelled, a message that is put back may come late: then there
are at most as many late ones as there were cancellations.
"""

from __future__ import annotations

import asyncio
import faulthandler
import random
import sys
import threading
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence

import cascade as cs

SENDERS, RECEIVERS = 4, 4
MODES = ("error", "block", "drop_oldest", "drop_newest")
PATIENCE = 60  # seconds without any message before a trial counts as hung
PAUSE = 0.00005  # seconds in which a sender lets the receivers go on
TURNS = 40  # messages that a thread sends or receives in one way before it chooses the next way

# A message is one number: the place in its sender's order, the channel, and the sender.
_CHANNEL, _NUMBER = 4, 8


def encode(sender: int, channel: int, number: int) -> int:
    return number << _NUMBER | channel << _CHANNEL | sender


class Trial:
    """Two channels, and what went in and came out."""

    def __init__(self, seed: str, mode: str, messages: int, *, cancelling: bool) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.mode = mode
        self.cancelling = cancelling
        self.capacity = self.random.choice([1, 2, 16, 1000] if mode != "error" else [8, 16, 1000, None])
        self.channels = [cs.Channel(capacity=self.capacity, overflow=mode) for _ in range(2)]
        self.quota = messages // SENDERS
        self.senders = [Sender(self, number) for number in range(SENDERS)]
        self.receivers = [Receiver(self, number) for number in range(RECEIVERS)]
        self.problems: list[str] = []

    def run(self) -> list[str]:
        """Return what went wrong."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(self.random.choice([1e-5, 1e-4]))
        try:
            receiving = [threading.Thread(target=self._safely, args=(each,)) for each in self.receivers]
            sending = [threading.Thread(target=self._safely, args=(each,)) for each in self.senders]
            for thread in [*receiving, *sending]:
                thread.start()
            self._await(sending)
            for channel in self.channels:
                channel.close()
            self._await(receiving)
        finally:
            sys.setswitchinterval(before)
        for channel in self.channels:
            self.receivers[0].got.extend(channel.drain())
        self._account()
        return self.problems

    def _safely(self, part: Sender | Receiver) -> None:
        try:
            asyncio.run(self._attended(part))
        except BaseException as error:
            self.problems.append(f"{type(part).__name__} {part.number} failed: {error!r}")
            for channel in self.channels:  # nobody must wait for it
                channel.close()

    async def _attended(self, part: Sender | Receiver) -> None:
        """Have an exception in a callback of the event loop noted too: nobody else would catch it."""
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: self.problems.append(f"{context['message']}: {context.get('exception')!r}")
        )
        await part.main()

    def is_full(self, channel: int) -> bool:
        return self.capacity is not None and len(self.channels[channel]) >= self.capacity

    def _await(self, threads: list[threading.Thread]) -> None:
        """Wait for the end of threads, as long as anything moves."""
        seen = -1
        for thread in threads:
            while thread.is_alive():
                moved = sum(each.number_sent for each in self.senders) + sum(len(each.got) for each in self.receivers)
                if moved != seen:
                    seen = moved
                    faulthandler.dump_traceback_later(PATIENCE, exit=True)
                thread.join(1)
        faulthandler.cancel_dump_traceback_later()

    def _account(self) -> None:
        sent = set[int]().union(*(each.sent for each in self.senders))
        unsure = set[int]().union(*(each.unsure for each in self.senders))
        received = set[int]()
        total = 0
        for receiver in self.receivers:
            received.update(receiver.got)
            total += len(receiver.got)
        if total != len(received):
            self._note(f"{total - len(received)} messages were received twice")
        if strange := received - sent - unsure:
            self._note(f"{len(strange)} messages were received that were not sent: {_shown(strange)}")
        missing, dropped = sent - received, sum(channel.dropped for channel in self.channels)
        if len(missing) != dropped:
            self._note(f"{len(missing)} messages are missing, and {dropped} were dropped: {_shown(missing)}")
        late = sum(each.late for each in self.receivers)
        may_be_late = sum(each.put_back for each in self.receivers)
        if late > may_be_late:
            self._note(f"{late} messages came after later ones of their sender, and {may_be_late} were put back")

    def _note(self, problem: str) -> None:
        what = f"overflow={self.mode!r}, capacity={self.capacity}, cancelling={self.cancelling}"
        self.problems.append(f"{problem} ({what})")


def _shown(messages: set[int]) -> str:
    return ", ".join(
        f"{each >> _NUMBER} of sender {each & 15} on channel {each >> _CHANNEL & 15}" for each in sorted(messages)[:5]
    )


class Sender:
    """A thread that sends."""

    def __init__(self, trial: Trial, number: int) -> None:
        self.trial = trial
        self.number = number
        self.random = random.Random(f"{trial.seed} sender {number}")
        self.sent = array("q")
        self.unsure = array("q")  # cancelled while they waited: sent or not
        self.next = [0, 0]  # for each channel

    @property
    def number_sent(self) -> int:
        return len(self.sent) + len(self.unsure)

    async def main(self) -> None:
        if self.trial.mode != "block":
            self.send_plainly()
            return
        async with cs.Engine(quantum=self.random.choice([0, 0.001])) as engine:
            ways: list[Callable[[cs.Engine, int], Awaitable[None]]] = [self.put, self.evaluate]
            if self.trial.cancelling:
                ways.append(self.put_cancelled)
            while self.number_sent < self.trial.quota:
                way = self.random.choice(ways)
                for _ in range(TURNS):
                    await way(engine, self.random.randrange(2))

    def send_plainly(self) -> None:
        for turn in range(self.trial.quota):
            channel = self.random.randrange(2)
            message = self.new(channel)
            while True:
                try:
                    self.trial.channels[channel].send(message)
                    break
                except cs.ChannelFullError:
                    time.sleep(PAUSE)
            self.sent.append(message)
            # Where the mode drops, most would be dropped if the receivers were not given time.
            if turn % TURNS == 0 or (self.trial.is_full(channel) and self.random.random() < 0.9):
                time.sleep(PAUSE)

    def new(self, channel: int) -> int:
        self.next[channel] += 1
        return encode(self.number, channel, self.next[channel])

    async def put(self, _engine: cs.Engine, channel: int) -> None:
        message = self.new(channel)
        await self.trial.channels[channel].put(message)
        self.sent.append(message)

    async def evaluate(self, engine: cs.Engine, channel: int) -> None:
        message = self.new(channel)
        await engine.run(self.trial.channels[channel].send(message))
        self.sent.append(message)

    async def put_cancelled(self, _engine: cs.Engine, channel: int) -> None:
        message = self.new(channel)
        putting = asyncio.ensure_future(self.trial.channels[channel].put(message))
        await _some_turns(self.random)
        putting.cancel()
        await asyncio.wait([putting])
        if putting.cancelled():
            self.unsure.append(message)
        else:
            putting.result()
            self.sent.append(message)


class Receiver:
    """A thread that receives until both channels are closed and empty."""

    def __init__(self, trial: Trial, number: int) -> None:
        self.trial = trial
        self.number = number
        self.random = random.Random(f"{trial.seed} receiver {number}")
        self.got = array("q")
        self.latest = dict[int, int]()  # by sender and channel
        self.late = 0
        self.put_back = 0  # messages that may come late

    async def main(self) -> None:
        ways: list[Callable[[cs.Engine, cs.Channel], Awaitable[object]]]
        ways = [self.receive, self.evaluate, self.agent, self.select, self.drain]
        if self.trial.cancelling:
            ways += [self.receive_cancelled, self.agent_cancelled, self.unreceive]
        over = set[int]()
        async with cs.Engine(quantum=self.random.choice([0, 0.001])) as engine:
            while len(over) < 2:
                way, place = self.random.choice(ways), self.random.randrange(2)
                try:
                    for _ in range(TURNS):
                        await way(engine, self.trial.channels[place])
                except cs.ChannelClosedError:
                    over.add(place)

    def take(self, message: int) -> None:
        self.got.append(message)
        line = message & (1 << _NUMBER) - 1
        if message < self.latest.get(line, -1):
            self.late += 1
        else:
            self.latest[line] = message

    def timeout(self) -> float:
        return self.random.choice([0, 0.00001, 0.0001, 0.001, 0.05])

    async def receive(self, _engine: cs.Engine, channel: cs.Channel) -> None:
        received = await channel.receive(timeout=self.timeout())
        if not received.timed_out:
            self.take(received.message)

    async def evaluate(self, engine: cs.Engine, channel: cs.Channel) -> None:
        received = await engine.run(channel.recv(timeout=self.timeout()))
        if not received.timed_out:
            self.take(received.message)

    async def select(self, engine: cs.Engine, _channel: cs.Channel) -> None:
        received = await engine.run(cs.select(self.trial.channels, timeout=self.timeout()))
        if not received.timed_out:
            if received.channel is not self.trial.channels[received.message >> _CHANNEL & 15]:
                self.trial.problems.append("select named the wrong channel")
            self.take(received.message)

    async def drain(self, _engine: cs.Engine, channel: cs.Channel) -> None:
        for message in channel.drain():
            self.take(message)
        if channel.closed:
            await self.receive(_engine, channel)
        else:
            await asyncio.sleep(0)

    def listen(self, channel: cs.Channel, turns: int) -> cs.LazyResult:
        return _listen(channel.recv(timeout=self.timeout()), self, channel, turns)

    async def agent(self, engine: cs.Engine, channel: cs.Channel) -> None:
        await engine.run(self.listen(channel, 20))

    # --- only where messages may come late

    async def receive_cancelled(self, _engine: cs.Engine, channel: cs.Channel) -> None:
        receiving = asyncio.ensure_future(channel.receive())
        await _some_turns(self.random)
        receiving.cancel()
        await asyncio.wait([receiving])
        if receiving.cancelled():
            self.put_back += 1
        else:
            self.take(receiving.result().message)

    async def agent_cancelled(self, engine: cs.Engine, channel: cs.Channel) -> None:
        run = engine.start(self.listen(channel, 1000))
        await _some_turns(self.random)
        self.put_back += 1
        run.cancel()
        await asyncio.wait([asyncio.ensure_future(_end(run))])
        if run.state == "failed":
            run.result()

    async def unreceive(self, _engine: cs.Engine, channel: cs.Channel) -> None:
        received = await channel.receive(timeout=self.timeout())
        if received.timed_out:
            return
        # What comes after it may be received meanwhile, by any of the others.
        self.put_back += 1
        channel.unreceive(received.message)


@cs.task(mode="inline")
def _listen(received: cs.Received, receiver: Receiver, channel: cs.Channel, turns: int) -> object:
    if not received.timed_out:
        receiver.take(received.message)
    return receiver.listen(channel, turns - 1) if turns else None


async def _end(run: cs.Run) -> None:
    try:
        await run
    except BaseException:  # its state is looked at
        return


async def _some_turns(chance: random.Random) -> None:
    for _ in range(chance.randrange(4)):
        await asyncio.sleep(chance.choice([0, 0, 0, 0.0001]))


def main(messages: int, seconds: float, seed: int, modes: Sequence[str] = MODES) -> int:
    """Run trials of all modes, one after another, for so many messages or so many seconds. Return 1 if any failed."""
    size = max(400, min(20_000, messages // (2 * len(modes))))
    end = time.monotonic() + seconds
    problems, done, trials = 0, 0, 0
    while done < messages and time.monotonic() < end:
        trial = Trial(f"{seed}.{trials}", modes[trials % len(modes)], size, cancelling=bool(trials // len(modes) % 2))
        for problem in trial.run():
            print(f"trial {trial.seed}: {problem}", flush=True)
            problems += 1
        done += sum(each.number_sent for each in trial.senders)
        trials += 1
    print(f"channels: {done:,} messages in {trials} trials; {problems} problems", flush=True)
    return 1 if problems else 0
