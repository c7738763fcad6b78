from typing import Any

from typing_extensions import disjoint_base

from cascade._core.lazy import LazyResult

@disjoint_base
class Extraction: ...

def structure(target: LazyResult) -> tuple[bytes, list[Any]]: ...
