"""A short run of the fuzzer; `python tests/fuzz --seconds 1800` is a long one."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fuzz.attack import SEEDS, attack, mutate


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_in_a_file_is_refused_or_harmless(seed: int) -> None:
    chance = random.Random(seed)
    pool, far = [*SEEDS], Counter[str]()
    for _ in range(600):
        data = mutate(chance.choice(pool), chance)
        got = attack(data)
        far[got] += 1
        if got != "not decoded":
            pool.append(data)
    assert far["decoded"] > 100 and far["proved"] + far["checked"] > 0


@pytest.mark.parametrize("data", SEEDS)
def test_what_is_valid_gets_through(data: bytes) -> None:
    assert attack(data) == "proved"
