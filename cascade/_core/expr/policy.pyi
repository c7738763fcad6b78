from collections.abc import Callable, Sequence
from typing import Literal

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.operators import Operable

_Exceptions = type[BaseException] | Sequence[type[BaseException]]

@disjoint_base
class Retry:
    def __init__(
        self,
        max_attempts: int = 3,
        delay: float = 0,
        backoff: float = 2,
        max_delay: float | None = None,
        jitter: Literal["full"] | None = None,
        on: _Exceptions = ...,
        give_up_on: _Exceptions = (),
    ) -> None: ...
    @property
    def max_attempts(self) -> int: ...
    @property
    def delay(self) -> float: ...
    @property
    def backoff(self) -> float: ...
    @property
    def max_delay(self) -> float | None: ...
    @property
    def jitter(self) -> Literal["full"] | None: ...
    @property
    def on(self) -> tuple[type[BaseException], ...]: ...
    @property
    def give_up_on(self) -> tuple[type[BaseException], ...]: ...
    def wants(self, error: BaseException) -> bool: ...
    def pause(self, attempt: int, random: Callable[[], float]) -> float: ...

@disjoint_base
class Timeout:
    def __init__(self, seconds: float | None = None, total: float | None = None) -> None: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def total(self) -> float | None: ...

class Governable(Operable):
    def with_retry(
        self,
        max_attempts: int = 3,
        delay: float = 0,
        backoff: float = 2,
        max_delay: float | None = None,
        jitter: Literal["full"] | None = None,
        on: _Exceptions = ...,
        give_up_on: _Exceptions = (),
    ) -> LazyResult: ...
    def with_timeout(self, seconds: float | None = None, total: float | None = None) -> LazyResult: ...
    def with_cache(self, policy: object) -> LazyResult: ...
    def with_constraints(self, **amounts: float | LazyResult) -> LazyResult: ...
