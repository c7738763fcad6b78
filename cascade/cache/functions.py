"""Functions as data: their code, and the objects that they hold.

The code of a function is its bytecode, constants and names, those of inner functions included, without line numbers and
file name. Its globals are not included: `global_names` finds them.
"""

from __future__ import annotations

import re
import sys
import weakref
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Generic, TypeGuard, TypeVar

from cascade.cache.origin import module_name
from cascade.cache.scalars import ABSENT, BoundFunction, Used

__all__ = ["Codes", "callable_code", "code_parts", "function_parts", "holds_nothing"]

ADDRESS = re.compile(" at 0x[0-9a-fA-F]+")

# A tag, the parts, and a function that returns the path of the i-th part.
Parts = tuple[bytes, list[Any], Callable[[int], str]]


D = TypeVar("D")


class Codes(Generic[D]):
    """A cache of facts about code objects, which never change; an entry lives as long as its code object."""

    def __init__(self) -> None:
        # By id, with a weak reference that removes the entry: as dict keys, code objects would compare all constants.
        self._known: dict[int, tuple[weakref.ref[CodeType], D]] = {}

    def get(self, code: CodeType) -> D | None:
        """Return the fact about a code object, or None."""
        found = self._known.get(id(code))
        return found[1] if found is not None and found[0]() is code else None

    def add(self, code: CodeType, fact: D) -> None:
        """Store the fact about a code object."""
        known = self._known
        place = id(code)

        def forget(reference: weakref.ref[CodeType]) -> None:
            # Another code object may have the same id by now.
            if (found := known.get(place)) is not None and found[0] is reference:
                del known[place]

        known[place] = weakref.ref(code, forget), fact

    def __len__(self) -> int:
        return len(self._known)


def code_parts(code: CodeType) -> Parts:
    """Return the parts of a code object that determine its behaviour."""
    parts = [
        # Another version of Python has other instructions for the same bytes.
        sys.implementation.cache_tag,
        code.co_code,
        code.co_exceptiontable,
        code.co_consts,
        code.co_names,
        code.co_varnames,
        code.co_cellvars,
        code.co_freevars,
        code.co_flags,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_name,
        code.co_qualname,
    ]
    return b"code", parts, lambda i: ".co_consts" if i == 3 else ""


def holds_nothing(fn: Any) -> TypeGuard[FunctionType]:
    """Whether a callable is a function without closure, defaults and attributes: its code and names determine it."""
    return (
        type(fn) is FunctionType
        and not fn.__closure__
        and not fn.__defaults__
        and not fn.__kwdefaults__
        and not fn.__dict__
        and type(fn.__globals__.get("__name__")) is str
    )


def function_parts(fn: FunctionType) -> Parts:
    """Return the parts of a function: its code, the module of its globals, and the data that it holds."""
    names = fn.__code__.co_freevars
    kwdefaults = sorted(fn.__kwdefaults__.items()) if fn.__kwdefaults__ else []
    module = fn.__globals__.get("__name__")
    module = module_name(module) if type(module) is str else ABSENT
    # A task may read docstring and annotations of a function argument, such as to describe a tool to a model.
    described = Used((module_name(fn.__module__), fn.__doc__, _annotations(fn)))
    parts: list[Any] = [fn.__code__, module, fn.__qualname__, fn.__name__, described, fn.__defaults__]
    labels = ["", ".__globals__['__name__']", ".__qualname__", ".__name__", "", ".__defaults__"]
    attributes = sorted(fn.__dict__.items(), key=lambda item: str(item[0]))
    for kind, items in (("kwdefaults", kwdefaults), ("dict", attributes)):
        parts.append(len(items))
        labels.append("")
        for name, value in items:
            parts += name, value
            labels += "", f".__{kind}__[{name!r}]"
    for name, cell in zip(names, fn.__closure__ or (), strict=True):
        try:
            parts.append(cell.cell_contents)
        except ValueError:
            parts.append(ABSENT)
        labels.append(f".__closure__[{name!r}]")
    return b"function", parts, labels.__getitem__


def _annotations(fn: FunctionType) -> Any:
    """Return the annotations of a function without evaluating them."""
    if (annotate := getattr(fn, "__annotate__", None)) is not None:  # from Python 3.14 on
        return annotate
    return tuple([(name, _shown(given)) for name, given in fn.__annotations__.items()])


def _shown(annotation: Any) -> str:
    """Return an annotation as text without memory addresses."""
    try:
        return annotation if type(annotation) is str else ADDRESS.sub("", repr(annotation))
    except Exception:  # its `__repr__` may raise anything
        return type(annotation).__qualname__


def method_parts(method: MethodType) -> Parts:
    """Return the function and the object of a bound method."""
    return b"method", [method.__func__, method.__self__], (".__func__", ".__self__").__getitem__


def builtin_parts(fn: BuiltinFunctionType) -> Parts:
    """Return the object and the name of a bound method written in C, such as ``[].append``."""
    return b"builtin method", [fn.__self__, fn.__name__], (".__self__", ".__name__").__getitem__


def is_plain_builtin(fn: BuiltinFunctionType) -> bool:
    """Whether a function written in C belongs to a module, not to an object."""
    return fn.__self__ is None or type(fn.__self__) is ModuleType


def partial_parts(value: partial[Any]) -> Parts:
    """Return the function and the arguments of a `functools.partial`."""
    parts = [value.func, value.args, value.keywords, value.__dict__]
    return b"partial", parts, (".func", ".args", ".keywords", ".__dict__").__getitem__


def lru_parts(value: Any) -> Parts:
    """Return the function of a `functools.lru_cache`, and the parameters of the cache."""
    own = {name: item for name, item in vars(value).items() if name != "cache_parameters"}
    return b"lru_cache", [own, value.cache_parameters()], (".__dict__", ".cache_parameters()").__getitem__


def callable_code(fn: Any) -> list[FunctionType | BoundFunction]:
    """Return the functions that a call of `fn` runs and that are not parts of `fn` as data.

    A class counts by its name, and so does the class of an instance. If a call runs methods of a class, their code
    counts, too.
    """
    if isinstance(fn, type):
        methods = [getattr(fn, name, None) for name in ("__new__", "__init__", "__post_init__")]
    elif isinstance(fn, (FunctionType, MethodType, BuiltinFunctionType, partial)):
        methods = []
    else:
        call = type(fn).__call__
        return [BoundFunction(call, (fn,))] if isinstance(call, FunctionType) else []
    return [method for method in methods if isinstance(method, FunctionType)]
