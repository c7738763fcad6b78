"""The import rule: a folder imports folders of lower layers only, and nothing imports in a circle.

`TYPE_CHECKING` imports, imports in functions, stubs and `cimport`s count as well, and so do modules that a literal
names: in `import_module("...")`, or in a table of names that are imported on first access.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cascade as cs

PACKAGE = Path(__file__).parents[2] / "cascade"

LAYERS = [
    ["exceptions", "_version"],
    ["_core", "extras"],
    ["_support"],
    ["graph", "expressions", "clock", "messaging", "cache", "workers", "durable"],
    ["templates", "limits", "resources", "events"],
    ["engine"],
    ["inspect", "testing"],
    ["", "protocols"],  # "": cascade/__init__.py
    ["demos"],
    ["command_line"],
    ["__main__"],
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}

# `cs.cli` makes a command of a target: imported when it is first asked for, by `cascade/__init__.py`.
EXCEPTION = ("cascade", "cascade.command_line.program")

# The imports of stubs that close a circle: of types that need each other.
STUBS = {
    "cascade._core.expr.lazy": "cascade._core.expr.task",  # a lazy result has its task, which makes lazy results
    "cascade._core.expr.policy": "cascade._core.expr.lazy",  # a lazy result has methods that make lazy results
    "cascade._core.expr.operators": "cascade._core.expr.lazy",  # and operators
    "cascade._core.run.scheduler": "cascade._core.run.protocol",  # a scheduler has callbacks, which get its waiters
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


FILES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyi", ".pyx", ".pxd"))
MODULES = {module_of(path) for path in FILES}


COMPILED_IMPORT = re.compile(
    r"(?:^|;)[ \t]*(?:from[ \t]+(?P<base>[\w.]+)[ \t]+c?import[ \t]*(?P<names>\([^)]*\)|[^;\n]+)"
    r"|c?import[ \t]+(?P<modules>[^;\n]+))",
    re.MULTILINE,
)


def compiled_imports(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the imports of Cython code, which `ast` does not read: a module, and what is taken from it."""
    text = re.sub(r"#.*", "", text).replace("\\\n", " ")
    for found in COMPILED_IMPORT.finditer(text):
        listed = (found["names"] or found["modules"]).strip("() \t\n").split(",")
        names = [part.split()[0] for part in listed if part.strip()]
        if found["base"]:
            yield found["base"], names
        else:
            yield from ((name, []) for name in names)
    for name in re.findall(r"""(?:\bimport_module|__import__)\(\s*["']([\w.]+)["']""", text):
        yield name, []


def python_imports(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the imports of Python code, and the modules that are named by literals.

    These are in calls of `import_module`, and in dicts: the tables of `lazy_names`.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), [alias.name for alias in node.names]
        elif isinstance(node, ast.Dict):
            yield from (
                (each.value, []) for each in node.values if isinstance(each, ast.Constant) and each.value in MODULES
            )
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                yield str(node.args[0].value), []


def imports_in(text: str, compiled: bool) -> Iterator[str]:
    """Yield the modules of the package that a text imports, by name.

    Raises:
        ValueError: an import is relative.
    """
    for base, names in compiled_imports(text) if compiled else python_imports(text):
        if base.startswith("."):
            raise ValueError(f"relative import of {base}: name the module in full")
        if base.partition(".")[0] == "cascade":
            full = [f"{base}.{name}" for name in names]
            yield from (name if name in MODULES else base for name in full or [base])


def imports_of(path: Path) -> Iterator[str]:
    return imports_in(path.read_text(encoding="utf-8"), path.suffix in (".pyx", ".pxd"))


IMPORTS = {path: sorted({name for name in imports_of(path) if (module_of(path), name) != EXCEPTION}) for path in FILES}


def folder_of(module: str) -> str:
    return [*module.split("."), ""][1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_folder_imports_lower_layers_only(path: Path) -> None:
    own = folder_of(module_of(path))
    for name in IMPORTS[path]:
        other = folder_of(name)
        assert own == other or LAYER[other] < LAYER[own], f"{path.relative_to(PACKAGE)} imports {name}"


def test_every_folder_has_a_layer() -> None:
    assert {folder_of(module) for module in MODULES} == set(LAYER)


def test_no_circles() -> None:
    """Not of files of one folder either. A compiled file, its header and its stub are one module."""
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for path, names in IMPORTS.items():
        own = module_of(path)
        if path.suffix == ".pyi":
            assert own not in STUBS or STUBS[own] in names, "no exception is needed"
            names = [name for name in names if name != STUBS.get(own)]
        graph[own] |= {name for name in names if name != own and name in MODULES}
    done: set[str] = set()
    trail: list[str] = []

    def visit(module: str) -> None:
        if module in done:
            return
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        trail.append(module)
        for name in sorted(graph[module]):
            visit(name)
        done.add(trail.pop())

    for module in sorted(graph):
        visit(module)


def test_only_these_await() -> None:
    """Coroutines are where an event loop is: elsewhere code is sync, so that it can be read and tested as such."""
    allowed = {"engine", "clock", "messaging", "limits", "resources", "cache.single_flight", "testing", "demos"}
    allowed.add("_support.boundary")  # it wraps coroutine functions of those
    awaiting = set()
    for path in FILES:
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) or (
                    isinstance(node, ast.comprehension) and node.is_async
                ):
                    awaiting.add(module_of(path).removeprefix("cascade."))
    assert {name for name in awaiting if not {name, name.partition(".")[0]} & allowed} == set()
    assert {name for name in allowed if not any(f"{each}.".startswith(f"{name}.") for each in awaiting)} == set()


@pytest.mark.parametrize(
    ("text", "compiled"),
    [
        ("import cascade.extras, cascade.engine.run", False),
        ("def f():\n    from cascade.engine import run", False),
        ("from importlib import import_module\nimport_module('cascade.engine.run')", False),
        ("import importlib\nimportlib.import_module('cascade.engine.run')", False),
        ("_LATER = {'Run': 'cascade.engine.run'}", False),
        ("import cascade.extras, cascade.engine.run", True),
        ("from cascade.engine cimport join, run", True),
        ("from cascade.engine cimport (  # some (of them)\n    join,\n    run,\n)", True),
        ("from cascade.engine cimport join, \\\n    run as other", True),
        ("cdef int x = 0; cimport cascade.engine.run", True),
        ("    import os; from cascade.engine.run import Run", True),
        ("__import__('cascade.engine.run')", True),
    ],
)
def test_an_import_is_seen_however_it_is_written(text: str, compiled: bool) -> None:
    assert "cascade.engine.run" in set(imports_in(text, compiled))


@pytest.mark.parametrize(
    ("text", "compiled"),
    [
        ("from . import run", False),
        ("from ..engine.run import Run", False),
        ("import_module('.run', __package__)", False),
        ("from . cimport run", True),
        ("from ..engine.run cimport Run", True),
        ("import_module('.run', __package__)", True),
    ],
)
def test_relative_imports_are_refused(text: str, compiled: bool) -> None:
    with pytest.raises(ValueError, match="relative"):
        list(imports_in(text, compiled))


def test_what_names_no_module_is_no_import() -> None:
    assert list(imports_in("@public_in('cascade.engine')\nclass A: ...\nlogger = get('cascade')", False)) == []
    assert list(imports_in("# import cascade.engine\nfrom os cimport x", True)) == []


def test_demos_use_public_names_only() -> None:
    """They show what users can write."""
    for path in FILES:
        if folder_of(module_of(path)) == "demos":
            names = {name for name in IMPORTS[path] if folder_of(name) != "demos"}
            assert names <= {"cascade", "cascade.extras"}, path
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cs":
                    assert node.attr in cs.__all__, f"{path}: {node.attr}"
