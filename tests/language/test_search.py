"""All small expressions: no two different shapes share a key or a template, and equal shapes do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import cascade as cs
from language.acts import Digest
from language.descriptions import Box, Call, Literal, Node, TaskSpec
from language.oracle import Journal, evaluate
from language.oracle_build import build
from language.oracle_shape import shape
from support.observation import assert_exact, observe

Grown = Iterator[tuple[Node, int, tuple[Node, ...]]]


class Alphabet(NamedTuple):
    """What the expressions of a search are made of."""

    tasks: list[TaskSpec]
    positional: int  # at most
    names: list[tuple[str, ...]]
    boxes: list[tuple[str, int, tuple[object, ...]]]  # kind, length, keys

    def grow(self, budget: int, made: tuple[Node, ...] = ()) -> Grown:
        """Give every node of at most `budget` parts, with what is left and the nodes that can be reached again."""
        if budget < 1:
            return
        yield Literal(budget), budget - 1, made
        for node in made:
            yield node, budget - 1, made
        for spec in self.tasks:
            for positional in range(self.positional + 1):
                for names in self.names:
                    for items, left, more in self.grow_all(positional + len(names), budget - 1, made):
                        call = Call(spec, items[:positional], dict(zip(names, items[positional:], strict=True)))
                        yield call, left, (*more, call)
        for kind, count, keys in self.boxes:
            for items, left, more in self.grow_all(count, budget - 1, made):
                box = Box(kind, items, keys)
                if kind not in ("set", "frozenset"):
                    yield box, left, (*more, box)
                elif not isinstance(items[0], Box):  # which might not hash
                    yield box, left, more

    def grow_all(
        self, count: int, budget: int, made: tuple[Node, ...]
    ) -> Iterator[tuple[tuple[Node, ...], int, tuple[Node, ...]]]:
        """Give every row of `count` nodes."""
        if count == 0:
            yield (), budget, made
            return
        for first, left, more in self.grow(budget - count + 1, made):
            for rest, last, most in self.grow_all(count - 1, left + count - 1, more):
                yield (first, *rest), last, most

    def calls(self, size: int) -> Iterator[Call]:
        """Give every expression of at most `size` parts."""
        return (node for node, _, _ in self.grow(size) if isinstance(node, Call))


def specs(*wanted: tuple[str, str]) -> list[TaskSpec]:
    return [TaskSpec(name, Digest(), kind) for name, kind in wanted]


WIDE = Alphabet(
    specs(("f", "inline"), ("g", "inline"), ("f", "async")),
    2,
    [(), ("a",), ("b",), ("a", "b")],
    [
        *((kind, count, ()) for kind in ("list", "tuple") for count in range(3)),
        *((kind, 1, ()) for kind in ("set", "frozenset")),
        ("struct", 2, ()),
        *(("dict", len(keys), keys) for keys in [(1,), (True,), ("1",), (1, "1"), ("1", 1)]),
    ],
)
DEEP = Alphabet(specs(("f", "inline")), 2, [(), ("a",)], [("list", 1, ()), ("list", 2, ()), ("tuple", 1, ())])
INLINE = WIDE._replace(tasks=WIDE.tasks[:2])


@pytest.mark.parametrize(("alphabet", "size", "least"), [(WIDE, 4, 19_000), (DEEP, 6, 15_000)], ids=["wide", "deep"])
def test_the_key_alone_decides(alphabet: Alphabet, size: int, least: int) -> None:
    digests: dict[object, str] = {}
    shapes: dict[str, object] = {}
    for node in alphabet.calls(size):
        form, digest = shape(node), cs.structural_hash(build(node, Journal()))[0]
        assert digests.setdefault(form, digest) == digest, f"one shape, two keys: {form}"
        assert shapes.setdefault(digest, form) == form, f"two shapes, one key: {form} and {shapes[digest]}"
    assert len(shapes) >= least


@pytest.mark.parametrize(("alphabet", "size", "least"), [(INLINE, 3, 300), (DEEP, 5, 1600)], ids=["wide", "deep"])
def test_every_shape_is_built_once(cold: cs.Engine, alphabet: Alphabet, size: int, least: int) -> None:
    nodes = list(alphabet.calls(size))

    async def main() -> None:
        for _ in range(2):
            for node in nodes:
                assert_exact(await observe(cold, node), evaluate(node))

    asyncio.run(main())
    distinct = {shape(node) for node in nodes}
    assert len(distinct) >= least
    assert cold.templates.stats.builds == len(distinct)
