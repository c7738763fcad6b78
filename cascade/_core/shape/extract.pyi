from typing import Any

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult
from cascade._core.shape.containers import ContainerSearch

@disjoint_base
class Extraction(ContainerSearch): ...

def finds_lazy(value: object) -> bool: ...
def structure(target: LazyResult) -> tuple[bytes, list[Any]]: ...
