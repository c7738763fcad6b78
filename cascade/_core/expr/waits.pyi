from datetime import datetime, timedelta
from typing import TypeAlias

from cascade._core.expr.lazy import LazyResult
from cascade._core.time.durations import Duration

_LazyDuration: TypeAlias = LazyResult[float] | LazyResult[timedelta]

def wait(seconds: Duration | _LazyDuration) -> float: ...
def wait_until(instant: float | datetime | LazyResult[float] | LazyResult[datetime]) -> float: ...
def ticks(period: Duration | _LazyDuration, *, offset: Duration | _LazyDuration = 0.0) -> float: ...
