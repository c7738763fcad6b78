"""Policies as text: short enough for one line."""

from __future__ import annotations

from numbers import Real
from typing import Any

from cascade._core.expr.policy import Retry, Timeout
from cascade.graph.labels import printable, shorten

__all__ = ["amount", "describe"]

_LONGEST = 80


def describe(role: str, setting: Any) -> str:
    """Return a policy as text.

    Args:
        role: "retry", "timeout", "cache", "constraints" or "concurrency".
        setting: the policy of the call.

    >>> describe("retry", Retry(3, delay=1, on=OSError)), describe("timeout", Timeout(2, total=10))
    ('3 attempts, delay 1 s, backoff 2, on OSError', '2 s an attempt, 10 s in total')
    >>> describe("constraints", {"gpu": 1, "mem": 0.5}), describe("concurrency", 3)
    ('gpu=1, mem=0.5', '3')
    """
    if type(setting) is Retry:
        text = _retry(setting)
    elif type(setting) is Timeout:
        parts = (setting.seconds, "an attempt"), (setting.total, "in total")
        text = ", ".join(f"{seconds:g} s {what}" for seconds, what in parts if seconds is not None)
    elif role == "constraints" and type(setting) is dict:
        text = ", ".join(f"{printable(str(name))}={amount(value)}" for name, value in setting.items())
    elif role == "cache":
        text = printable(type(setting).__name__)
        ttl = getattr(setting, "ttl", None)
        text += f", ttl {ttl:g} s" if type(ttl) in (int, float) else ""
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
        parts += [f"delay {retry.delay:g} s", f"backoff {retry.backoff:g}"]
        if retry.max_delay is not None:
            parts.append(f"at most {retry.max_delay:g} s")
        if retry.jitter is not None:
            parts.append(f"{retry.jitter} jitter")
    for word, kinds in (("on", retry.on), ("not on", retry.give_up_on)):
        if kinds and kinds != (Exception,):
            parts.append(f"{word} {' or '.join(printable(kind.__name__) for kind in kinds)}")
    return ", ".join(parts)
