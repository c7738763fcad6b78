"""Equal calls at the same time: one runs, the others wait for its result."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from cascade.cache.making import Making
from cascade.cache.protocol import CachePolicy

__all__ = ["Flights", "Landed", "Lead", "Needs"]


class Landed(msgspec.Struct, frozen=True):
    """What who waited gets.

    Attributes:
        value: the result of the call that led.
    """

    value: Any


class Needs(msgspec.Struct, frozen=True):
    """What a result depends on that is known only when it has been made; kept under the key of the call.

    The result itself is kept under a second key, in which that has come in.

    Attributes:
        resources: their names.
        inputs: the specs of params and of variables of the environment.
    """

    resources: tuple[str, ...]
    inputs: tuple[Any, ...]


class _Flight:
    """Calls with one key: the one that leads and those that wait, in the order in which they came."""

    __slots__ = ("place", "waiting")

    def __init__(self, place: object) -> None:
        self.place = place  # kept: its id is part of the flight's name
        self.waiting: deque[asyncio.Future[Lead | Landed]] = deque()


class Lead:
    """The right, and the duty, to make the call. To end it, call `done` or `failed`, or leave the ``with`` block.

    Later calls of either do nothing. Left without `done`, the block ends with `failed`.

    Attributes:
        making: what else is to be told if the call has failed; None: nothing.
        needs: what the expression that the call has given asks for beside the arguments; None: nothing.
    """

    __slots__ = ("_flights", "_name", "making", "needs")

    def __init__(self, flights: Flights, name: tuple[int, bytes]) -> None:
        self._flights: Flights | None = flights
        self._name = name
        self.making: Making | None = None
        self.needs: Needs | None = None

    def ask(self, resources: Iterable[str], inputs: Iterable[Any]) -> None:
        """An expression is about to be evaluated on the way to the result, and asks for these."""
        known = self.needs or Needs((), ())
        names = dict.fromkeys([*known.resources, *resources])
        specs = [*known.inputs, *(spec for spec in inputs if spec not in known.inputs)]
        self.needs = Needs(tuple(sorted(names)), tuple(specs))

    def done(self, value: Any) -> None:
        """The call has given a result: all who wait get it, unless they may have been given other resources."""
        if self.needs is not None:
            self.failed()
            return
        if (flights := self._flights) is not None:
            self._flights = None
            flights._land(self._name, value)

    def failed(self) -> None:
        """The call has failed or was cancelled: the one that waits longest leads the next."""
        if self.making is not None:
            self.making.failed()  # which does nothing after its end
        if (flights := self._flights) is not None:
            self._flights = None
            flights._pass_on(self._name)

    def __enter__(self) -> Lead:
        return self

    def __exit__(self, *exc: object) -> None:
        self.failed()


class Flights:
    """The calls of one engine that are under way, by key. Belongs to one event loop's thread.

    Whoever leads must look the result up again before it makes the call: it may have led by the failure of another, or
    have joined after the call that filled the cache.

    >>> from cascade.cache.policy import ResultCache
    >>> policy, flights = ResultCache(), Flights()
    >>> lead = flights.try_join(policy, b"key")
    >>> flights.try_join(policy, b"key") is None
    True
    >>> lead.done(42)
    >>> len(flights)
    0
    """

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: dict[tuple[int, bytes], _Flight] = {}

    def try_join(self, policy: CachePolicy, key: bytes) -> Lead | None:
        """Return the lead, or None if an equal call is under way: `join` then waits for it."""
        place = getattr(policy, "place", policy)
        name = id(place), key
        if name in self._flights:
            return None
        self._flights[name] = _Flight(place)
        return Lead(self, name)

    async def join(self, policy: CachePolicy, key: bytes) -> Lead | Landed:
        """Return the lead, at once or after calls that failed; or the result of a call that was under way.

        Args:
            policy: whose key it is. Keys of policies with different stores are never equal.
            key: what it gave for the call.
        """
        lead = self.try_join(policy, key)
        if lead is not None:
            return lead
        waiting = self._flights[id(getattr(policy, "place", policy)), key].waiting
        future: asyncio.Future[Lead | Landed] = asyncio.get_running_loop().create_future()
        waiting.append(future)
        try:
            return await future
        except BaseException:
            # It may have been cancelled just as it was given the lead.
            if future.done() and not future.cancelled() and isinstance(given := future.result(), Lead):
                given.failed()
            elif future in waiting:
                waiting.remove(future)
            raise

    def _land(self, name: tuple[int, bytes], value: Any) -> None:
        landed = Landed(value)
        for future in self._flights.pop(name).waiting:
            if _is_awaited(future):
                future.set_result(landed)

    def _pass_on(self, name: tuple[int, bytes]) -> None:
        waiting = self._flights[name].waiting
        while waiting:
            future = waiting.popleft()
            if _is_awaited(future):
                future.set_result(Lead(self, name))
                return
        del self._flights[name]

    def __len__(self) -> int:
        """How many keys have a call under way."""
        return len(self._flights)


def _is_awaited(future: asyncio.Future[Any]) -> bool:
    """Whether somebody still waits: nobody does in a loop that was closed."""
    return not future.done() and not future.get_loop().is_closed()
