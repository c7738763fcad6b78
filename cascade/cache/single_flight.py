"""Single flight: of equal calls at the same time one runs, and the others wait for its result.

A call that waits must not be needed for the result that it waits for: a task that polls may come back to its own call,
and two cached tasks may need each other. Such a call does not wait; it runs as if it had no cache, so that no cache
changes what a program means. To see it, the needs are followed backwards, from the call that is about to wait: a result
is needed by what it is evaluated for and by the calls that wait for it, and a run by the calls that await it. If that
leads to the result that is about to be waited for, it is a cycle.

Nothing is recorded for this but which calls lead, and where they are; the rest is found when a call is about to wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count, pairwise
from typing import Any, Protocol, TypeAlias

import msgspec

from cascade.cache.pending_result import PendingResult
from cascade.cache.protocol import CachePolicy

__all__ = ["Awaits", "Leader", "Needs", "SharedResult", "SingleFlight", "Waiter"]


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


class Waiter(Protocol):
    """A call of a run, as the core knows it, until its outcome is taken."""

    @property
    def run(self) -> Any:
        """The run; None: the outcome was taken."""


class Awaits(Protocol):
    """Which calls await runs."""

    calls: dict[Any, Any]

    def calls_awaiting(self, run: Any) -> Iterable[Waiter]:
        """Return the calls whose code awaits a run."""


class NoAwaits:
    """No call awaits a run."""

    def __init__(self) -> None:
        self.calls: dict[Any, Any] = {}

    def calls_awaiting(self, run: Any) -> Iterable[Waiter]:
        """Return no call."""
        return ()


class _Waiting:
    """A call that waits for the result of an equal one."""

    __slots__ = ("around", "backward", "future")

    def __init__(self, future: asyncio.Future[_Joined], around: Position, backward: bool) -> None:
        self.future = future
        self.around = around
        self.backward = backward


class _Flight:
    """The calls of one key: the leader, and those that wait, in order of arrival."""

    __slots__ = ("leader", "place", "waiting")

    def __init__(self, place: object) -> None:
        self.place = place  # referenced, as its id is part of the name of the flight
        self.leader: Leader | None = None
        self.waiting: deque[_Waiting] = deque()


class Leader:
    """The call of a key that runs. It must end with `done` or `failed`, or by leaving its ``with`` block.

    Further calls of either do nothing. Leaving the block without `done` is `failed`.

    Attributes:
        number: leaders have ascending ones.
        name: of the flight.
        place: where the call is, once something may be evaluated for it; see `SingleFlight.mark`.
        around: the leader, or else the run, for which the call is evaluated; None: nothing has asked for it yet.
        pending: the result as the cache policy follows it; None: the policy does not.
        needs: the inputs beside the arguments of an expression that the call has returned; None: there are none.
    """

    __slots__ = ("_flights", "around", "name", "needs", "number", "pending", "place")

    def __init__(self, flights: SingleFlight, name: tuple[int, bytes], number: int) -> None:
        self._flights: SingleFlight | None = flights
        self.number = number
        self.name = name
        self.place: Place | None = None
        self.around: Position = None
        self.pending: PendingResult | None = None
        self.needs: Needs | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it has a result, or has failed."""
        return self._flights is None

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
            flights.share(self, value)

    def failed(self) -> None:
        """End with a failure or cancellation: the call that has waited longest becomes the leader."""
        if self.pending is not None:
            self.pending.failed()  # does nothing if it has ended
        if (flights := self._flights) is not None:
            self._flights = None
            flights.pass_on(self)

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

    __slots__ = ("_backward", "_flights", "_marked", "_numbers", "_waiting")

    def __init__(self) -> None:
        self._flights: dict[tuple[int, bytes], _Flight] = {}
        self._marked: dict[int, dict[int, Leader]] = {}  # the leaders by place
        self._numbers = count()
        self._waiting = 0
        self._backward = 0  # calls that wait for a leader older than the one that they are evaluated for

    def try_join(self, policy: CachePolicy, key: bytes) -> Leader | None:
        """Return a leader, or None if an equal call is running: `join` waits for it."""
        kept_in = getattr(policy, "place", policy)
        name = id(kept_in), key
        if name in self._flights:
            return None
        flight = self._flights[name] = _Flight(kept_in)
        leader = flight.leader = Leader(self, name, next(self._numbers))
        return leader

    def mark(self, leader: Leader, place: Place) -> None:
        """Note where the call of a leader is, before anything is evaluated for it.

        Args:
            leader: the leader.
            place: the address of the call's frame, and the number of its node in the plan.
        """
        if leader.place is None and not leader.has_ended:
            leader.place = place
            self._marked.setdefault(place[0], {})[place[1]] = leader

    async def join(
        self, policy: CachePolicy, key: bytes, waiter: Waiter | None = None, awaits: Awaits | None = None
    ) -> _Joined:
        """Return a leader, at once or after other calls failed; or the result of the call that was running.

        Args:
            policy: the policy. Keys of policies with different stores are never equal.
            key: the key that the policy has returned for the call.
            waiter: of the call; None: no result needs it.
            awaits: which calls await runs; None: none do.

        Returns:
            None: the result of the running call needs this one. It cannot wait, and must run without the cache.
        """
        leader = self.try_join(policy, key)
        if leader is not None:
            return leader
        flight = self._flights[id(getattr(policy, "place", policy)), key]
        around, backward = None, False
        if waiter is not None and flight.leader is not None:
            around = self._position(waiter, itself=False)
            backward = type(around) is Leader and around.number >= flight.leader.number
            if self._is_needed_for(around, flight.leader, backward, awaits or NoAwaits()):
                return None
        future: asyncio.Future[_Joined] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(future, around, backward)
        flight.waiting.append(waiting)
        self._waiting += 1
        self._backward += backward
        try:
            return await future
        except BaseException:
            # It may have been cancelled in the turn in which it became the leader.
            if future.done() and not future.cancelled() and isinstance(given := future.result(), Leader):
                given.failed()
            elif waiting in flight.waiting:
                flight.waiting.remove(waiting)
            raise
        finally:
            self._waiting -= 1
            self._backward -= backward

    def release(self, waiter: Waiter, runs: Iterable[Any], awaits: Awaits) -> None:
        """Have calls run without the cache that wait, in some runs, for a result which needs these runs from now on.

        Args:
            waiter: of the call that awaits the runs from now on.
            runs: that have not ended.
            awaits: which calls await runs, this one included.
        """
        targets: set[Any] | None = None
        while self._waiting and waiter.run is not None:
            targets = targets or set(runs)
            for position, waiting in self._needing(self._position(waiter, itself=True), awaits):
                if waiting is not None and position in targets:
                    waiting.future.set_result(None)
                    break
            else:
                return

    def share(self, leader: Leader, value: Any) -> None:
        """Give the result to all calls that wait for it."""
        shared = SharedResult(value)
        if leader.place is not None:
            self._unmark(leader, leader.place)
        for waiting in self._flights.pop(leader.name).waiting:
            if _is_awaited(waiting.future):
                waiting.future.set_result(shared)

    def pass_on(self, leader: Leader) -> None:
        """Make the call that has waited longest the leader."""
        if leader.place is not None:
            self._unmark(leader, leader.place)
        flight = self._flights[leader.name]
        while flight.waiting:
            waiting = flight.waiting.popleft()
            if _is_awaited(waiting.future):
                flight.leader = Leader(self, leader.name, next(self._numbers))
                waiting.future.set_result(flight.leader)
                return
        del self._flights[leader.name]

    def __len__(self) -> int:
        """The number of keys with a running call."""
        return len(self._flights)

    # ------------------------------------------------------------------------------------------------------- cycles

    def _unmark(self, leader: Leader, place: Place) -> None:
        marks = self._marked.get(place[0], {})
        if marks.get(place[1]) is leader:
            del marks[place[1]]
            if not marks:
                del self._marked[place[0]]

    def _position(self, waiter: Waiter, *, itself: bool) -> Position:
        """Return the leader, or else the run, for which a call is evaluated; with `itself`, perhaps the call's own."""
        run = waiter.run
        found: list[Position] = run._around(waiter, self._marked, itself=itself) if self._marked else []  # noqa: SLF001
        for inner, outer in pairwise((*found, run)):
            if inner.around is None:
                inner.around = outer
        return found[0] if found else run

    def _is_needed_for(self, around: Position, leader: Leader, backward: bool, awaits: Awaits) -> bool:
        """Whether a call whose position is `around` is needed for the result of a leader."""
        # What is evaluated for a leader is led by younger ones. So a cycle has at least one call that waits for an
        # older one, or a call that awaits a run.
        if not awaits.calls and not backward and not (self._backward and type(around) is Leader):
            return False
        return any(position is leader for position, _ in self._needing(around, awaits))

    def _needing(self, position: Position, awaits: Awaits) -> Iterator[tuple[Position, _Waiting | None]]:
        """Yield a position and all that need it, each with the last call on the way that waits for an equal one."""
        seen = {position}
        stack: list[tuple[Position, _Waiting | None]] = [(position, None)]
        while stack:
            position, waiting = stack.pop()
            yield position, waiting
            found: list[tuple[Position, _Waiting | None]]
            if type(position) is Leader:
                found = [(position.around, waiting)]
                flight = self._flights.get(position.name)
                if flight is not None and flight.leader is position:
                    found += [(each.around, each) for each in flight.waiting if not each.future.done()]
            else:
                calls = [call for call in awaits.calls_awaiting(position) if call.run is not None]
                found = [(self._position(call, itself=True), waiting) for call in calls]
            for each in found:
                if each[0] is not None and each[0] not in seen:
                    seen.add(each[0])
                    stack.append(each)


Place: TypeAlias = tuple[int, int]
Position: TypeAlias = Any
"""A leader; or a run, for what is evaluated for no leader of it."""
_Joined: TypeAlias = Leader | SharedResult | None


def _is_awaited(future: asyncio.Future[Any]) -> bool:
    """Whether a future is still awaited: it is not once it is done or its loop is closed."""
    return not future.done() and not future.get_loop().is_closed()
