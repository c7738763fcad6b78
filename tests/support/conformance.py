"""Checks that must fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def broken(check: Callable[..., None], make: Callable[[], Any], requirement: str, **options: Any) -> None:
    """A check must fail, with a message that begins with this requirement."""
    with pytest.raises(AssertionError) as caught:
        check(make, **options)
    assert str(caught.value).startswith(requirement), str(caught.value)
