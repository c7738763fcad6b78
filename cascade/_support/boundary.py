"""Boundaries: functions that users call, out of which an exception comes without the frames of Cascade."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from cascade._core.tracebacks import hide_frames, keeps_frames

__all__ = ["boundary", "is_boundary"]

F = TypeVar("F", bound=Callable[..., Any])


def boundary(function: F) -> F:
    """Make a function a boundary: what it raises has no frames of Cascade before those of other code, nor its own.

    A function that is called often does without the wrapper: it has the `except` itself.

    Args:
        function: a function, or a coroutine function.

    Returns:
        A function that calls it; the function itself if frames are kept, or if it calls `hide_frames` itself.
    """
    if keeps_frames() or is_boundary(function):
        return function
    made: Any
    if iscoroutinefunction(function):

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            except BaseException as error:
                hide_frames(error)
                raise  # a bare one, which does not add this frame once more

        made = awaited
    else:

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                hide_frames(error)
                raise

        made = called
    boundary_of: F = made
    return boundary_of


def is_boundary(function: Any) -> bool:
    """Whether a function calls `hide_frames` itself."""
    return "hide_frames" in function.__code__.co_names
