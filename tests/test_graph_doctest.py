"""The examples in the docstrings of `cascade.graph`."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import cascade.graph


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(cascade.graph.__path__)])
def test_examples(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(f"cascade.graph.{name}"))
    assert not failed
