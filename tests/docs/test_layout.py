"""The layout of the tests: from a file of the package, its tests are found by its path.

`cascade/a/b.py` is tested by `tests/unit/a/test_b.py` or `tests/unit/a/test_b_*.py`. Tests of what several modules do
together are in the other folders of `tests/`.
"""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import TESTS

PACKAGE = TESTS.parent / "cascade"  # the sources
UNIT = TESTS / "unit"

# A module with no more lines than this may be seen through those that use it.
SMALL = 40

# Modules whose tests are those of another one, as they are seen through it: by the file or folder of these tests.
ELSEWHERE = {
    "docs/test_platforms.py": "_support/file_lock",
    # every expression goes through them
    "language": "_core/run/evaluation _core/run/frame _core/run/operands _core/shape/template",
    "scale/test_leaks.py": "_core/run/gc_traverse",
    "unit/_core/run/test_dispatch.py": "engine/dispatch",
    "unit/_core/run/test_protocol.py": "engine/callbacks",
    "unit/_core/run/test_scheduler.py": "engine/loop_driver",
    "unit/_support/test_failures_odd.py": "workers/worker_result",
    "unit/cache/test_fingerprint.py": "cache/composites cache/scalars",
    "unit/cache/test_file_marks.py": "cache/pending_result",
    "unit/cache/test_functions.py": "cache/identity",
    "unit/cache/test_global_names.py": "cache/flow cache/origin",
    "unit/command_line/test_run.py": "command_line/app command_line/execution command_line/status command_line/target "
    "command_line/visualize command_line/json_value",
    "unit/command_line/test_program.py": "command_line/options",
    "unit/demos/fireflies/test_additive.py": "demos/fireflies/trace",
    "unit/demos/fireflies/test_show.py": "demos/fireflies/plot",
    "unit/_core/expr/test_debug.py": "engine/written",
    "unit/engine/test_awaiting.py": "engine/places engine/regions",
    "unit/engine/test_bounds.py": "engine/run_extras",
    "unit/engine/test_current.py": "_core/run/current",
    "unit/engine/test_invocation_limits.py": "engine/admission limits/limits",
    "unit/engine/test_invocation_resources.py": "resources/connected",
    "unit/engine/test_invocation_timeout.py": "clock/deadline",
    "unit/engine/test_loop_binding.py": "engine/services engine/host",
    "unit/engine/test_population.py": "engine/join",
    "unit/events/test_console.py": "events/line_limiter events/run_digest",
    "unit/events/test_log.py": "events/event events/line_writer events/subscriber",
    "unit/graph/test_kinds.py": "graph/describe _core/expr/arities",
    "unit/inspect/test_api_structural_hash.py": "_core/shape/canonical",
    "unit/inspect/test_dry_run.py": "inspect/forecast",
    "unit/inspect/test_render.py": "inspect/diagram inspect/fold",
    "unit/inspect/test_table.py": "inspect/policy_text inspect/tree",
    "unit/_core/run/test_aborting.py": "_core/run/demand _core/run/stopped",
    "unit/_core/limits/test_admission.py": "_core/limits/requests _core/limits/wait_queue limits/claim",
    "unit/engine/test_held_scope.py": "_core/run/held _core/limits/pools",
    "unit/engine/test_loop_binding_threads.py": "_support/threads",
    "unit/limits/test_capacity.py": "limits/arguments limits/snapshot",
    "unit/limits/test_rulebook.py": "limits/rule limits/rules",
    "unit/messaging/test_channel_ends.py": "_core/run/callback",
    "unit/messaging": "_core/run/mailbox",
    "unit/resources/test_registry.py": "resources/binding",
    "unit/resources/test_scope.py": "resources/generator resources/instance",
    "unit/templates/test_store.py": "templates/files",
    "unit/test_protocols.py": "cache/protocol durable/protocol messaging/protocol workers/protocol",
    "unit/workers": "workers/executors",
}
BY_MODULE = {module: where for where, names in ELSEWHERE.items() for module in names.split()}


def modules() -> dict[str, Path]:
    """The modules of the package by their path without its end, packages left out."""
    found = [path for end in ("py", "pyx") for path in PACKAGE.rglob(f"*.{end}")]
    return {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in sorted(found) if path.stem[0] != "_"}


MODULES = modules()
FILES = sorted(path.relative_to(UNIT) for path in UNIT.rglob("test_*.py"))


def found_by(module: str) -> list[Path]:
    """Give the files of tests that a module's path leads to."""
    folder, _, name = module.rpartition("/")
    own = f"test_{name}"
    return [
        path for path in FILES if path.parent == Path(folder) and (path.stem == own or path.stem.startswith(f"{own}_"))
    ]


def test_each_file_of_tests_belongs_to_a_module() -> None:
    assert set(FILES) == {path for module in MODULES for path in found_by(module)}


def test_each_module_has_tests() -> None:
    long = {name for name, path in MODULES.items() if len(path.read_text(encoding="utf-8").splitlines()) > SMALL}
    assert {name for name in long - set(BY_MODULE) if not found_by(name)} == set()


def test_what_is_listed_is_there() -> None:
    assert set(BY_MODULE) <= set(MODULES)
    assert all((TESTS / where).exists() for where in ELSEWHERE)
    assert not [name for name in BY_MODULE if found_by(name)], "their paths lead to tests: they need not be listed"


# Files that stand for any file, or that a program of a test may find.
NO_FILES = {"setup.py", "sitecustomize.py", "test_b.py", "b.py", "elsewhere.py"}
# Names of built-in nodes, and of the host in URLs.
NO_MODULES = {"cascade.recv", "cascade.send", "cascade.example"}
NAMES = {
    path.name
    for folder in ("cascade", "tests", "benchmarks", "examples")
    for path in (TESTS.parent / folder).rglob("*.p*")
}


def texts(path: Path) -> Iterator[str]:
    """Yield the string literals of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def is_there(name: str) -> bool:
    """Whether a dotted name is one of a module of the package, or of something in it."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.relative_to(TESTS).as_posix())
def test_modules_and_files_that_a_test_names_are_there(path: Path) -> None:
    """A test that looks for a module under a name of before finds nothing, and passes.

    A test that writes files names them as it likes.
    """
    writes = re.search(r"\btmp_path|\bwrite_text\(", path.read_text(encoding="utf-8")) is not None
    for text in texts(path):
        dotted = set(re.findall(r"\bcascade(?:\.\w+)+", text)) - NO_MODULES
        assert [name for name in sorted(dotted) if not is_there(name)] == []
        files = {name.rpartition("/")[2] for name in re.findall(r"[\w/]*\w\.(?:pyx|pyi|pxd|py)\b", text)}
        assert writes or sorted(files - NO_FILES - NAMES) == []
