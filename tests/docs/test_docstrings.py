"""The examples in docstrings are found and true, those of the compiled modules included."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import cascade
import cascade._core

COMPILED = sorted(
    found.name.removeprefix("cascade._core.")
    for found in pkgutil.walk_packages(cascade._core.__path__, "cascade._core.")
    if not found.ispkg
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples_of(module: ModuleType) -> dict[str, str]:
    """Give the docstrings with examples of a compiled module, which `doctest` finds only in part."""
    found = {"": module.__doc__ or ""}
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) not in (module.__name__, "cascade"):
            continue
        found[name] = value.__doc__ or ""
        if inspect.isclass(value):
            found |= {f"{name}.{inner}": member.__doc__ or "" for inner, member in vars(value).items()}
    return {name: text for name, text in found.items() if type(text) is str and ">>>" in text}


@pytest.mark.parametrize("name", COMPILED)
def test_examples_in_compiled_modules(name: str) -> None:
    module = importlib.import_module(f"cascade._core.{name}")
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for where, text in examples_of(module).items():
        parsed = doctest.DocTestParser().get_doctest(text, vars(module).copy(), f"{name}.{where}", None, None)
        runner.run(parsed)
    assert runner.failures == 0


def test_compiled_modules_have_examples() -> None:
    assert "LazyResult" in examples_of(importlib.import_module("cascade._core.expr.lazy"))
    assert "task" in examples_of(importlib.import_module("cascade._core.expr.task"))


@pytest.mark.parametrize("name", COMPILED)
def test_every_compiled_module_says_what_it_is_for(name: str) -> None:
    module = importlib.import_module(f"cascade._core.{name}")
    assert (module.__doc__ or "").strip()
    home = Path(inspect.getfile(cascade._core)).parent / name.replace(".", "/")
    assert home.with_suffix(".pyi").exists() or home.with_suffix(".py").exists()
