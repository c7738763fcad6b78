"""The rulebook: which rules and pauses apply to a call, beside the amounts that it asks for itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cascade._core.limits.applicable import NO_RULES, ApplicableRules
from cascade.limits.selector import run_name, task_names

if TYPE_CHECKING:
    from cascade._core.limits.requests import Request
    from cascade.limits.rule import Rule

__all__ = ["Rulebook"]

_CACHE_SIZE = 4096  # cached answers of tasks, and as many of runs


class Rulebook:
    """The rules and pauses of an engine, found by the names of a call.

    Answers are cached for each task and run until a rule is added or removed. A selector without wildcards is found
    by a dict lookup, so that pauses of very many single runs do not slow down the others.

    Attributes:
        version: incremented each time a rule is added or removed.
    """

    __slots__ = ("_by_run", "_by_task", "_named", "_rules", "_wild", "version")

    def __init__(self) -> None:
        self.version = 0
        self._rules: dict[tuple[str, str], Rule] = {}
        self._named: dict[str, dict[Rule, None]] = {}
        self._wild: dict[Rule, None] = {}
        self._by_task: dict[tuple[str, str], ApplicableRules] = {}
        self._by_run: dict[int, tuple[Rule, ...]] = {}

    def get(self, kind: str, selector: str) -> Rule | None:
        """Return the rule of a kind with exactly this selector, or None."""
        return self._rules.get((kind, selector))

    def add(self, rule: Rule) -> None:
        """Add a rule."""
        self._rules[rule.kind, rule.selector.text] = rule
        if rule.selector.wild:
            self._wild[rule] = None
        else:
            self._named.setdefault(rule.selector.text, {})[rule] = None
        self._changed()

    def discard(self, rule: Rule) -> None:
        """Remove a rule."""
        del self._rules[rule.kind, rule.selector.text]
        if rule.selector.wild:
            del self._wild[rule]
        else:
            named = self._named[rule.selector.text]
            del named[rule]
            if not named:
                del self._named[rule.selector.text]
        self._changed()

    def find(self, task: str, qualname: str, run: int, names: tuple[str, ...] = ()) -> ApplicableRules:
        """Return the rules that apply to calls of a task in a run, each once.

        Args:
            task: the module and qualified name of the task.
            qualname: its qualified name.
            run: the number of the run.
            names: what else selectors match for the run: see `label_names`.
        """
        if not self._rules:
            return NO_RULES
        found = self._by_task.get((task, qualname))
        if found is None:
            found = self._find_for_task(task, qualname)
        of_run = self._by_run.get(run)
        if of_run is None:
            of_run = self._find_for_run(run, names)
        if not of_run:
            return found
        return _sorted((*found.pools, *found.rates, *found.priorities, *found.pauses, *of_run))

    def selects(self, rule: Rule, request: Request) -> bool:
        """Whether the selector of a rule, which need not be one of these, matches the calls of a request."""
        names = (*task_names(request.task, request.qualname), run_name(request.run), *request.names)
        return any(rule.selector.matches(name) for name in names)

    def _find_for_task(self, task: str, qualname: str) -> ApplicableRules:
        if len(self._by_task) >= _CACHE_SIZE:
            self._by_task.clear()
        found = self._by_task[task, qualname] = _sorted(self._matching(task_names(task, qualname)))
        return found

    def _find_for_run(self, run: int, names: tuple[str, ...]) -> tuple[Rule, ...]:
        if len(self._by_run) >= _CACHE_SIZE:
            self._by_run.clear()
        found = self._by_run[run] = tuple(self._matching((run_name(run), *names)))
        return found

    def _matching(self, names: tuple[str, ...]) -> dict[Rule, None]:
        found: dict[Rule, None] = {}
        for name in names:
            found |= self._named.get(name, {})
        for rule in self._wild:
            if any(rule.selector.matches(name) for name in names):
                found[rule] = None
        return found

    def _changed(self) -> None:
        self.version += 1
        self._by_task.clear()
        self._by_run.clear()

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())

    def __len__(self) -> int:
        return len(self._rules)


def _sorted(rules: Iterable[Rule]) -> ApplicableRules:
    """Group rules by kind, each once."""
    kinds: dict[str, list[Rule]] = {"concurrency": [], "rate": [], "priority": [], "pause": []}
    for rule in dict.fromkeys(rules):
        kinds[rule.kind].append(rule)
    return ApplicableRules(*(tuple(of_kind) for of_kind in kinds.values()))
