"""Checks that must fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def broken(check: Callable[..., None], make: Callable[[], Any], sentence: str, **options: Any) -> None:
    """A check must fail, with a message that begins with this sentence."""
    with pytest.raises(AssertionError) as caught:
        check(make, **options)
    assert str(caught.value).startswith(sentence), str(caught.value)
