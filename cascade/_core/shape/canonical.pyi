from collections.abc import Callable
from typing import Any

from cascade.graph.model import Key

def expand(
    key: bytes,
    call: Callable[[int, int], tuple[Any, int, bytes]],
    struct: Callable[[int, int], tuple[Any, int, bytes]],
    literals: Callable[[bytes], Callable[[int], tuple[int, Key]]],
    update: Callable[[bytes], object],
) -> None: ...
