"""The cache policy whose key is a digest of the task and its arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import lru_cache
from hashlib import blake2b
from inspect import iscoroutinefunction
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from cascade._core.expr.policy import hint_if_lazy
from cascade._core.expr.task import Task, task
from cascade._core.time.durations import Duration, as_seconds
from cascade._support.boundary import boundary
from cascade._support.public import public
from cascade.cache.arguments import bind
from cascade.cache.fingerprint import fingerprint, write
from cascade.cache.identity import identity, keyed_identity
from cascade.cache.memory_store import MemoryStore
from cascade.cache.origin import is_nameless, module_name
from cascade.cache.protocol import CacheStore, Hit
from cascade.cache.resource_keys import ResourceKey
from cascade.cache.scalars import SIZE
from cascade.exceptions import PolicyError

if TYPE_CHECKING:
    from cascade._core.expr.lazy import LazyResult
    from cascade._core.expr.task import _F, _Decorator, _GenericTask

__all__ = ["ResultCache", "cached"]

P = ParamSpec("P")
R = TypeVar("R")

_logger = logging.getLogger("cascade")

_STORE_METHODS = ("get", "set", "delete", "clear", "close")


@public
class ResultCache:
    """Keeps the results of a task: a call that is equal to an earlier one does not run.

    Two calls are equal if the task has the same module and name, the same code, the same data in its closure and
    defaults, and gets the same arguments; and if their policies have the same settings.

    Args:
        ttl: seconds for which a result is valid, > 0; None: without end.
        key: a function that takes the arguments of the task and returns data that counts instead of them. A method's
            key function whose first parameter is named as the method's (``self``) takes the instance as well, which
            then does not count beside the key. Task and code count, too, and of closure, defaults and instance what
            can be hashed.
        store: keeps the results, such as a `MemoryStore` or a `DiskStore`; None: a `MemoryStore` that the whole process
            shares.
        version: data that counts like an argument. A change of it invalidates earlier results.

    Raises:
        PolicyError: a setting is not valid.
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

    @boundary
    def __init__(
        self,
        *,
        ttl: Duration | None = None,
        key: Callable[..., Any] | None = None,
        store: CacheStore | None = None,
        version: Any = None,
    ) -> None:
        if ttl is not None:
            try:
                ttl = as_seconds(ttl, "ttl")
            except (TypeError, ValueError) as error:
                raise PolicyError(f"{error}{hint_if_lazy(ttl)}") from None
            if not ttl:
                raise PolicyError("ttl must be > 0 seconds, got 0")
        if key is not None and not callable(key):
            raise PolicyError(f"key must be a function, got `{type(key).__name__}`")
        if isinstance(key, Task) or iscoroutinefunction(key):
            raise PolicyError(f"key must be a plain function, got {key!r}, which returns no data when called")
        if store is not None and not all(callable(getattr(store, name, None)) for name in _STORE_METHODS):
            raise PolicyError(f"store must have {', '.join(_STORE_METHODS)}, got `{type(store).__name__}`")
        self.ttl = ttl
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
        """The store: equal keys of policies with the same store mean the same result."""
        return self.store

    def key(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Return the key of a call: 32 bytes, the same in every process.

        Args:
            task: the task that is called.
            args: its positional arguments.
            kwargs: its keyword arguments.

        Raises:
            CacheKeyError: an argument, or data that the task holds, cannot be hashed.
        """
        for given in (*args, *kwargs.values()):
            if type(given) is ResourceKey:
                given.outlives = self.blocking
        # The joined parts have a known length, or are encoded so that none is a prefix of another.
        digest = blake2b(self._settings, digest_size=SIZE)
        digest.update(_written(module_name(task.module), task.name) + self._identity(task))
        if task._definition()[0] == "scope" and self._key is None:  # noqa: SLF001 - a node of the engine
            # The argument is the expression. Its params and variables count by their values, as a second key has them.
            digest.update(write(args[0], "scope", inputs=True))
        elif self._key is None:
            bound = bind(task.fn, args, kwargs)
            digest.update(len(bound.names).to_bytes(8, "big") + _written(*bound.names))
            digest.update(b"".join(map(write, bound.values, bound.origins)))
        else:
            digest.update(identity(self._key, "key"))
            if (method := self._method(task.fn)) is not None:
                args = (method.__self__, *args)
            digest.update(write(self._key(*args, **kwargs), "key(...)"))
        return digest.digest()

    def __cascade_content__(self) -> dict[str, Any]:
        """Return the settings, for `fingerprint`. The store does not count."""
        return {"settings": self._settings, "key": self._key}

    def load(self, key: bytes, now: float) -> Hit | None:
        """Return the result of a key, if the store has one that is valid at ``now`` (seconds since 1970)."""
        return self.store.get(key, now)

    def save(self, key: bytes, value: Any, now: float) -> None:
        """Store a result at ``now`` (seconds since 1970) for the ttl of the policy."""
        self.store.set(key, value, None if self.ttl is None else now + self.ttl, now)

    def check(self, task: Task) -> None:
        """Raise `CacheKeyError` if the task holds data that cannot be hashed, so that none of its calls has a key."""
        if self.blocking and is_nameless(task.module):
            _warn_nameless(task)
        self._identity(task)

    def _identity(self, task: Task) -> bytes:
        if self._key is None:
            return identity(task.fn, task.name)
        method = self._method(task.fn)
        return keyed_identity(task.fn if method is None else method.__func__, task.name)

    def _method(self, fn: Any) -> MethodType | None:
        """Return a method whose instance the key function takes: its first parameter has the name of the method's."""
        if type(fn) is not MethodType or type(fn.__func__) is not FunctionType or type(self._key) is not FunctionType:
            return None
        own, asked = fn.__func__.__code__, self._key.__code__
        return fn if own.co_argcount > 0 < asked.co_argcount and own.co_varnames[0] == asked.co_varnames[0] else None

    def __repr__(self) -> str:
        given = [("ttl", self.ttl), ("key", self._key), ("version", self.version)]
        shown = [f"{name}={value!r}" for name, value in given if value is not None]
        return f"ResultCache({', '.join([*shown, f'store={self.store!r}'])})"


@lru_cache(4096)
def _written(*names: str) -> bytes:
    """Return the joined encodings of names, which are the same at each call of a task."""
    return b"".join(map(write, names))


_warned: set[str] = set()


def _warn_nameless(task: Task) -> None:
    if task.name not in _warned:
        _warned.add(task.name)
        _logger.warning(
            "result cache: %s was typed in at a prompt, so no later process finds its results; put it into a module",
            task.name,
        )


_shared: list[MemoryStore] = []


def _shared_store() -> MemoryStore:
    if not _shared:
        # Two threads may both append: the first store counts. No lock, which a fork might copy in a locked state.
        _shared.append(MemoryStore())
    return _shared[0]


@overload
def cached(fn: _F, /) -> _GenericTask[_F]: ...
@overload
def cached(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
@overload
def cached(fn: Callable[P, LazyResult[R]], /) -> Task[P, R]: ...
@overload
def cached(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def cached(
    fn: None = None,
    /,
    *,
    ttl: Duration | None = None,
    key: Callable[..., Any] | None = None,
    store: CacheStore | None = None,
    version: Any = None,
) -> _Decorator: ...


@public
def cached(
    fn: Callable[..., Any] | Task | None = None,
    /,
    *,
    ttl: Duration | None = None,
    key: Callable[..., Any] | None = None,
    store: CacheStore | None = None,
    version: Any = None,
) -> Any:
    """Make a task with a result cache, of a function or of a task.

    Use it bare (``@cs.cached``) or with settings (``@cs.cached(ttl=60)``), alone or above ``@cs.task(...)``.

    Args:
        fn: the function or task.
        ttl: seconds for which a result is valid, > 0; None: without end.
        key: a function that takes the arguments of the task, of a method also ``self`` if its first parameter has that
            name, and returns data that counts instead of them.
        store: keeps the results; None: a `MemoryStore` that the whole process shares.
        version: data that counts like an argument; a change of it invalidates earlier results.

    Returns:
        The `Task`, or a decorator if ``fn`` is not given.

    Raises:
        PolicyError: a setting is not valid.
        CacheKeyError: the function holds data that cannot be hashed.
        TaskDefinitionError: ``fn`` cannot be a task.
    """
    policy = ResultCache(ttl=ttl, key=key, store=store, version=version)

    def decorate(fn: Callable[..., Any] | Task) -> Task:
        made: Task = fn if isinstance(fn, Task) else task(fn)
        return made.with_cache(policy)

    return decorate if fn is None else decorate(fn)
