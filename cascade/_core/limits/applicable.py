"""The rules that apply to one call."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["NO_RULES", "ApplicableRules"]


class ApplicableRules(NamedTuple):
    """The rules that apply to one call, by kind; the rules themselves are those of `cascade.limits`."""

    pools: tuple[Any, ...]
    rates: tuple[Any, ...]
    priorities: tuple[Any, ...]
    pauses: tuple[Any, ...]


NO_RULES = ApplicableRules((), (), (), ())
