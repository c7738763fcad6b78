from typing import Any

from cascade._core.expr.lazy import _LazyValue

def attr(value: object, name: str) -> _LazyValue[Any]: ...
