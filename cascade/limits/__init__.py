"""Admission of calls: how many run at once and how often they start. Limits, rules and pauses.

Limits              what users change and the engine asks         limits.py
Request, Grant      what a call asks for, and what it holds       request.py
AdmissionQueue      requests that wait, granted in order          admission.py, claim.py, wait_queue.py
Rulebook            which rules and pauses apply to a call        rulebook.py, rule.py, selector.py
Pool, Rate          amounts in use; a token bucket                capacity.py, rate.py, units.py
Timetable           when rules expire and rates have a token      timetable.py
LimitState          one row of `Limits.snapshot`                  snapshot.py
"""

from __future__ import annotations

from cascade._support.lazy_names import lazy_names
from cascade.limits.limits import Limits
from cascade.limits.request import EMPTY_GRANT, UNLIMITED, Grant, Request
from cascade.limits.snapshot import LimitState

__all__ = ["EMPTY_GRANT", "UNLIMITED", "Grant", "LimitState", "Limits", "Request"]
__getattr__, __dir__ = lazy_names(__name__, {}, __all__)
