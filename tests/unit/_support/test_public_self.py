"""Whatever a method of a compiled class is called on: it says so, and reads no memory of something else."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import cascade as cs
import cascade._core

HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement of Python


class Claims:
    """Says that it is a lazy result."""

    __class__ = cs.LazyResult  # type: ignore[assignment]


def classes() -> Iterator[type]:
    """All classes that compiled modules define: types of C, whose instances have no `__dict__` and `__module__`."""
    for found in pkgutil.walk_packages(cascade._core.__path__, "cascade._core."):
        module = importlib.import_module(found.name)
        for thing in [*vars(module).values()]:
            if isinstance(thing, type) and not thing.__flags__ & HEAP and thing.__module__.startswith("cascade"):
                yield thing


def methods() -> dict[str, Any]:
    """What their instances are called on, by the name of class and method."""
    found = {}
    for kind in classes():
        for name, method in vars(kind).items():
            if (
                callable(method)
                and not isinstance(method, type | staticmethod)
                and name not in ("__new__", "__class_getitem__")
            ):
                found[f"{kind.__name__}.{name}"] = method
    return found


METHODS = methods()


def test_there_are_methods_of_both_kinds() -> None:
    kinds = {type(method).__name__ for method in METHODS.values()}
    assert {"method_descriptor", "wrapper_descriptor"} <= kinds
    assert len(METHODS) > 150 and {"Task.map", "LazyResult.after", "Mailbox.send"} <= METHODS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_refuses_what_it_is_not_for(name: str) -> None:
    method = METHODS[name]
    for wrong in (3, None, "text", object(), Claims(), Claims):
        for count in range(9):
            with pytest.raises(TypeError):
                method(wrong, *[cs.wait(0)] * count)
