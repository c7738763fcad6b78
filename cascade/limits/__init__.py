"""Admission of calls: how much they use, how many run at once and how often they start. Limits, rules and pauses.

Limits              what users change and the engine asks         limits.py, arguments.py
Request, Grant      what a call asks for, and what it holds       cascade._core.limits.requests
AdmissionQueue      requests that wait, granted in order          cascade._core.limits.admission, claim.py
Rules               rules and pauses as they come and go          rules.py, rule.py, selector.py
Rulebook            which of them apply to a call                 rulebook.py
Pool, Rate          amounts in use; a token bucket                cascade._core.limits.pools, capacity.py, rate.py
Timetable           when rules expire and rates have enough       timetable.py
LimitState          one row of `Limits.snapshot`                  snapshot.py
"""

from __future__ import annotations

from cascade._core.limits.requests import EMPTY_GRANT, UNLIMITED, Grant, Request
from cascade._support.lazy_names import lazy_names
from cascade.limits.limits import Limits
from cascade.limits.snapshot import LimitState

__all__ = ["EMPTY_GRANT", "UNLIMITED", "Grant", "LimitState", "Limits", "Request"]
__getattr__, __dir__ = lazy_names(__name__, {}, __all__)
