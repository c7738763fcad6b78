"""Rules and pauses of an engine: how they are added, changed and removed, and expire."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cascade._core.limits.admission import AdmissionQueue
from cascade._core.limits.units import UNIT
from cascade.limits.capacity import Concurrency
from cascade.limits.rate import RateRule
from cascade.limits.rule import Pause, Priority, Rule
from cascade.limits.rulebook import Rulebook
from cascade.limits.timetable import Timetable

if TYPE_CHECKING:
    from cascade.clock.timers import Timers
    from cascade.limits.selector import Selector

__all__ = ["Rules"]

R = TypeVar("R", bound=Rule)


class Rules:
    """The rules and pauses of an engine, which expire, and the queue of the requests that wait for them.

    Args:
        timers: the engine's clock.
        changed: called when `active` has changed.

    Attributes:
        active: whether there are rules or pauses, so that each call needs admission.
        admission: the queue of the requests that wait.
        book: the rules and pauses, found by the names of a call.
    """

    __slots__ = ("_changed", "_timers", "active", "admission", "book")

    def __init__(self, timers: Timers, changed: Callable[[], None]) -> None:
        self.active = False
        self.book = Rulebook()
        self.admission = AdmissionQueue(self.book, timers, Timetable, self.remove)
        self._timers = timers
        self._changed = changed

    def set_concurrency(self, selector: Selector, most: int, lifetime: int | None) -> None:
        """Add or change a rule of how many calls run at once. ``most``: in units; ``lifetime``: in nanoseconds."""
        if self.book.get("concurrency", selector.text) is None:
            self._add(Concurrency(selector, most), lifetime)
        else:
            pool = self._existing("concurrency", selector, Concurrency)
            pool.capacity = most
            self._expire_after(pool, lifetime)
            self.admission.supply_changed(pool)

    def set_rate(self, selector: Selector, text: str, burst: int, lifetime: int | None) -> None:
        """Add or change a rule of how often calls start. ``burst``: in calls; ``lifetime``: in nanoseconds."""
        now = self._timers.now()
        if self.book.get("rate", selector.text) is None:
            self._add(RateRule(selector, text, burst, now), lifetime)
        else:
            rate = self._existing("rate", selector, RateRule)
            rate.change(text, burst * UNIT, now)
            self._expire_after(rate, lifetime)
            self.admission.supply_changed(rate)

    def set_priority(self, selector: Selector, priority: float, lifetime: int | None) -> None:
        """Add or change a rule of which calls go first. ``lifetime``: in nanoseconds."""
        if self.book.get("priority", selector.text) is None:
            self._add(Priority(selector, priority), lifetime)
        else:
            rule = self._existing("priority", selector, Priority)
            rule.priority = priority
            self._expire_after(rule, lifetime)
            self.admission.rule_changed(rule)

    def pause(self, selector: Selector, lifetime: int | None) -> None:
        """Add a pause, or let the one that there is last for another time. ``lifetime``: in nanoseconds."""
        if self.book.get("pause", selector.text) is None:
            pause = Pause(selector)
            self.book.add(pause)
            self._expire_after(pause, lifetime)
            self.admission.pause_added()
            self._update_active()
        else:
            self._expire_after(self._existing("pause", selector, Pause), lifetime)

    def remove(self, rules: list[Rule]) -> None:
        """Remove rules, and let the calls go on that they held up."""
        for rule in rules:
            self.book.discard(rule)
            self.admission.timetable.expiries.discard(rule)
        self.admission.rules_removed(rules)
        self._update_active()

    def _existing(self, kind: str, selector: Selector, cls: type[R]) -> R:
        rule = self.book.get(kind, selector.text)
        assert isinstance(rule, cls)
        return rule

    def _add(self, rule: Rule, lifetime: int | None) -> None:
        self.book.add(rule)
        self._expire_after(rule, lifetime)
        self.admission.rule_added(rule)
        self._update_active()

    def _expire_after(self, rule: Rule, lifetime: int | None) -> None:
        """Let a rule expire after `lifetime` nanoseconds, or never; after 0, at once and before it has any effect."""
        expiries = self.admission.timetable.expiries
        if lifetime is None:
            expiries.discard(rule)
        else:
            expiries.add(rule, self._timers.now() + lifetime)
        self.admission.catch_up()

    def _update_active(self) -> None:
        active = len(self.book) > 0
        if active is not self.active:
            self.active = active
            self._changed()
