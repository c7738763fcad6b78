"""Events made up for tests: of every class, and something to emit them from."""

from __future__ import annotations

from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from cascade.events import EVENTS, Event, Events, NodeFinished

FINITE = st.floats(0, 1e9)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def _values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a field of an event."""
    if type(None) in get_args(kind):
        return st.none() | _values(next(each for each in get_args(kind) if each is not type(None)))
    if kind == dict[str, str]:
        return st.dictionaries(TEXTS, TEXTS, max_size=2)
    if get_origin(kind) is not None:
        return st.sampled_from(get_args(kind))
    return {float: FINITE, int: st.integers(0, 2**53), str: TEXTS}[kind]


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    """Any event of a class."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: _values(hints[name]) for name in kind.__struct_fields__})


ANY_EVENT: st.SearchStrategy[Event] = st.sampled_from(EVENTS).flatmap(events_of)


class Stage:
    """What an engine is to its subscribers: something with events. Keeps what is reported."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, BaseException]] = []
        self.changes = 0
        self.events = Events(self._changed, lambda message, error: self.reports.append((message, error)))

    def _changed(self) -> None:
        self.changes += 1

    def emit(self, *events: Event) -> None:
        for event in events:
            self.events.emit(event)


def finished(number: int, **fields: Any) -> NodeFinished:
    """An event that a number tells from others."""
    given = {"time": float(number), "run": 1, "task": "jobs.add", "path": "$", "iteration": 0, "seconds": 0.5}
    return NodeFinished(**{**given, "node": number, **fields})
