"""What the tasks of descriptions do: each gives a value, a failure or the next expression, by its arguments."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from language.descriptions import Box, Call, Guard, Literal, Map, Router, TaskSpec
from support.values import canonical


class Boom(Exception):
    """The failure of a task that was told to fail."""


@dataclass(frozen=True, eq=False)
class Digest:
    """Give a short value that depends on all arguments and their types."""

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        return hashlib.blake2b(repr(canonical((args, kwargs))).encode("utf-8", "surrogatepass"), digest_size=6).digest()


@dataclass(frozen=True, eq=False)
class Pick:
    """Pass one argument on, itself."""

    index: int

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        values = [*args, *kwargs.values()]
        return values[self.index % len(values)] if values else None


@dataclass(frozen=True, eq=False)
class Give:
    """Give a value that has nothing to do with the arguments."""

    value: object

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        return self.value


@dataclass(frozen=True, eq=False)
class Stream:
    """An async iterable that has its items at once, or one after the other; it can be iterated over again."""

    items: list[object]
    at_once: bool

    async def __aiter__(self) -> AsyncIterator[object]:
        for item in self.items:
            if not self.at_once:
                await asyncio.sleep(0)
            yield item


@dataclass(frozen=True, eq=False)
class Awaited:
    """What an async task awaits of its run; `digest` gives its value for theirs."""

    nodes: tuple[object, ...]

    def digest(self, values: list[object]) -> object:
        """Give the value of the task."""
        return Digest()(tuple(values), {})


@dataclass(frozen=True, eq=False)
class Awaits:
    """Await expressions, one after another. Of async tasks only."""

    nodes: tuple[object, ...]

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        return Awaited(self.nodes)


@dataclass(frozen=True, eq=False)
class Fail:
    """Raise."""

    error: type[BaseException]
    label: int

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        raise self.error(self.label)


@dataclass(frozen=True, eq=False)
class Recurse:
    """Call itself `times` more; not as a tail call, another task waits for the result each time."""

    name: str
    kind: str
    times: int
    tail: bool
    end: object

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        if not self.times:
            return self.end(args, kwargs)  # type: ignore[operator]
        again = Recurse(self.name, self.kind, self.times - 1, self.tail, self.end)
        call = Call(
            TaskSpec(self.name, again, self.kind),
            tuple(Literal(value) for value in args),
            {name: Literal(value) for name, value in kwargs.items()},
        )
        if self.tail:
            return call
        return Call(TaskSpec("join", Digest(), self.kind), (call, Literal(self.times)))


@dataclass(frozen=True, eq=False)
class Either:
    """Give one of several things, by the arguments."""

    choices: tuple[object, ...]

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        text = repr(canonical((args, kwargs))).encode("utf-8", "surrogatepass")
        return self.choices[hashlib.blake2b(text).digest()[0] % len(self.choices)]


@dataclass(frozen=True, eq=False)
class Again:
    """Go on as often as it says, through a router, a condition or a map."""

    spec: tuple[str, str]
    times: int
    through: str

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        name, kind = self.spec
        last = Call(TaskSpec("last", Digest(), kind), tuple(map(Literal, args)))
        if not self.times:
            return last
        more = TaskSpec(name, Again(self.spec, self.times - 1, self.through), kind)
        again = Call(more, tuple(map(Literal, args)), {key: Literal(value) for key, value in kwargs.items()})
        left = Call(TaskSpec("left", Give(self.times), kind))
        match self.through:
            case "router":
                return Router(left, (0, self.times), (last, again))
            case "condition":
                return Guard(left, again, last)
            case "otherwise":
                return Guard(Literal(False), last, again)
        return Map(more, {"x": Box("list", (left,))})
