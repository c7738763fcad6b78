"""What runs, waits or is subscribed is neither pickled nor copied, not even in part."""

from __future__ import annotations

import copy
import gc
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from cascade.events import RunFinished
from support.tasks import give

MAKERS: dict[str, Callable[[cs.Engine], Any]] = {
    "Engine": lambda engine: engine,
    "Run": lambda engine: engine.start(give(1)),
    "Population": lambda engine: engine.start_many([give(1)]),
    "AsCompleted": lambda engine: engine.as_completed([give(1)]),
    "Limits": lambda engine: engine.limits,
    "Events": lambda engine: engine.events,
    "Subscription": lambda engine: engine.events.subscribe(RunFinished, print),
    "EventLog": lambda engine: cs.EventLog(io.StringIO()).attach(engine),
    "EventLogger": lambda engine: cs.EventLogger().attach(engine),
    "Channel": lambda engine: cs.Channel(),
    "Templates": lambda engine: cs.Templates(),
}
WAYS: dict[str, Callable[[Any], Any]] = {"pickle": pickle.dumps, "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MAKERS)
async def test_the_error_names_what_it_was(name: str, way: str) -> None:
    async with cs.Engine() as engine:
        made = MAKERS[name](engine)
        with pytest.raises(TypeError, match=f"[`']{name}[`']"):
            WAYS[way](made)
        gc.collect()
        assert await engine.run(give(2)) == 2
        if name in ("EventLog", "EventLogger"):
            made.close()
