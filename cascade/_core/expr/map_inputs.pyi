from collections.abc import Iterable
from typing import Any

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

@disjoint_base
class Zipped:
    def __init__(self, names: tuple[str, ...], values: list[Iterable[Any]]) -> None: ...
