from typing import Any, TypeVar, final

_T = TypeVar("_T")

@final
class Data:
    def __init__(self, value: object) -> None: ...
    @property
    def value(self) -> Any: ...

def data(value: _T) -> _T: ...  # it stands for the value, as a call does
