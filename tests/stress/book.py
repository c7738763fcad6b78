"""The account of a round: each message, what became of it, and what else went wrong."""

from __future__ import annotations

import asyncio
import itertools
import traceback
from collections import Counter
from collections.abc import Iterable

import cascade as cs


class Told(Exception):
    """A failure that a scene was told to have."""


# What a run or an action may fail with when others close, cancel and fill as they like.
ALLOWED = (
    Told,
    asyncio.CancelledError,
    cs.ChannelClosedError,
    cs.ChannelFullError,
    cs.DeadlockError,
    cs.EngineClosedError,
    cs.EngineStateError,
    cs.TaskSkippedError,
    cs.TaskTimeoutError,
    cs.VirtualTimeError,
)


class Message:
    """Something that is sent, once."""

    __slots__ = ("__weakref__", "number", "value")

    def __init__(self, number: int, value: object) -> None:
        self.number = number
        self.value = value  # dropped with it


class Book:
    """What happened to each message.

    An entry is one call that the interpreter lock makes atomic, as destructors and threads write at any time.

    Attributes:
        excused: how many messages may be missing, for they had become values of runs that were stopped.
        cuts: whether an event loop ends while engines are at work on it, and cuts off teardowns that await.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._sent: list[tuple[int, cs.Channel]] = []
        self._unsure: list[int] = []
        self._refused: list[int] = []
        self._taken: list[int] = []
        self._put_back: list[int] = []
        self._problems: list[str] = []
        self.excused: list[int] = []
        self.cuts = False

    # --- messages

    def new(self, value: object = None) -> Message:
        return Message(next(self._numbers), value)

    def sent(self, message: int, channel: cs.Channel) -> None:
        self._sent.append((message, channel))

    def unsure(self, message: int) -> None:
        self._unsure.append(message)

    def refused(self, message: int) -> None:
        self._refused.append(message)

    def take(self, message: Message) -> None:
        self._taken.append(message.number)

    def put_back(self, message: Message) -> None:
        self._put_back.append(message.number)

    # --- problems

    def note(self, what: str, error: BaseException | None = None) -> None:
        """Note a problem; or none, if the error is one that may happen."""
        if error is None:
            self._problems.append(what)
        elif not allowed(error, cuts=self.cuts):
            self.fail(what, error)

    def fail(self, what: str, error: BaseException) -> None:
        """Note an error, whatever it is."""
        self._problems.append(f"{what}: {''.join(traceback.format_exception(error))}")

    def close(self, channels: Iterable[cs.Channel]) -> list[str]:
        """The round is over, and the channels are empty: return what is wrong."""
        taken = Counter(self._taken)
        taken.subtract(self._put_back)
        problems = [*self._problems]
        for message, times in taken.items():
            if times not in (0, 1):
                problems.append(f"message {message} was received {times} times")
        received = +taken
        if wrong := set(self._refused) & set(received):
            problems.append(f"{len(wrong)} messages were received that had been refused: {sorted(wrong)[:10]}")
        sent = {message for message, _ in self._sent}
        if wrong := set(received) - sent - set(self._unsure):
            problems.append(f"{len(wrong)} messages were received that had not been sent: {sorted(wrong)[:10]}")
        missing = sent - set(received)
        dropped = sum(channel.dropped for channel in channels)
        if len(missing) > dropped + sum(self.excused):
            problems.append(
                f"{len(missing)} of {len(sent)} messages are missing, {dropped} were dropped, and runs that were "
                f"stopped may have had {sum(self.excused)}: {sorted(missing)[:10]}"
            )
        if dropped > len(missing) + len(set(self._unsure) - set(received)):
            problems.append(f"{dropped} messages count as dropped, but only {len(missing)} are missing")
        return problems


def allowed(error: BaseException, *, cuts: bool = False) -> bool:
    """Whether it is, or is made of nothing but, what may happen; ``cuts``: also to teardowns."""
    if isinstance(error, BaseExceptionGroup):
        return all(allowed(each, cuts=cuts) for each in error.exceptions)
    return isinstance(error, ALLOWED) or (cuts and _is_cut(error))


def _is_cut(error: BaseException) -> bool:
    """Whether a teardown was cut off: asyncio cancels what is left on a loop that ends, and closes its generators."""
    if isinstance(error, cs.ResourceError):
        return "was cancelled" in str(error)
    return isinstance(error, RuntimeError) and "asynchronous generator is already running" in str(error)
