"""Boundaries: what they raise begins at the frame of other code, and nothing else of the function changes."""

from __future__ import annotations

import inspect
import traceback

import pytest

from cascade._core.tracebacks import hide_frames, keeps_frames
from cascade._support.boundary import boundary

pytestmark = pytest.mark.skipif(keeps_frames(), reason="CASCADE_TRACEBACK=full is set")


def names(error: BaseException) -> list[str]:
    return [each.name for each in traceback.extract_tb(error.__traceback__)]


@boundary
def plain(value: int, *, raises: bool = False) -> int:
    """Its docstring."""
    if raises:
        raise ValueError
    return value


@boundary
async def awaited(value: int, *, raises: bool = False) -> int:
    if raises:
        raise ValueError
    return value


@boundary
def own(value: int) -> int:
    try:
        return 1 // value
    except BaseException as error:
        hide_frames(error)
        raise


def test_a_function() -> None:
    assert plain(3) == 3
    assert (plain.__name__, plain.__doc__) == ("plain", "Its docstring.")
    assert str(inspect.signature(plain)) == "(value: 'int', *, raises: 'bool' = False) -> 'int'"
    with pytest.raises(ValueError) as caught:
        plain(3, raises=True)
    assert names(caught.value) == ["test_a_function", "plain"]  # not the wrapper, which stands in the package


async def test_a_coroutine_function() -> None:
    assert inspect.iscoroutinefunction(awaited)
    assert await awaited(3) == 3
    with pytest.raises(ValueError) as caught:
        await awaited(3, raises=True)
    assert names(caught.value) == ["test_a_coroutine_function", "awaited"]


def test_one_that_hides_its_frames_itself_is_not_wrapped() -> None:
    assert not hasattr(own, "__wrapped__")
    assert hasattr(plain, "__wrapped__")
    with pytest.raises(ZeroDivisionError):
        own(0)
