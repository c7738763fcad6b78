"""One list of the names that users may rely on."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pickle
import pickletools
import pkgutil
import pydoc
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

import cascade as cs
from cascade.cache.file_exists import _NotMade
from cascade.engine.run_as_future import NotEndedError
from cascade.workers.process_pool import WorkerDiedError

FUNCTIONS = {
    "Env", "Inject", "Param", "Router", "arun", "attr", "cached", "cli", "const", "current", "data", "dry_run", "emit",
    "explain", "fallback", "from_json", "gather", "inject", "lazy", "outcome", "pipeline", "preload", "race", "recover",
    "register_key", "resource", "run", "scope", "select", "sequence", "structural_hash", "task", "ticks",
    "to_json", "visualize", "wait", "wait_until",
}  # fmt: skip
CLASSES = {
    "Channel", "Clock", "DiskStore", "DryRun", "Engine", "EventConsole", "EventLog", "EventLogger", "FileExists", "Hit",
    "LazyResult", "LocalConnector", "MemoryState", "MemoryStore", "Outcome", "Picture", "Population",
    "PopulationCounts", "Received", "Restart", "ResultCache", "Run", "Shape", "Task", "TemplateStats", "Templates",
    "VirtualLoop",
    "CurrentCall", "RunIdentity",
}  # fmt: skip
PROTOCOLS = {"CachePolicy", "CacheStore", "Connector", "Executor", "Solver", "StateBackend"}
EXCEPTIONS = {
    "CacheKeyError": (cs.CascadeError, TypeError),
    "CascadeError": Exception,
    "ChannelClosedError": cs.CascadeError,
    "ChannelFullError": cs.CascadeError,
    "DeadlockError": (cs.CascadeError, RuntimeError),
    "EngineClosedError": (cs.CascadeError, RuntimeError),
    "EngineStateError": (cs.CascadeError, RuntimeError),
    "InputError": (cs.CascadeError, ValueError),
    "InternalError": cs.CascadeError,
    "LimitError": (cs.CascadeError, ValueError),
    "MapError": (cs.CascadeError, ValueError),
    "PolicyError": (cs.CascadeError, TypeError),
    "ResourceError": (cs.CascadeError, LookupError),
    "RouteError": (cs.CascadeError, LookupError),
    "RunDeadlineError": (cs.RunLimitError, TimeoutError),
    "RunLimitError": (cs.CascadeError, RuntimeError),
    "StructureError": (cs.CascadeError, ValueError),
    "TargetError": (cs.CascadeError, TypeError),
    "TaskArgumentError": (cs.CascadeError, TypeError),
    "TaskDefinitionError": (cs.CascadeError, TypeError),
    "TaskSkippedError": cs.CascadeError,
    "TaskTimeoutError": (cs.CascadeError, TimeoutError),
    "TemplateError": (cs.CascadeError, ValueError),
    "VirtualTimeError": (cs.CascadeError, RuntimeError),
    "WorkerError": (cs.CascadeError, RuntimeError),
}
VALUES = {"SKIPPED"}
ALL = FUNCTIONS | CLASSES | PROTOCOLS | VALUES | set(EXCEPTIONS)


def test_all_names_are_there_and_no_others() -> None:
    assert set(cs.__all__) == ALL
    assert len(cs.__all__) == len(set(cs.__all__))
    assert dir(cs) == sorted(ALL)


# What a user sees who types a dot after one of these.
VISIBLE = {
    cs.Engine: {
        "aclose", "as_completed", "call_threadsafe", "clock", "close", "drain", "emit", "events", "join", "limits",
        "new_loop", "override", "random", "register", "resources", "run", "runs", "start", "start_many", "submit",
        "templates",
    },
    cs.Run: {"add_done_callback", "cancel", "cancelled", "doing", "done", "exception", "id", "iterations", "name",
        "remove_done_callback", "result", "state", "tags"},
    cs.Population: {"add", "cancel", "counts", "done", "failed", "runs"},
    cs.Channel: {
        "capacity", "close", "closed", "drain", "dropped", "name", "overflow", "put", "receive", "recv", "send",
        "unreceive",
    },
    cs.Task: {
        "fn", "is_async", "map", "mode", "module", "name", "with_cache", "with_constraints", "with_retry",
        "with_timeout",
    },
    cs.LazyResult: {
        "after", "args", "fallback", "kwargs", "outcome", "policies", "recover", "run_if", "task", "with_cache",
        "with_constraints", "with_retry", "with_timeout",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", VISIBLE, ids=lambda kind: kind.__name__)
def test_objects_show_what_is_documented_and_nothing_else(kind: type) -> None:
    async def made() -> object:
        engine = cs.Engine()
        lazy = cs.wait(0)
        run = engine.start(lazy)
        found = [engine, run, engine.start_many([lazy]), cs.Channel(), cs.task(len), lazy]
        await engine.aclose()
        return next(each for each in found if type(each) is kind)

    seen = {name for name in dir(asyncio.run(made())) if not name.startswith("_")}
    assert seen == VISIBLE[kind]
    assert all(inspect.getdoc(getattr(kind, name, None)) or name in (kind.__doc__ or "") for name in seen)


@pytest.mark.parametrize("name", sorted(ALL - VALUES))
def test_every_name_says_where_it_is_found(name: str) -> None:
    """For tracebacks, pickles and `help`; wherever its file is."""
    assert getattr(cs, name).__module__ == "cascade"


PACKAGES = [
    "cascade.events", "cascade.inspect", "cascade.limits", "cascade.protocols", "cascade.resources", "cascade.testing",
    "cascade.testing.conformance",
]  # fmt: skip


@pytest.mark.parametrize("module", PACKAGES)
def test_names_of_other_public_modules_say_where_they_are_found(module: str) -> None:
    found = importlib.import_module(module)
    assert dir(found) == sorted(found.__all__)  # and no module that it imports
    for name in found.__all__:
        thing = getattr(found, name)
        if isinstance(thing, type) or inspect.isroutine(thing):
            where = thing.__module__
            assert where in (module, "cascade", *PACKAGES), name
            assert getattr(importlib.import_module(where), name) is thing


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (cs.Channel, "capacity=None, overflow='error', *, name=None"),
        (cs.Outcome, "value=None, error=None, skipped=False"),
        (cs.const, "value"),
    ],
    ids=lambda part: getattr(part, "__name__", None),
)
def test_compiled_classes_say_how_they_are_called(kind: type, arguments: str) -> None:
    assert str(inspect.signature(kind)) == f"({arguments})"
    assert f"{kind.__name__}({arguments})" in pydoc.plain(pydoc.render_doc(kind))


def test_every_public_function_has_a_signature() -> None:
    for name in FUNCTIONS:
        assert inspect.signature(getattr(cs, name)).parameters or name == "current"


class Shop:
    """Has tasks, which are pickled by name."""

    @cs.task
    def sell(self) -> None: ...

    @classmethod
    @cs.task
    def make(cls) -> None: ...

    @staticmethod
    @cs.task
    def count() -> None: ...

    @staticmethod
    @cs.task
    def take(*values: object, **names: object) -> None: ...


def expressions() -> list[cs.LazyResult]:
    """A lazy result of each kind, and what a policy, a container and data look like in one."""
    call: Any = Shop.take
    cache = cs.FileExists("never made")
    policies = call().with_retry(on=OSError).with_timeout(1).with_cache(cache).with_constraints(gpu=1)
    return [
        cs.Param("n"), cs.Param("n", type=int, default=1), cs.Env("HOME", description="text"), cs.inject("db"),
        policies, call(-call(), call()[1:2], [call()], {"a": call()}), call(cs.data(call())), call.map(x=[1]),
        call.map(x=cs.data([call()]), y=cs.const(2)), cs.gather(call(), return_exceptions=True), cs.sequence([call()]),
        cs.Router(call(), {1: call()}), call().run_if(call(), otherwise=2).after(call()), cs.attr(call(), "x"),
        cs.recover(call(), Shop.take), cs.fallback(call(), 1), cs.outcome(call()), cs.race(call()), cs.wait(1),
        cs.scope(call()).with_cache(cache), cs.wait_until(1), cs.ticks(1), call(cs.wait(timedelta(1))),
    ]  # fmt: skip


def test_pickles_name_no_private_path() -> None:
    shape = cs.from_json(cs.to_json([Shop.count(), cs.wait(1)]))
    plan = cs.dry_run([cs.Param("n", default=1), cs.wait(1)])
    limits = cs.Engine(limits={"gpu": 2}).limits.snapshot()
    things = [
        cs.SKIPPED, cs.Received.make(1, False, 0.5, None), cs.gather, cs.Hit(1), shape, plan, limits, Shop.sell,
        Shop.count, Shop.__dict__["make"].__func__, *expressions(),
    ]  # fmt: skip
    for thing in things:
        pickled = pickle.dumps(thing, 2)  # in which each name is one argument, "module name"
        names = [str(argument) for code, argument, _ in pickletools.genops(pickled) if code.name == "GLOBAL"]
        assert names
        for module, _, name in (each.partition(" ") for each in names):
            assert module in ("cascade", *PACKAGES) or not module.startswith("cascade"), name
            assert "._" not in f".{name}"
        loaded = pickle.loads(pickled)
        assert type(loaded) in (cs.Received, cs.LazyResult) or loaded == thing
    assert len(limits) == 1 and plan.nodes and plan.inputs


def test_the_import_loads_no_asyncio() -> None:
    code = "import sys, cascade; dir(cascade); print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_kinds() -> None:
    assert all(callable(getattr(cs, name)) for name in FUNCTIONS)
    assert all(isinstance(getattr(cs, name), type) for name in CLASSES | PROTOCOLS)
    assert type(cs.__version__) is str


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exceptions(name: str) -> None:
    kind = getattr(cs, name)
    bases = EXCEPTIONS[name]
    for base in bases if isinstance(bases, tuple) else (bases,):
        assert issubclass(kind, base)
    assert kind.__doc__


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_name_is_explained(name: str) -> None:
    assert inspect.getdoc(getattr(cs, name))


def test_the_import_is_light() -> None:
    """One dependency, and nothing that only the command line or the pictures need."""
    code = "import sys, cascade; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "cascade" in loaded
    assert not loaded & {"cyclopts", "rich", "matplotlib", "numpy", "yaml", "tomllib", "unittest"}


# Classes that no user sees: what raises them is Cascade, and so is what catches them.
INTERNAL = {"NestedRewriteError", "NotOurs", "Unhashable"}
# What the command line and the demo print as text, the converter's error, which is the cause of another one, and the
# traceback of a worker, which is a cause, too.
PRINTED = {"ConversionError", "RemoteTraceback", "SettingsError", "UsageError"}


def test_exceptions_that_users_see_name_no_private_module() -> None:
    found = set()
    for module in pkgutil.walk_packages(cs.__path__, "cascade."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseException) and value.__module__.startswith("cascade."):
                found.add((value.__module__, value.__qualname__))
    private = {name for module, name in found if module not in ("cascade.extras", "cascade.protocols")}
    assert private == INTERNAL | PRINTED


@pytest.mark.parametrize(
    "error",
    [NotEndedError("run 7 has not ended"), WorkerDiedError("it died"), _NotMade(2, "not written", "a.csv")],
    ids=lambda error: type(error).__qualname__,
)
def test_an_exception_that_is_shown_as_one_of_its_bases_is_pickled_as_that(error: BaseException) -> None:
    error.add_note("where")
    unpickled = pickle.loads(pickle.dumps(error))
    base, kind = type(unpickled), type(error)
    assert base is not kind and issubclass(kind, base)
    assert (base.__module__, base.__qualname__) == (kind.__module__, kind.__qualname__)
    assert str(unpickled) == str(error) and unpickled.__notes__ == ["where"]
