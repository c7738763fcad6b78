from typing import Any

from typing_extensions import disjoint_base

from cascade._core.containers import ContainerSearch
from cascade._core.lazy import LazyResult

@disjoint_base
class Extraction(ContainerSearch): ...

def structure(target: LazyResult) -> tuple[bytes, list[Any]]: ...
