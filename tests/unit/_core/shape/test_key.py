"""Names and dict keys are structure: exactly, whatever characters and types they have."""

from __future__ import annotations

import enum
import itertools
import math
import struct

import pytest

import cascade as cs
from support.tasks import digest, leaf, take
from support.values import NAMES, HostileKey, canonical

NAMES += ["x" * 10_000, "class", "$.args[0]", "\U0001f600", "None", "1"]


# -- names of arguments and tasks ------------------------------------------------------------------------------


def test_the_way_of_calling_is_structure() -> None:
    def sync() -> None: ...

    async def later() -> None: ...

    tasks = [cs.task(sync, name="t", mode=mode) for mode in ("auto", "inline", "thread")]
    tasks += [cs.task(later, name="t")]
    assert len({digest(task()) for task in tasks}) == len(tasks)


def test_argument_order_is_kept() -> None:
    @cs.task(mode="inline")
    def same(value: object) -> object:
        return value

    for order in itertools.permutations(range(4)):
        args, _ = cs.run(take(*(same(number) if number % 2 else number for number in order)))
        assert args == order


# -- dict keys -------------------------------------------------------------------------------------------------

KEYS: list[object] = [None, False, True, 2, -2, 2**31, 2**64, -(2**64), 2**200, 1.5, -0.0, math.inf, 1e300, ""]
KEYS += ["1", "a", "é", "e\u0301", "\0", "\ud800", b"", b"a", b"1", (), (2,), ("a", (2, None)), ((),), "None"]


def test_keys_of_every_type_at_once() -> None:
    given = {key: leaf() for key in KEYS}
    ((seen,), _) = cs.run(take(given))
    assert canonical(seen) == canonical(dict.fromkeys(KEYS, "leaf"))


def test_a_keys_type_and_value_are_structure(cold: cs.Engine) -> None:
    keys = [*KEYS, 1, 1.0, 0, 0.0, (1,), (True,), (1.0,), (0.0,), (-0.0,), ("2",), (b"a",), ("a",)]
    for _ in range(2):
        for key in keys:
            ((seen,), _) = cs.run(take({key: leaf()}), engine=cold)
            assert canonical(seen) == canonical({key: "leaf"})
    assert cold.templates.stats.builds == len(keys)
    assert len({digest(take({key: leaf()})) for key in keys}) == len(keys)


def test_the_order_of_a_dict_arrives(cold: cs.Engine) -> None:
    for order in itertools.permutations([1, "a", None]):
        ((seen,), _) = cs.run(take({key: leaf() for key in order}), engine=cold)
        assert list(seen) == list(order)


def test_nan_keys_keep_their_bits() -> None:
    payload = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0BAD))[0]
    ((seen,), _) = cs.run(take({math.nan: leaf(), payload: leaf()}))
    assert [struct.pack("<d", key) for key in seen] == [struct.pack("<d", key) for key in (math.nan, payload)]


class Colour(enum.IntEnum):
    RED = 1
    BLUE = 2


class Name(str):
    """A key of a type that only its own code knows."""


def test_other_keys_are_data(cold: cs.Engine) -> None:
    keys = [Colour.RED, Colour.BLUE, HostileKey(), Name("a"), frozenset({1}), object(), leaf, (Colour.RED, 1)]
    for key in keys:
        ((seen,), _) = cs.run(take({key: leaf()}), engine=cold)
        [found] = seen
        assert found is key
        assert seen[key] == "leaf"
    assert cold.templates.stats.builds == 1


def test_deeply_nested_tuples_as_keys() -> None:
    key: tuple[object, ...] = ()
    for _ in range(500):
        key = (key, 1)
    try:
        ((seen,), _) = cs.run(take({key: leaf()}))
    except cs.StructureError:
        return
    assert seen == {key: "leaf"}


@pytest.mark.parametrize("size", [1, 3, 4, 5, 63, 64, 65, 1000])
def test_long_keys(size: int) -> None:
    for key in ("k" * size, b"k" * size, 1 << (8 * size), -(1 << (8 * size)), ("k",) * size):
        ((seen,), _) = cs.run(take({key: leaf()}))
        assert canonical(seen) == canonical({key: "leaf"})
