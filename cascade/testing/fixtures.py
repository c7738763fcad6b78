"""Fixtures for pytest. Enable them in ``conftest.py``: ``pytest_plugins = ["cascade.testing.fixtures"]``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cascade.testing.virtual import VirtualTime

__all__ = ["virtual"]


@pytest.fixture
def virtual() -> Iterator[VirtualTime]:
    """A `VirtualTime`, closed after the test: a test that waits for an hour takes a millisecond.

    >>> def test_an_hour(virtual):
    ...     assert virtual.run(cs.wait(3600)) == 3600
    """
    time = VirtualTime()
    try:
        yield time
    finally:
        time.close()
