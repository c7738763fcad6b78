"""Limits on a clock that tests advance, as fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cascade.limits import Limits
from support.fake_timers import FakeTimers


@pytest.fixture
def timers() -> FakeTimers:
    return FakeTimers()


@pytest.fixture
def limits(timers: FakeTimers) -> Limits:
    return Limits({"gpu": 2}, timers, lambda: None)


@pytest.fixture
def make(timers: FakeTimers) -> Callable[..., Limits]:
    return lambda **capacities: Limits(capacities, timers, lambda: None)
