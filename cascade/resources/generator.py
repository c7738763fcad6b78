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
        ResourceError: it is no generator, or yields nothing.
        BaseException: what it raises.
    """
    if not isinstance(generator, Generator):
        raise ResourceError(_no_generator(generator, name, "generator"))
    try:
        return next(generator)
    except StopIteration:
        raise ResourceError(_yields(name, "none")) from None


async def begin_async(generator: Any, name: str) -> Any:
    """Run an async generator up to its `yield` and return what it yields.

    Raises:
        ResourceError: it is no async generator, or yields nothing.
        BaseException: what it raises.
    """
    if not isinstance(generator, AsyncGenerator):
        raise ResourceError(_no_generator(generator, name, "async generator"))
    try:
        return await generator.__anext__()
    except StopAsyncIteration:
        raise ResourceError(_yields(name, "none")) from None


def end(generator: Generator[Any, Any, Any], failure: BaseException | None, name: str) -> BaseException | None:
    """Run a generator from its `yield` to its end.

    Args:
        generator: waits at its `yield`.
        failure: is raised there; None: all went well.
        name: of the resource.

    Returns:
        What went wrong at the end; None if nothing did. The failure itself is nothing new.
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
        if failure is not None:  # that it came by here is of no use to who reads it
            set_traceback(failure, traceback)
    wrong = ResourceError(_yields(name, "a second one"))
    try:
        generator.close()
    except BaseException as raised:
        wrong.__cause__ = raised
    return wrong


async def end_async(generator: AsyncGenerator[Any, Any], failure: BaseException | None, name: str) -> (
    BaseException | None
):
    """Run an async generator from its `yield` to its end; see `end`."""
    traceback = None if failure is None else failure.__traceback__
    try:
        if failure is None:
            await generator.__anext__()
        else:
            await generator.athrow(failure)
            # Closed before, as by `loop.shutdown_asyncgens()` or by the collector with an engine that was dropped, it
            # raises nothing, as opposed to a generator.
            if getattr(generator, "ag_frame", generator) is None:
                return None
    except StopAsyncIteration:
        return None
    except BaseException as raised:
        return None if _is_only(raised, failure) else raised
    finally:
        if failure is not None:
            set_traceback(failure, traceback)
    wrong = ResourceError(_yields(name, "a second one"))
    try:
        await generator.aclose()
    except BaseException as raised:
        wrong.__cause__ = raised
    return wrong


def _is_only(raised: BaseException, failure: BaseException | None) -> bool:
    """Whether what a generator has raised is but the failure that was raised in it."""
    if failure is None:
        return False
    if is_a(failure, StopIteration | StopAsyncIteration) and cause_of(raised) is failure:
        return True  # Python lets neither out of a generator as itself
    pending = [raised]
    for error in pending:
        if error is not failure:
            if not is_a(error, BaseExceptionGroup):
                return False
            pending.extend(members(error))  # a task group in the generator has wrapped the failure
    return True


def _no_generator(got: object, name: str, expected: str) -> str:
    manager = hasattr(type(got), "__exit__") or hasattr(type(got), "__aexit__")
    hint = ": `cs.resource` takes the function without `contextmanager`" if manager else ""
    return f"expected a {expected}, got `{type(got).__name__}`{hint} - at resource `{name}`"


def _yields(name: str, got: str) -> str:
    return f"expected one `yield`, got {got} - at resource `{name}`"
