"""The cache policy that knows a call by what it is made of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import blake2b
from inspect import iscoroutinefunction
from typing import Any, cast, overload

from cascade._core.expr.task import Task, task
from cascade._core.time.clock import check_seconds
from cascade._support.public import public
from cascade.cache.arguments import bind
from cascade.cache.fingerprint import fingerprint, write
from cascade.cache.identity import identity
from cascade.cache.memory_store import MemoryStore
from cascade.cache.origin import is_nameless, module_name
from cascade.cache.protocol import CacheStore, Hit
from cascade.cache.resource_keys import Provided
from cascade.cache.scalars import SIZE
from cascade.exceptions import PolicyError

__all__ = ["ResultCache", "cached"]

_logger = logging.getLogger("cascade")

_STORE_METHODS = ("get", "set", "delete", "clear", "close")


@public
class ResultCache:
    """Keeps the results of a task: a call that is equal to an earlier one does not run.

    Two calls are equal if the task has the same module and name, the same code, the same data in its closure and
    defaults, and gets the same arguments; and if their policies have the same settings.

    Args:
        ttl: seconds for which a result holds; None: for ever.
        key: a function that takes the arguments of the task and gives data that stands for them. Task, code and
            closure count as well.
        store: where results lie, such as a `MemoryStore` or a `DiskStore`; None: in a `MemoryStore` that the whole
            process shares.
        version: data that counts like an argument. Change it to forget earlier results, as when a function of the
            module that the task calls was changed.

    Raises:
        PolicyError: a setting is not of its kind.
        CacheKeyError: ``version`` or the closure of ``key`` cannot be hashed.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def double(x):
    ...     return 2 * x
    >>> policy = ResultCache(ttl=60, store=MemoryStore())
    >>> key = policy.key(double, (21,), {})
    >>> key == policy.key(double, (), {"x": 21}), key == policy.key(double, (21.0,), {})
    (True, False)
    >>> policy.save(key, 42, now=0.0)
    >>> policy.load(key, now=59.0), policy.load(key, now=60.0)
    (Hit(value=42), None)
    """

    __slots__ = ("_key", "_settings", "store", "ttl", "version")

    depends = True  # on resources and inputs that an expression asks for which the task has given

    def __init__(
        self,
        *,
        ttl: float | None = None,
        key: Callable[..., Any] | None = None,
        store: CacheStore | None = None,
        version: Any = None,
    ) -> None:
        if ttl is not None:
            try:
                check_seconds(ttl, "ttl")
            except (TypeError, ValueError) as error:
                raise PolicyError(str(error)) from None
            if not ttl:
                raise PolicyError("expected ttl as more than 0 seconds, got 0")
        if key is not None and not callable(key):
            raise PolicyError(f"expected a function as key, got `{type(key).__name__}`")
        if isinstance(key, Task) or iscoroutinefunction(key):
            raise PolicyError(f"expected a plain function as key, got {key!r}, whose call gives no data")
        if store is not None and not all(callable(getattr(store, name, None)) for name in _STORE_METHODS):
            raise PolicyError(f"expected a store with {', '.join(_STORE_METHODS)}, got `{type(store).__name__}`")
        self.ttl = None if ttl is None else float(ttl)
        self.version = version
        self.store: CacheStore = _shared_store() if store is None else store
        self._key = key
        self._settings = fingerprint(("ResultCache", self.ttl, fingerprint(version, "version"), key is None))
        if key is not None:
            identity(key, "key")

    @property
    def blocking(self) -> bool:
        """Whether the store may take long."""
        return bool(getattr(self.store, "blocking", True))

    @property
    def place(self) -> object:
        """What makes equal keys mean the same result: the store."""
        return self.store

    def key(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Return the key of a call: 32 bytes, the same in every process.

        Args:
            task: what is called.
            args: its positional arguments.
            kwargs: its keyword arguments.

        Raises:
            CacheKeyError: an argument, or something that the task holds, cannot be hashed soundly.
        """
        for given in (*args, *kwargs.values()):
            if type(given) is Provided:
                given.outlives = self.blocking
        # What is joined is of known length, or written so that it is not the beginning of anything else.
        digest = blake2b(self._settings, digest_size=SIZE)
        digest.update(write(module_name(task.module)) + write(task.name) + identity(task.fn, task.name))
        if self._key is None:
            bound = bind(task.fn, args, kwargs)
            digest.update(len(bound.names).to_bytes(8, "big"))
            digest.update(b"".join(map(write, bound.names)))
            digest.update(b"".join(map(write, bound.values, bound.origins)))
        else:
            digest.update(identity(self._key, "key"))
            digest.update(write(self._key(*args, **kwargs), "key(...)"))
        return digest.digest()

    def __cascade_content__(self) -> dict[str, Any]:
        """For `fingerprint`: the settings. Where results are kept changes none."""
        return {"settings": self._settings, "key": self._key}

    def load(self, key: bytes, now: float) -> Hit | None:
        """Return the result under a key, if the store has one that holds at ``now`` (seconds since 1970)."""
        return self.store.get(key, now)

    def save(self, key: bytes, value: Any, now: float) -> None:
        """Keep a result from ``now`` (seconds since 1970) for as long as the policy says."""
        self.store.set(key, value, None if self.ttl is None else now + self.ttl, now)

    def check(self, task: Task) -> None:
        """Raise `CacheKeyError` if the task holds what cannot be hashed, so that no call of it could have a key."""
        if self.blocking and is_nameless(task.module):
            _tell_nameless(task)
        identity(task.fn, task.name)

    def __repr__(self) -> str:
        given = [("ttl", self.ttl), ("key", self._key), ("version", self.version)]
        shown = [f"{name}={value!r}" for name, value in given if value is not None]
        return f"ResultCache({', '.join([*shown, f'store={self.store!r}'])})"


_told: set[str] = set()


def _tell_nameless(task: Task) -> None:
    if task.name not in _told:
        _told.add(task.name)
        _logger.warning(
            "result cache: %s was typed in, and no later process will find its results; put it into a module", task.name
        )


_shared: list[MemoryStore] = []


def _shared_store() -> MemoryStore:
    if not _shared:
        # Two threads may both get here: the first one in the list is the one, and no lock is held across a fork.
        _shared.append(MemoryStore())
    return _shared[0]


@overload
def cached(fn: Callable[..., Any] | Task, /) -> Task: ...
@overload
def cached(
    fn: None = None,
    /,
    *,
    ttl: float | None = None,
    key: Callable[..., Any] | None = None,
    store: CacheStore | None = None,
    version: Any = None,
) -> Callable[[Callable[..., Any] | Task], Task]: ...


@public
def cached(
    fn: Callable[..., Any] | Task | None = None,
    /,
    *,
    ttl: float | None = None,
    key: Callable[..., Any] | None = None,
    store: CacheStore | None = None,
    version: Any = None,
) -> Task | Callable[[Callable[..., Any] | Task], Task]:
    """Make a task whose results are kept, of a function or of a task.

    Use it bare (``@cs.cached``) or with settings (``@cs.cached(ttl=60)``), alone or above ``@cs.task(...)``.

    Args:
        fn: the function or task.
        ttl: seconds for which a result holds; None: for ever.
        key: a function of the task's arguments that gives data to stand for them.
        store: where results lie; None: in a `MemoryStore` that the whole process shares.
        version: data that counts like an argument; change it to forget earlier results.

    Returns:
        The `Task`, or a decorator if ``fn`` is not given.

    Raises:
        PolicyError: a setting is not of its kind.
        CacheKeyError: the function holds what cannot be hashed.
        TaskDefinitionError: ``fn`` cannot be a task.
    """
    policy = ResultCache(ttl=ttl, key=key, store=store, version=version)

    def decorate(fn: Callable[..., Any] | Task) -> Task:
        made = fn if isinstance(fn, Task) else task(fn)
        return cast(Task, cast(Any, made).with_cache(policy))

    return decorate if fn is None else decorate(fn)
