"""How much may run at once, and how often: limits, rules and pauses.

    Limits        what users change and the engine asks          limits.py
    Demand, Grant what a call wants, and what it was given       demand.py
    Turnstile     who waits, and whose turn it is                turnstile.py
    Rules         which rules and pauses hold for a call         rules.py, scope.py
    Pool, Rate    what there is at once; how often               pool.py, rate.py
    LimitState    what people are shown                          state.py
"""

from __future__ import annotations

from cascade.limits.limits import Limits
from cascade.limits.request import NOTHING, Demand, Grant
from cascade.limits.snapshot import LimitState

__all__ = ["NOTHING", "Demand", "Grant", "LimitState", "Limits"]
