from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

@disjoint_base
class Proof:
    def __init__(self, key: bytes, structs: tuple[type, ...]) -> None: ...
    def holds(
        self,
        call: Callable[[int, int], tuple[Any, int, bytes]],
        struct: Callable[[int, int], tuple[Any, int, bytes]],
        literals: Callable[[bytes], Callable[[int], tuple[int, Any]]],
        graph: Any,
        plan: Any,
        native: bool = False,
    ) -> bool: ...
