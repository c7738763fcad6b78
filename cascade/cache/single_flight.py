"""Single flight: of equal calls at the same time one runs, and the others wait for its result."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from cascade.cache.pending_result import PendingResult
from cascade.cache.protocol import CachePolicy

__all__ = ["Leader", "Needs", "SharedResult", "SingleFlight"]


class SharedResult(msgspec.Struct, frozen=True):
    """The result of the leader, for a call that has waited for it.

    Attributes:
        value: the result.
    """

    value: Any


class Needs(msgspec.Struct, frozen=True):
    """The inputs of a result that are known only once it has been computed. Stored under the key of the call.

    The result itself is stored under a second key, of which these inputs are a part.

    Attributes:
        resources: the names of resources.
        inputs: the specs of params and of environment variables.
    """

    resources: tuple[str, ...]
    inputs: tuple[Any, ...]


class _Flight:
    """The calls of one key: the leader, and those that wait, in order of arrival."""

    __slots__ = ("place", "waiting")

    def __init__(self, place: object) -> None:
        self.place = place  # referenced, as its id is part of the name of the flight
        self.waiting: deque[asyncio.Future[Leader | SharedResult]] = deque()


class Leader:
    """The call of a key that runs. It must end with `done` or `failed`, or by leaving its ``with`` block.

    Further calls of either do nothing. Leaving the block without `done` is `failed`.

    Attributes:
        pending: the result as the cache policy follows it; None: the policy does not.
        needs: the inputs beside the arguments of an expression that the call has returned; None: there are none.
    """

    __slots__ = ("_flights", "_name", "needs", "pending")

    def __init__(self, flights: SingleFlight, name: tuple[int, bytes]) -> None:
        self._flights: SingleFlight | None = flights
        self._name = name
        self.pending: PendingResult | None = None
        self.needs: Needs | None = None

    def ask(self, resources: Iterable[str], inputs: Iterable[Any]) -> None:
        """Add the inputs of an expression that is evaluated for the result."""
        known = self.needs or Needs((), ())
        names = dict.fromkeys([*known.resources, *resources])
        specs = [*known.inputs, *(spec for spec in inputs if spec not in known.inputs)]
        self.needs = Needs(tuple(sorted(names)), tuple(specs))

    def done(self, value: Any) -> None:
        """End with a result: the waiting calls share it, unless it depends on inputs that may differ for them."""
        if self.needs is not None:
            self.failed()
            return
        if (flights := self._flights) is not None:
            self._flights = None
            flights.share(self._name, value)

    def failed(self) -> None:
        """End with a failure or cancellation: the call that has waited longest becomes the leader."""
        if self.pending is not None:
            self.pending.failed()  # does nothing if it has ended
        if (flights := self._flights) is not None:
            self._flights = None
            flights.pass_on(self._name)

    def __enter__(self) -> Leader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.failed()


class SingleFlight:
    """The calls of one engine that are running, by key. It belongs to the thread of one event loop.

    A leader must look the result up again before it runs: it may lead after another call failed, or may have joined
    after the call that filled the cache.

    >>> from cascade.cache.policy import ResultCache
    >>> policy, flights = ResultCache(), SingleFlight()
    >>> leader = flights.try_join(policy, b"key")
    >>> flights.try_join(policy, b"key") is None
    True
    >>> leader.done(42)
    >>> len(flights)
    0
    """

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: dict[tuple[int, bytes], _Flight] = {}

    def try_join(self, policy: CachePolicy, key: bytes) -> Leader | None:
        """Return a leader, or None if an equal call is running: `join` waits for it."""
        place = getattr(policy, "place", policy)
        name = id(place), key
        if name in self._flights:
            return None
        self._flights[name] = _Flight(place)
        return Leader(self, name)

    async def join(self, policy: CachePolicy, key: bytes) -> Leader | SharedResult:
        """Return a leader, at once or after other calls failed; or the result of the call that was running.

        Args:
            policy: the policy. Keys of policies with different stores are never equal.
            key: the key that the policy has returned for the call.
        """
        leader = self.try_join(policy, key)
        if leader is not None:
            return leader
        waiting = self._flights[id(getattr(policy, "place", policy)), key].waiting
        future: asyncio.Future[Leader | SharedResult] = asyncio.get_running_loop().create_future()
        waiting.append(future)
        try:
            return await future
        except BaseException:
            # It may have been cancelled in the turn in which it became the leader.
            if future.done() and not future.cancelled() and isinstance(given := future.result(), Leader):
                given.failed()
            elif future in waiting:
                waiting.remove(future)
            raise

    def share(self, name: tuple[int, bytes], value: Any) -> None:
        """Give the result to all calls that wait for it."""
        shared = SharedResult(value)
        for future in self._flights.pop(name).waiting:
            if _is_awaited(future):
                future.set_result(shared)

    def pass_on(self, name: tuple[int, bytes]) -> None:
        """Make the call that has waited longest the leader."""
        waiting = self._flights[name].waiting
        while waiting:
            future = waiting.popleft()
            if _is_awaited(future):
                future.set_result(Leader(self, name))
                return
        del self._flights[name]

    def __len__(self) -> int:
        """The number of keys with a running call."""
        return len(self._flights)


def _is_awaited(future: asyncio.Future[Any]) -> bool:
    """Whether a future is still awaited: it is not once it is done or its loop is closed."""
    return not future.done() and not future.get_loop().is_closed()
