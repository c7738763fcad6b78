"""The two halves of a generator that makes a resource: up to its `yield`, and from there to its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

from cascade._support.failures import cause_of, is_a, members, set_traceback
from cascade.exceptions import ResourceError

__all__ = ["begin", "begin_async", "end", "end_async"]


def begin(generator: Any, name: str) -> Any:
    """Run a generator up to its `yield` and return what it yields.

    Raises:
        ResourceError: it is not a generator, or does not yield.
        BaseException: what the generator raises.
    """
    if not isinstance(generator, Generator):
        raise ResourceError(_generator_error(generator, name, "a generator"))
    try:
        return next(generator)
    except StopIteration:
        raise ResourceError(_yield_error(name, "none")) from None


async def begin_async(generator: Any, name: str) -> Any:
    """Run an async generator up to its `yield` and return what it yields.

    Raises:
        ResourceError: it is not an async generator, or does not yield.
        BaseException: what the generator raises.
    """
    if not isinstance(generator, AsyncGenerator):
        raise ResourceError(_generator_error(generator, name, "an async generator"))
    try:
        return await generator.__anext__()
    except StopAsyncIteration:
        raise ResourceError(_yield_error(name, "none")) from None


def end(generator: Generator[Any, Any, Any], failure: BaseException | None, name: str) -> BaseException | None:
    """Run a generator from its `yield` to its end.

    Args:
        generator: suspended at its `yield`.
        failure: the exception to raise there; None: there is none.
        name: of the resource.

    Returns:
        The exception of the teardown; None if there was none, or only `failure` itself.
    """
    traceback = None if failure is None else failure.__traceback__
    try:
        if failure is None:
            next(generator)
        else:
            generator.throw(failure)
    except StopIteration:
        return None
    except BaseException as raised:
        return None if _is_only(raised, failure) else raised
    finally:
        if failure is not None:  # frames of the teardown would mislead in its traceback
            set_traceback(failure, traceback)
    wrong = ResourceError(_yield_error(name, "a second one"))
    try:
        generator.close()
    except BaseException as raised:
        wrong.__cause__ = raised
    return wrong


async def end_async(
    generator: AsyncGenerator[Any, Any], failure: BaseException | None, name: str
) -> BaseException | None:
    """Run an async generator from its `yield` to its end; see `end`."""
    traceback = None if failure is None else failure.__traceback__
    try:
        if failure is None:
            await generator.__anext__()
        else:
            await generator.athrow(failure)
            # A closed async generator, unlike a closed generator, raises nothing. It is closed by
            # `loop.shutdown_asyncgens()`, or by the garbage collector together with a dropped engine.
            if getattr(generator, "ag_frame", generator) is None:
                return None
    except StopAsyncIteration:
        return None
    except BaseException as raised:
        return None if _is_only(raised, failure) else raised
    finally:
        if failure is not None:
            set_traceback(failure, traceback)
    wrong = ResourceError(_yield_error(name, "a second one"))
    try:
        await generator.aclose()
    except BaseException as raised:
        wrong.__cause__ = raised
    return wrong


def _is_only(raised: BaseException, failure: BaseException | None) -> bool:
    """Return whether a generator has raised only the failure that was raised in it."""
    if failure is None:
        return False
    if is_a(failure, StopIteration | StopAsyncIteration) and cause_of(raised) is failure:
        return True  # Python replaces both by a RuntimeError at the end of a generator
    pending = [raised]
    for error in pending:
        if error is not failure:
            if not is_a(error, BaseExceptionGroup):
                return False
            pending.extend(members(error))  # a task group in the generator has wrapped the failure
    return True


def _generator_error(got: object, name: str, expected: str) -> str:
    manager = hasattr(type(got), "__exit__") or hasattr(type(got), "__aexit__")
    hint = "; use `cs.resource` without `contextmanager`" if manager else ""
    return f"resource `{name}` must return {expected}, got `{type(got).__name__}`{hint}"


def _yield_error(name: str, got: str) -> str:
    return f"resource `{name}` must yield exactly once, got {got}"
