"""One list of the names that users may rely on."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import cascade as cs

FUNCTIONS = {
    "Env", "Inject", "Param", "Router", "cached", "cli", "const", "dry_run", "explain", "from_json", "gather", "inject",
    "pipeline", "preload", "resource", "run", "select", "sequence", "structural_hash", "task", "to_json",
    "visualize", "wait",
}  # fmt: skip
CLASSES = {
    "Channel", "Clock", "DiskStore", "DryRun", "Engine", "EventConsole", "EventLog", "EventLogger", "FileExists", "Hit",
    "LazyResult", "LocalConnector", "MemoryState", "MemoryStore", "Picture", "Population", "PopulationCounts",
    "Received", "Restart", "ResultCache", "Run", "Shape", "Task", "TemplateStats", "Templates", "VirtualLoop",
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
    public = {name for name in dir(cs) if not name.startswith("_") and not inspect.ismodule(getattr(cs, name))}
    public -= {"annotations", "import_module", "Any", "Callable", "TYPE_CHECKING"}
    assert public == ALL


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
