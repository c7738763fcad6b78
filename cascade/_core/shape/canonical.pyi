from collections.abc import Callable
from typing import Any

def expand(
    key: bytes,
    call: Callable[[int, int], tuple[Any, int, bytes]],
    struct: Callable[[int, int], tuple[Any, int, bytes]],
    literals: Callable[[bytes], Callable[[int], tuple[int, Any]]],
    update: Callable[[bytes], object],
) -> None: ...
