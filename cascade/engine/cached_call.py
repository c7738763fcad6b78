"""Calls of cache policies. If a policy fails, the cached call is made all the same, and its result is not kept.

Policies that may block are called in threads of their own, some for loads and some for saves, so that no load waits
behind a save.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from cascade._support.failures import exc_info, is_a, is_from_keyboard
from cascade.cache.io_threads import io_threads
from cascade.cache.pending_result import PendingResult
from cascade.cache.protocol import Hit, NoResult
from cascade.cache.single_flight import Needs
from cascade.exceptions import CacheKeyError, InputError, ResourceError

if TYPE_CHECKING:
    from cascade.cache.protocol import CachePolicy
    from cascade.cache.single_flight import Leader
    from cascade.engine.host import Host
    from cascade.engine.run import Run

__all__ = ["begin", "load", "load_later", "save", "save_later", "warn_of_cycle"]

_logger = logging.getLogger("cascade")
_warned: set[tuple[type, str, type]] = set()
_cycles: set[str] = set()


def load(host: Host, policy: CachePolicy, key: bytes, run: Run) -> Hit | None:
    """Look a result up.

    Args:
        host: the engine.
        policy: the cache policy, which does not block.
        key: of the call.
        run: the run of the call. A result that depends on resources or inputs is valid only where the run has the same.

    Returns:
        The result as a `Hit`; None: it is not in the cache.

    Raises:
        TypeError: the policy has returned something other than a `Hit` or None.
    """
    hit = _call_policy(policy, "load", key, host.services.wall_time())
    if hit is not None and type(hit.value) is Needs:
        second = _second_key(host, policy, key, run, hit.value)
        return None if second is None else _call_policy(policy, "load", second, host.services.wall_time())
    return hit


async def load_later(host: Host, policy: CachePolicy, key: bytes, run: Run) -> Hit | None:
    """Look a result up with a policy that may block; see `load`."""
    hit: Hit | None = await _call_in_pool(
        host, policy, "load", _call_policy, policy, "load", key, host.services.wall_time()
    )
    if hit is not None and type(hit.value) is Needs:
        second = _second_key(host, policy, key, run, hit.value)
        if second is None:
            return None
        hit = await _call_in_pool(host, policy, "load", _call_policy, policy, "load", second, host.services.wall_time())
    return hit


def save(host: Host, policy: CachePolicy, key: bytes, value: Any, run: Run, leader: Leader) -> Hit | None:
    """Save a result.

    Returns:
        The result as the policy returns it from now on, as a `Hit`; None: unchanged.

    Raises:
        NoResult: the policy finds that there is no result to save.
        TypeError: the policy has returned something other than a `Hit` or None.
    """
    return _save(policy, _entries(host, policy, key, value, run, leader), host.services.wall_time(), leader.pending)


async def save_later(host: Host, policy: CachePolicy, key: bytes, value: Any, run: Run, leader: Leader) -> Hit | None:
    """Save a result with a policy that may block; see `save`."""
    entries = _entries(host, policy, key, value, run, leader)
    now = host.services.wall_time()
    hit: Hit | None = await _call_in_pool(host, policy, "save", _save, policy, entries, now, leader.pending)
    return hit


def _entries(host: Host, policy: Any, key: bytes, value: Any, run: Run, leader: Leader) -> list[tuple[bytes, Any]]:
    """Return the entries to save for a result, as (key, value); the first one has the result itself.

    If the result depends on resources or inputs, it is saved under a second key, which covers these, and what it
    depends on is saved under the key of the call.
    """
    if leader.needs is None or not getattr(policy, "depends", False):
        return [(key, value)]
    second = _second_key(host, policy, key, run, leader.needs)
    return [] if second is None else [(second, value), (key, leader.needs)]


def _second_key(host: Host, policy: Any, key: bytes, run: Run, needs: Needs) -> bytes | None:
    """Return the key of a result that depends on resources and inputs of this run; None: it cannot be cached."""
    from cascade.cache.fingerprint import write
    from cascade.cache.resource_keys import ResourceKey
    from cascade.resources.scope import Scope

    for leader in run._leaders if run._extras is not None and run._extras.leaders else ():
        leader.ask(needs.resources, needs.inputs)  # an expression that uses this result depends on the same
    digest = blake2b(key, digest_size=32)
    try:
        if needs.resources:
            outer = run._scope()
            scope = Scope(host.services.resources, "call", outer, outer.hooks)
            for name in needs.resources:
                given = ResourceKey(name, scope.binding(name))
                given.outlives = policy.blocking
                digest.update(write(given, name))
        for spec in needs.inputs:
            digest.update(write(f"{spec.kind} {spec.name}") + write(run._read_input(spec), spec.name))
    except (InputError, ResourceError):
        return None  # this run lacks a resource or an input that the result depends on
    except CacheKeyError as error:
        _warn_once(policy, "key", error, f"a result is not kept: {error}")
        return None
    return digest.digest()


async def begin(host: Host, policy: Any, key: bytes) -> PendingResult | None:
    """Call ``policy.begin``, if there is such a method: a call is about to make the result, such as a file.

    Returns:
        The pending result; None: the policy has no method `begin`.

    Raises:
        Exception: the exception of the policy, which could then not tell a partial result from a complete one.
    """
    if not hasattr(policy, "begin"):
        return None
    return PendingResult(await _call_in_pool(host, policy, "save", policy.begin, key))


def _save(
    policy: CachePolicy, entries: list[tuple[bytes, Any]], now: float, pending: PendingResult | None
) -> Hit | None:
    saved = [_call_policy(policy, "save", key, value, now) for key, value in entries]
    if pending is not None:
        pending.done()
    return saved[0] if saved else None


def _call_policy(policy: CachePolicy, method: str, *arguments: Any) -> Hit | None:
    """Call a method of a policy. An exception that it raises is logged once and counts as a miss.

    So does one that is no `Exception`, such as a `CancelledError` of a class that is unpickled: it must not cancel the
    run. Only `NoResult`, and what may be an interrupt from the keyboard, are raised.
    """
    try:
        hit = getattr(policy, method)(*arguments)
    except NoResult:
        raise
    except BaseException as error:
        if is_from_keyboard(error):
            raise
        kind = type(policy).__name__
        _warn_once(policy, method, error, f"{kind}.{method} has failed, and its calls run uncached")
        return None
    if hit is not None and not isinstance(hit, Hit):
        kind = type(policy).__name__
        raise TypeError(f"{kind}.{method} must return a `Hit` or None, got `{type(hit).__name__}`")
    return hit


def _warn_once(policy: CachePolicy, method: str, error: BaseException, text: str) -> None:
    """Log what is wrong with a cache, once for each kind of policy, method and error."""
    what = type(policy), method, type(error)
    if what not in _warned:
        _warned.add(what)
        _logger.warning("result cache: %s", text, exc_info=None if is_a(error, CacheKeyError) else exc_info(error))


def warn_of_cycle(name: str) -> None:
    """Log, once for each task, that a cached call has come back to itself."""
    if name not in _cycles:
        _cycles.add(name)
        _logger.warning(
            "result cache: %s needs the result of an equal call of itself; the inner call runs without the cache, "
            "and goes on for ever if nothing but its arguments decides when it ends",
            name,
        )


async def _call_in_pool(host: Host, policy: Any, pool: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in the pool of that name; at once if the policy does not block, or the clock is virtual."""
    if host.clock.is_virtual or not policy.blocking:
        return function(*arguments)
    loop = asyncio.get_running_loop()
    # An exception is passed on as a value: an asyncio future does not take every exception, such as StopIteration.
    value, error = await io_threads.call(host, loop, pool, _outcome, function, arguments)
    try:
        if error is not None:
            raise error
        return value
    finally:
        del error  # its traceback leads to this frame


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    try:
        return function(*arguments), None
    except BaseException as error:
        return None, error
