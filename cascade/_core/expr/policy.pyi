from collections.abc import Callable, Sequence
from typing import Any, Literal

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult

_Exceptions = type[BaseException] | Sequence[type[BaseException]]
_Predicate = Callable[[Exception], object]
_Delay = Callable[[int, Exception], float]

@disjoint_base
class Retry:
    def __init__(
        self,
        max_attempts: int = 3,
        delay: float | _Delay = 0,
        backoff: float = 2,
        max_delay: float | None = None,
        jitter: Literal["full"] | None = None,
        on: _Exceptions | _Predicate = ...,
        give_up_on: _Exceptions | _Predicate = (),
        max_elapsed: float | None = None,
    ) -> None: ...
    @property
    def max_attempts(self) -> int: ...
    @property
    def delay(self) -> float | _Delay: ...
    @property
    def backoff(self) -> float: ...
    @property
    def max_delay(self) -> float | None: ...
    @property
    def jitter(self) -> Literal["full"] | None: ...
    @property
    def on(self) -> tuple[type[BaseException], ...] | _Predicate: ...
    @property
    def give_up_on(self) -> tuple[type[BaseException], ...] | _Predicate: ...
    @property
    def max_elapsed(self) -> float | None: ...
    def wants(self, error: BaseException) -> bool: ...
    def pause(self, attempt: int, error: BaseException, random: Callable[[], float]) -> float: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@disjoint_base
class Timeout:
    def __init__(self, seconds: float | None = None, total: float | None = None) -> None: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def total(self) -> float | None: ...

@disjoint_base
class ScopeCache:
    def __init__(self, policy: object, expression: object) -> None: ...
    @property
    def policy(self) -> Any: ...
    @property
    def expression(self) -> Any: ...

class Governable:
    def with_retry(
        self,
        max_attempts: int = 3,
        delay: float | _Delay = 0,
        backoff: float = 2,
        max_delay: float | None = None,
        jitter: Literal["full"] | None = None,
        on: _Exceptions | _Predicate = ...,
        give_up_on: _Exceptions | _Predicate = (),
        max_elapsed: float | None = None,
    ) -> LazyResult: ...
    def with_timeout(self, seconds: float | None = None, total: float | None = None) -> LazyResult: ...
    def with_cache(self, policy: object) -> LazyResult: ...
    def with_constraints(self, **amounts: float | LazyResult) -> LazyResult: ...
