from asyncio import Future
from collections import deque
from collections.abc import AsyncIterable, Iterable
from typing import Any, Final, final

from typing_extensions import disjoint_base

@disjoint_base
class Const:
    def __init__(self, value: object) -> None: ...
    @property
    def value(self) -> Any: ...

@disjoint_base
class MarkedSeries:
    def __init__(self, value: object) -> None: ...
    @property
    def value(self) -> Any: ...

END: Final[object]

@final
class Feed:
    room: int
    wanted: Future[None] | None
    @property
    def iterables(self) -> list[AsyncIterable[Any]]: ...
    @property
    def rows(self) -> deque[list[Any]]: ...

@disjoint_base
class Zipped:
    def __init__(self, names: tuple[str, ...], values: list[Iterable[Any]]) -> None: ...
