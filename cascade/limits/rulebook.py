"""Rules: what holds for a call beside what it asks for itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from cascade.limits.selector import run_name, task_names

if TYPE_CHECKING:
    from cascade.limits.capacity import Concurrency
    from cascade.limits.rate import Rate
    from cascade.limits.request import Claim
    from cascade.limits.selector import Scope

__all__ = ["NO_RULES", "Found", "Pause", "Rule", "Rules"]

_KEPT = 4096  # answers that are remembered, of tasks and of runs


class Rule:
    """What holds for all calls in a scope.

    Attributes:
        scope: which calls.
    """

    __slots__ = ()  # each kind has its own: some are more than a rule

    kind = ""
    scope: Scope


class Pause(Rule):
    """No call of the scope starts.

    Attributes:
        parked: the claims that wait for its end, as far as they have come up. They stand in no line.
    """

    __slots__ = ("parked", "scope")

    kind = "pause"

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.parked: dict[Claim, None] = {}

    def reason(self) -> str:
        """What somebody is told who must wait for its end."""
        return f"paused: {self.scope.text}"


class Found(NamedTuple):
    """The rules that hold for one call."""

    pools: tuple[Concurrency, ...]
    rates: tuple[Rate, ...]
    pauses: tuple[Pause, ...]


NO_RULES = Found((), (), ())


class Rules:
    """The rules and pauses of an engine, found by the names of a call.

    What was found for a task or a run is remembered until a rule comes or goes. A scope without wildcards is found by
    a look into a table: pauses of very many single runs cost the others nothing.

    Attributes:
        version: another number each time that a rule comes or goes.
    """

    __slots__ = ("_by_run", "_by_task", "_named", "_rules", "_wild", "version")

    def __init__(self) -> None:
        self.version = 0
        self._rules: dict[tuple[str, str], Rule] = {}
        self._named: dict[str, dict[Rule, None]] = {}
        self._wild: dict[Rule, None] = {}
        self._by_task: dict[tuple[str, str], Found] = {}
        self._by_run: dict[int, tuple[Rule, ...]] = {}

    def get(self, kind: str, scope: str) -> Rule | None:
        """The rule of a kind for exactly this scope."""
        return self._rules.get((kind, scope))

    def add(self, rule: Rule) -> None:
        """Have it hold from now on."""
        self._rules[rule.kind, rule.scope.text] = rule
        if rule.scope.wild:
            self._wild[rule] = None
        else:
            self._named.setdefault(rule.scope.text, {})[rule] = None
        self._changed()

    def discard(self, rule: Rule) -> None:
        """Have it hold no more."""
        del self._rules[rule.kind, rule.scope.text]
        if rule.scope.wild:
            del self._wild[rule]
        else:
            named = self._named[rule.scope.text]
            del named[rule]
            if not named:
                del self._named[rule.scope.text]
        self._changed()

    def find(self, task: str, qualname: str, run: int) -> Found:
        """The rules that hold for a call of a task in a run, each once."""
        if not self._rules:
            return NO_RULES
        found = self._by_task.get((task, qualname))
        if found is None:
            found = self._remember_task(task, qualname)
        of_run = self._by_run.get(run)
        if of_run is None:
            of_run = self._remember_run(run)
        if not of_run:
            return found
        return _sorted((*found.pools, *found.rates, *found.pauses, *of_run))

    def _remember_task(self, task: str, qualname: str) -> Found:
        if len(self._by_task) >= _KEPT:
            self._by_task.clear()
        found = self._by_task[task, qualname] = _sorted(self._matching(task_names(task, qualname)))
        return found

    def _remember_run(self, run: int) -> tuple[Rule, ...]:
        if len(self._by_run) >= _KEPT:
            self._by_run.clear()
        found = self._by_run[run] = tuple(self._matching((run_name(run),)))
        return found

    def _matching(self, names: tuple[str, ...]) -> dict[Rule, None]:
        found: dict[Rule, None] = {}
        for name in names:
            found |= self._named.get(name, {})
        for rule in self._wild:
            if any(rule.scope.matches(name) for name in names):
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


def _sorted(rules: Iterable[Rule]) -> Found:
    """Rules by kind, each once."""
    kinds: dict[str, list[Rule]] = {"concurrency": [], "rate": [], "pause": []}
    for rule in dict.fromkeys(rules):
        kinds[rule.kind].append(rule)
    return Found(*(tuple(of_kind) for of_kind in kinds.values()))  # type: ignore[arg-type]
