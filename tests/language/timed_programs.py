"""Random expressions whose tasks take time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import strategies as st

from language.timed import (
    Bang,
    Boom,
    Fallback,
    Gather,
    Inline,
    Map,
    Node,
    Outcome,
    Pause,
    Race,
    Recover,
    Scope,
    Work,
)
from language.timed_inside import Inside


def _is_boom(error: Exception) -> bool:
    return type(error) is Boom


_WORDS = "work call call inline pause gather map recover fallback outcome race scope then inside"
_words = st.sampled_from(_WORDS.split())
_PRIMES = [number for number in range(2, 3000) if all(number % i for i in range(2, math.isqrt(number) + 1))]
_errors = st.sampled_from([None, None, Boom, Bang])
_caught = st.sampled_from([Exception, Exception, Boom, (Boom, TimeoutError), _is_boom])


class Drawing:
    """Draws the parts of one expression.

    Args:
        draw: of hypothesis.
        sharing: nodes may be reached more than once, and no cleanup takes time or fails. (What is stopped because of
            one failure that several nodes catch is awaited by all of them.)
        calm: no cleanup fails.
    """

    def __init__(self, draw: st.DrawFn, sharing: bool, calm: bool = False) -> None:
        self._draw = draw
        self._calm = calm
        self._sharing = sharing
        self._numbers: Iterator[int] = itertools.count()
        self._nodes: list[Node] = []

    def _seconds(self, most: int) -> float:
        """A duration: no two sums of different ones are equal, as their fractions are those of roots of primes."""
        return round(self._draw(st.integers(1, most)) + math.sqrt(_PRIMES[next(self._numbers)]) % 1, 9)

    def _work(self, inputs: tuple[Node, ...] = (), then: Node | None = None) -> Work:
        cleanup, wrong = 0.0, None
        if not self._sharing and self._draw(st.booleans()):
            cleanup = self._seconds(3)
            wrong = None if self._calm else self._draw(_errors)
        return Work(
            f"t{next(self._numbers)}",
            self._seconds(8),
            inputs,
            self._draw(_errors),
            cleanup,
            wrong,
            self._draw(st.integers(0, 5)) == 0,
            then,
        )

    def _pick(self) -> Node:
        """A node made before: where none is shared, one that nothing has taken."""
        if not self._nodes:
            return self._work()
        place = self._draw(st.integers(0, len(self._nodes) - 1))
        return self._nodes[place] if self._sharing else self._nodes.pop(place)

    def _several(self, least: int = 0) -> tuple[Node, ...]:
        picked = [self._pick() for _ in range(self._draw(st.integers(least, 3)))]
        if self._draw(st.integers(0, 3)) == 0:
            picked.insert(self._draw(st.integers(0, len(picked))), Inline())
        return tuple(picked)

    def _node(self) -> Node:
        match self._draw(_words):
            case "call":
                return self._work(self._several(1))
            case "pause":
                return Pause(self._seconds(8))
            case "inline":
                return Inline(self._several())
            case "gather":
                return Gather(self._several(1))
            case "map":
                items = tuple(self._work() for _ in range(self._draw(st.integers(1, 3))))  # none would take no time
                return Map(items, self._draw(st.sampled_from([None, 1, 2])), self._draw(st.booleans()))
            case "recover":
                return Recover(self._pick(), self._work(), self._draw(_caught))
            case "fallback":
                return Fallback(self._pick(), self._pick(), self._draw(_caught))
            case "outcome":
                return Outcome(self._pick())
            case "race":
                arms = tuple(self._pick() for _ in range(self._draw(st.integers(1, 3))))
                # What two of them share may give both a value at one time.
                return Race(tuple(self._work((arm,)) for arm in arms) if self._sharing else arms)
            case "scope":
                seconds = self._seconds(12) if self._draw(st.booleans()) else None
                return Scope(self._pick(), seconds, self._draw(st.sampled_from([1, 1, 2, 3])))
            case "then":
                return self._work(self._several(), self._inner().target(2))
            case "inside":
                return replace(self._work(self._several()), inside=self._inside())
        return self._work()

    def _inner(self, calm: bool = False) -> Drawing:
        """Draws another expression, of things that happen at other times."""
        inner = Drawing(self._draw, self._sharing, calm or self._calm)
        inner._numbers = self._numbers
        return inner

    def _inside(self) -> Inside:
        how = self._draw(st.sampled_from(["one by one", "together", "group", "left behind"]))
        nodes = tuple(self._inner(calm=True).target(2) for _ in range(self._draw(st.integers(1, 2))))
        seconds = self._seconds(8) if how == "left behind" or self._draw(st.booleans()) else None
        catches = self._draw(st.sampled_from([None, Exception, Boom, (Boom, TimeoutError, ExceptionGroup)]))
        return Inside(nodes, how, seconds, catches)

    def target(self, size: int) -> Node:
        """An expression."""
        for _ in range(self._draw(st.integers(1, size))):
            self._nodes.append(self._node())
        if len(self._nodes) == 1 or self._draw(st.booleans()):
            return self._nodes[-1]
        return Gather(tuple(self._nodes))


@st.composite
def timed_programs(draw: st.DrawFn, sharing: bool, size: int = 7) -> Node:
    """An expression grown from the leaves up."""
    return Drawing(draw, sharing).target(size)
