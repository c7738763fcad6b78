"""Fixtures for pytest. A ``conftest.py`` makes them known: ``pytest_plugins = ["cascade.testing.fixtures"]``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cascade.testing.virtual import VirtualTime

__all__ = ["virtual"]


@pytest.fixture
def virtual() -> Iterator[VirtualTime]:
    """Virtual time: a test of an hour's waiting takes a millisecond.

    >>> def test_an_hour(virtual):
    ...     assert virtual.run(cs.wait(3600)) == 3600
    """
    time = VirtualTime()
    try:
        yield time
    finally:
        time.close()
