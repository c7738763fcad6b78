from typing import Any

from typing_extensions import disjoint_base

@disjoint_base
class Timer: ...

@disjoint_base
class Clock:
    def time(self) -> int: ...
    def next_deadline(self) -> int | Any: ...  # None if no timer is set, which callers know by the length
    def __len__(self) -> int: ...

def monotonic_seconds() -> float: ...
