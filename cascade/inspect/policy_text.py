"""Policies as text: short enough for one line."""

from __future__ import annotations

from numbers import Real
from typing import Any

from cascade._core.expr.policy import Retry, ScopeCache, Timeout
from cascade.graph.labels import printable, shorten

__all__ = ["amount", "describe"]

_LONGEST = 80


def describe(role: str, setting: Any) -> str:
    """Return a policy as text.

    Args:
        role: "retry", "timeout", "cache", "constraints", "concurrency" or "return_exceptions".
        setting: the policy of the call.

    >>> describe("retry", Retry(3, delay=1, on=OSError)), describe("timeout", Timeout(2, total=10))
    ('3 attempts, delay 1 s, backoff 2, on OSError', '2 s an attempt, 10 s in total')
    >>> describe("constraints", {"gpu": 1, "mem": 0.5}), describe("concurrency", 3)
    ('gpu=1, mem=0.5', '3')
    """
    if type(setting) is ScopeCache:
        setting = setting.policy
    if type(setting) is Retry:
        text = _retry(setting)
    elif type(setting) is Timeout:
        parts = (setting.seconds, "an attempt"), (setting.total, "in total")
        text = ", ".join(f"{seconds:.12g} s {what}" for seconds, what in parts if seconds is not None)
    elif role == "constraints" and type(setting) is dict:
        text = ", ".join(f"{printable(str(name))}={amount(value)}" for name, value in setting.items())
    elif role == "return_exceptions":
        text = str(setting)
    elif role == "cache":
        text = printable(type(setting).__name__)
        ttl = getattr(setting, "ttl", None)
        text += f", ttl {ttl:.12g} s" if type(ttl) in (int, float) else ""
    else:
        text = amount(setting)
    return shorten(text, _LONGEST)


def amount(value: Any) -> str:
    """Return an amount of a limit as text; "?" if it is unknown.

    >>> amount(2), amount(0.5), amount(None), amount("much")
    ('2', '0.5', '?', '`str`')
    """
    if value is None:
        return "?"
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            return f"{float(value):.12g}"
        except (OverflowError, ValueError, TypeError):
            pass
    return f"`{printable(type(value).__name__)}`"


def _retry(retry: Retry) -> str:
    parts = [f"{retry.max_attempts} attempt{'' if retry.max_attempts == 1 else 's'}"]
    if retry.delay:
        if isinstance(retry.delay, float):
            parts += [f"delay {retry.delay:.12g} s", f"backoff {retry.backoff:.12g}"]
        else:
            parts.append(f"delay by {_name(retry.delay)}")
        if retry.max_delay is not None:
            parts.append(f"at most {retry.max_delay:.12g} s")
        if retry.jitter is not None:
            parts.append(f"{retry.jitter} jitter")
    if retry.max_elapsed is not None:
        parts.append(f"within {retry.max_elapsed:.12g} s")
    for word, kinds in (("on", retry.on), ("not on", retry.give_up_on)):
        if not isinstance(kinds, tuple):
            parts.append(f"{word} {_name(kinds)}")
        elif kinds and kinds != (Exception,):
            parts.append(f"{word} {' or '.join(map(_name, kinds))}")
    return ", ".join(parts)


def _name(value: object) -> str:
    """Return the name of a class or function, as it can be shown."""
    return printable(str(getattr(value, "__name__", type(value).__name__)))
