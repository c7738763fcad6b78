"""Each Python module of the package lists in `__all__` the names for other modules, and each of them exists."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from docs.test_import_rule import FILES, PACKAGE, module_of


def only_describes(path: Path) -> bool:
    """Whether a file, such as the `__init__.py` of a folder, is nothing but a docstring."""
    return len(ast.parse(path.read_text()).body) == 1


MODULES = [path for path in FILES if path.suffix == ".py" and not only_describes(path)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_lists_its_names(path: Path) -> None:
    module = import_module(module_of(path))
    assert "__all__" in vars(module), "give the module an `__all__`, if need be an empty one"
    names = module.__all__
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(module, name), name
