"""Amounts: which numbers they may be, and that what is taken and given back leaves nothing over."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.limits import Limits
from support.fake_timers import FakeTimers
from support.limit_requests import in_use, now


@pytest.mark.parametrize(
    "amount", [-1, -0.5, float("nan"), float("inf"), True, False, None, "1", b"1", 1j, [1], Decimal(1)]
)
def test_what_is_no_amount_is_refused(make: Callable[..., Limits], amount: object) -> None:
    with pytest.raises(cs.PolicyError, match="amount of 'gpu' must be a number >= 0, got"):
        now(make(gpu=1), gpu=amount)


@pytest.mark.parametrize("amount", [1, 1.0, Fraction(1, 3), 10**-30, 1e-300])
def test_numbers_are_amounts(make: Callable[..., Limits], amount: float) -> None:
    limits = make(gpu=1)
    grant = now(limits, gpu=amount)
    assert grant is not None and now(limits, gpu=1) is None
    grant.release()
    assert in_use(limits) == {"gpu": 0}


def test_tenths_add_up(make: Callable[..., Limits]) -> None:
    limits = make(mem=0.3)
    grants = [now(limits, mem=0.1) for _ in range(3)]
    assert None not in grants and now(limits, mem=0.1) is None
    assert in_use(limits) == {"mem": 0.3}


@given(st.lists(st.floats(0, 1) | st.integers(0, 1), max_size=30), st.randoms(use_true_random=False))
def test_nothing_is_left_over(amounts: list[float], random: Any) -> None:
    limits = Limits({"mem": 1000}, FakeTimers(), lambda: None)
    grants = [now(limits, mem=amount) for amount in amounts]
    random.shuffle(grants)
    for grant in grants:
        assert grant is not None
        grant.release()
        grant.release()
    assert in_use(limits) == {"mem": 0}
