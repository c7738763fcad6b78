"""Any sequence of subscriptions, emissions and cancellations, also from inside subscribers, gives what a list would."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from cascade.events import (
    CacheHit,
    Event,
    NodeEvent,
    NodeFailed,
    NodeStarted,
    ResourceReleased,
    RunEvent,
    RunFinished,
    RunStarted,
    Subscription,
)
from support.event_samples import Stage, events_of

TYPES = st.sampled_from(
    [Event, RunEvent, NodeEvent, RunStarted, NodeFailed, (NodeFailed, RunEvent), (NodeEvent, CacheHit), (RunFinished,)]
)
KINDS = [RunStarted, RunFinished, NodeStarted, NodeFailed, CacheHit, ResourceReleased]
EVENTS = st.sampled_from(KINDS).flatmap(events_of)

# What may be done from outside, or by a subscriber when it is told of an event.
ACTION = st.one_of(
    st.tuples(st.just("emit"), EVENTS),
    st.tuples(st.just("subscribe"), TYPES),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("raise"), st.sampled_from([ValueError, KeyError])),
)
LIMIT = 60
"""Events that one example emits: each may cause more."""


@dataclass
class Listener:
    types: tuple[type[Event], ...]
    script: list[list[tuple[str, object]]]
    alive: bool = True
    told: int = 0


@dataclass
class Model:
    """The slow way: every emission notes who was there; every delivery looks who still is."""

    scripts: list[list[list[tuple[str, object]]]]
    listeners: list[Listener] = field(default_factory=list)
    waiting: list[tuple[Event, list[int]]] = field(default_factory=list)
    trace: list[tuple[int, Event]] = field(default_factory=list)
    reports: list[tuple[int, type[BaseException]]] = field(default_factory=list)
    emitted: int = 0

    def outside(self, actions: list[tuple[str, object]]) -> None:
        for action in actions:
            self.act(-1, *action)
            while self.waiting:
                event, there = self.waiting.pop(0)
                for index in there:
                    self.deliver(index, event)

    def deliver(self, index: int, event: Event) -> None:
        listener = self.listeners[index]
        if listener.alive:
            self.trace.append((index, event))
            turn, listener.told = listener.told, listener.told + 1
            for action in listener.script[turn] if turn < len(listener.script) else ():
                if not self.act(index, *action):
                    break

    def act(self, who: int, verb: str, what: object) -> bool:
        match verb, what:
            case "emit", Event() as event:
                if self.emitted < LIMIT:
                    self.emitted += 1
                    there = [n for n, each in enumerate(self.listeners) if each.alive and isinstance(event, each.types)]
                    self.waiting.append((event, there))
            case "subscribe", types:
                script = self.scripts[len(self.listeners) % len(self.scripts)]
                self.listeners.append(Listener(types if isinstance(types, tuple) else (types,), script))
            case "cancel", int(index):
                if index < len(self.listeners):
                    self.listeners[index].alive = False
            case "raise", error:
                if who >= 0:
                    if (who, error) not in self.reports:
                        self.reports.append((who, error))
                    return False
        return True


class Real:
    """The bus itself, driven by the same actions."""

    def __init__(self, scripts: list[list[list[tuple[str, object]]]]) -> None:
        self.scripts = scripts
        self.stage = Stage()
        self.subscriptions: list[Subscription[Event]] = []
        self.trace: list[tuple[int, Event]] = []
        self.emitted = 0

    def outside(self, actions: list[tuple[str, object]]) -> None:
        for action in actions:
            self.act(-1, *action)

    def subscribe(self, types: type[Event]) -> None:
        index = len(self.subscriptions)
        script = iter(self.scripts[index % len(self.scripts)])

        def told(event: Event) -> None:
            self.trace.append((index, event))
            for action in next(script, ()):
                self.act(index, *action)

        self.subscriptions.append(self.stage.events.subscribe(types, told))

    def act(self, who: int, verb: str, what: object) -> None:
        match verb, what:
            case "emit", Event() as event:
                if self.emitted < LIMIT:
                    self.emitted += 1
                    self.stage.emit(event)
            case "subscribe", types:
                self.subscribe(types)
            case "cancel", int(index):
                if index < len(self.subscriptions):
                    self.subscriptions[index].cancel()
            case "raise", error:
                if who >= 0:
                    raise error(who)


SCRIPT = st.lists(st.lists(ACTION, max_size=3), max_size=4)


@given(st.lists(SCRIPT, min_size=1, max_size=5), st.lists(ACTION, max_size=25))
def test_the_bus_does_what_a_list_would(
    scripts: list[list[list[tuple[str, object]]]], actions: list[tuple[str, object]]
) -> None:
    model, real = Model(scripts), Real(scripts)
    actions = [("subscribe", Event), ("subscribe", NodeEvent), *actions]
    model.outside(actions)
    real.outside(actions)
    assert real.trace == model.trace
    assert [(error.args[0], type(error)) for _, error in real.stage.reports] == model.reports
    for kind in KINDS:
        wanted = any(each.alive and issubclass(kind, each.types) for each in model.listeners)
        assert real.stage.events.wants(kind) == wanted
