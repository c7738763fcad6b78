"""What the engine asks of a cache policy. A cache that fails is none: the call is made, and its result is not kept.

Policies that may block are called in threads of their own, so that no load waits behind a save.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from cascade._core.fork import in_child
from cascade._support.failures import exc_info, is_a
from cascade._support.threads import call_in_executor
from cascade.cache.pending_result import PendingResult
from cascade.cache.protocol import Hit, NoResult
from cascade.cache.single_flight import Needs
from cascade.exceptions import CacheKeyError, InputError, ResourceError

if TYPE_CHECKING:
    from cascade.cache.protocol import CachePolicy
    from cascade.cache.single_flight import Leader
    from cascade.engine.host import Host
    from cascade.engine.run import Run

__all__ = ["begin", "load", "load_later", "save", "save_later"]

THREADS = 8  # for loads, and as many for saves

_logger = logging.getLogger("cascade")
_pools: dict[str, ThreadPoolExecutor] = {}
_making_pool = threading.Lock()
_told: set[tuple[type, str, type]] = set()


def _forget_threads() -> None:
    """A forked process has none of the threads."""
    global _making_pool
    _making_pool = threading.Lock()
    _pools.clear()


in_child(_forget_threads)


def load(host: Host, policy: CachePolicy, key: bytes, run: Run) -> Hit | None:
    """Look a result up.

    Raises:
        TypeError: the policy has given something else than a `Hit` or None.
    """
    hit = _ask(policy, "load", key, host.services.wall_time())
    if hit is not None and type(hit.value) is Needs:
        second = _second_key(host, policy, key, run, hit.value)
        return None if second is None else _ask(policy, "load", second, host.services.wall_time())
    return hit


async def load_later(host: Host, policy: CachePolicy, key: bytes, run: Run) -> Hit | None:
    """Look a result up, where that may take long."""
    hit: Hit | None = await _aside(host, policy, "load", _ask, policy, "load", key, host.services.wall_time())
    if hit is not None and type(hit.value) is Needs:
        second = _second_key(host, policy, key, run, hit.value)
        if second is None:
            return None
        hit = await _aside(host, policy, "load", _ask, policy, "load", second, host.services.wall_time())
    return hit


def save(host: Host, policy: CachePolicy, key: bytes, value: Any, run: Run, lead: Leader) -> Hit | None:
    """Keep a result.

    Raises:
        NoResult: the policy finds that there is none.
        TypeError: the policy has given something else than a `Hit` or None.
    """
    return _save(policy, _entries(host, policy, key, value, run, lead), host.services.wall_time(), lead.pending)


async def save_later(host: Host, policy: CachePolicy, key: bytes, value: Any, run: Run, lead: Leader) -> Hit | None:
    """Keep a result, where that may take long."""
    entries = _entries(host, policy, key, value, run, lead)
    now = host.services.wall_time()
    hit: Hit | None = await _aside(host, policy, "save", _save, policy, entries, now, lead.pending)
    return hit


def _entries(host: Host, policy: Any, key: bytes, value: Any, run: Run, lead: Leader) -> list[tuple[bytes, Any]]:
    """What is to be kept for a result, under which keys: it comes first."""
    if lead.needs is None or not getattr(policy, "depends", False):
        return [(key, value)]
    second = _second_key(host, policy, key, run, lead.needs)
    return [] if second is None else [(second, value), (key, lead.needs)]


def _second_key(host: Host, policy: Any, key: bytes, run: Run, needs: Needs) -> bytes | None:
    """The key of a result in this run; None: there is none, and the log says why."""
    from cascade.cache.fingerprint import write
    from cascade.cache.resource_keys import ResourceKey
    from cascade.resources.scope import Scope

    for lead in run._leads if run._extras is not None and run._extras.leads else ():
        lead.ask(needs.resources, needs.inputs)  # what depends on this result depends on it, too
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
        return None  # this run has not what the former one had
    except CacheKeyError as error:
        _tell(policy, "key", error, f"a result is not kept: {error}")
        return None
    return digest.digest()


async def begin(host: Host, policy: Any, key: bytes) -> PendingResult | None:
    """Tell a policy that wants to know that its result is about to be made.

    Raises:
        Exception: what the policy raises: it cannot see to it that what is left half done is no result.
    """
    if not hasattr(policy, "begin"):
        return None
    return PendingResult(await _aside(host, policy, "save", policy.begin, key))


def _save(
    policy: CachePolicy, entries: list[tuple[bytes, Any]], now: float, pending: PendingResult | None
) -> Hit | None:
    saved = [_ask(policy, "save", key, value, now) for key, value in entries]
    if pending is not None:
        pending.done()
    return saved[0] if saved else None


def _ask(policy: CachePolicy, method: str, *arguments: Any) -> Hit | None:
    """Call a policy. Whatever it raises is told once, and is a miss; but for a mistake of who has written it."""
    try:
        hit = getattr(policy, method)(*arguments)
    except NoResult:
        raise
    except Exception as error:
        kind = type(policy).__name__
        _tell(policy, method, error, f"{kind}.{method} has failed, and its calls run uncached")
        return None
    if hit is not None and not isinstance(hit, Hit):
        kind = type(policy).__name__
        raise TypeError(f"{kind}.{method} must return a `Hit` or None, got `{type(hit).__name__}`")
    return hit


def _tell(policy: CachePolicy, method: str, error: Exception, text: str) -> None:
    """Say what is wrong with a cache, once for each kind of error."""
    what = type(policy), method, type(error)
    if what not in _told:
        _told.add(what)
        _logger.warning("result cache: %s", text, exc_info=None if is_a(error, CacheKeyError) else exc_info(error))


async def _aside(host: Host, policy: Any, pool: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call what may block in a thread; under a virtual clock, which waits for no thread, at once."""
    if host.clock.is_virtual or not policy.blocking:
        return function(*arguments)
    with _making_pool:
        threads = _pools.get(pool)
        if threads is None:
            threads = _pools[pool] = ThreadPoolExecutor(THREADS, thread_name_prefix=f"cascade-cache-{pool}")
    loop = asyncio.get_running_loop()
    # What was raised is a value on its way: asyncio does not put every exception into a future.
    value, error = await call_in_executor(loop, threads, _outcome, function, arguments)
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
