from datetime import timedelta
from typing import TypeAlias

Duration: TypeAlias = float | timedelta

def as_seconds(duration: Duration, what: str) -> float: ...
