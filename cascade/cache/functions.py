"""Functions as data: their code, and all that they hold.

The code of a function is its bytecode, constants and names, those of functions inside it too; neither line numbers nor
the file it stands in. What a function finds in its module by name is not in it.
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

# Parts: a tag, the parts, and how to say where the i-th of them is.
Parts = tuple[bytes, list[Any], Callable[[int], str]]


D = TypeVar("D")


class Codes(Generic[D]):
    """What is known of code objects that were met, for as long as these live. Code never changes."""

    def __init__(self) -> None:
        # By id, with a reference that clears it: code objects compare all their constants when they are dict keys.
        self._known: dict[int, tuple[weakref.ref[CodeType], D]] = {}

    def get(self, code: CodeType) -> D | None:
        """Return what is known of a code object, or None."""
        found = self._known.get(id(code))
        return found[1] if found is not None and found[0]() is code else None

    def add(self, code: CodeType, fact: D) -> None:
        """Remember something of a code object."""
        known = self._known
        place = id(code)

        def forget(reference: weakref.ref[CodeType]) -> None:
            # The place may have been taken by another one meanwhile.
            if (found := known.get(place)) is not None and found[0] is reference:
                del known[place]

        known[place] = weakref.ref(code, forget), fact

    def __len__(self) -> int:
        return len(self._known)


def code_parts(code: CodeType) -> Parts:
    """Return what makes a code object do what it does."""
    parts = [
        # The same bytes are other instructions to another version of Python.
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
    """Whether a callable is a function that is nothing but its code and its names."""
    return (
        type(fn) is FunctionType
        and not fn.__closure__
        and not fn.__defaults__
        and not fn.__kwdefaults__
        and not fn.__dict__
        and type(fn.__globals__.get("__name__")) is str
    )


def function_parts(fn: FunctionType) -> Parts:
    """Return a function's code, where it finds its globals, and the data that it holds."""
    names = fn.__code__.co_freevars
    kwdefaults = sorted(fn.__kwdefaults__.items()) if fn.__kwdefaults__ else []
    module = fn.__globals__.get("__name__")
    module = module_name(module) if type(module) is str else ABSENT
    # Who is given a function may read what it says of itself, as one does who offers it to a model as a tool.
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
    """What stands for the annotations of a function, which are not evaluated for this."""
    if (annotate := getattr(fn, "__annotate__", None)) is not None:  # from Python 3.14 on
        return annotate
    return tuple([(name, _shown(given)) for name, given in fn.__annotations__.items()])


def _shown(annotation: Any) -> str:
    """The text of an annotation, without where in memory its parts lie."""
    try:
        return annotation if type(annotation) is str else ADDRESS.sub("", repr(annotation))
    except Exception:  # whatever its class raises
        return type(annotation).__qualname__


def method_parts(method: MethodType) -> Parts:
    """Return the function of a bound method and what it is bound to."""
    return b"method", [method.__func__, method.__self__], (".__func__", ".__self__").__getitem__


def builtin_parts(fn: BuiltinFunctionType) -> Parts:
    """Return a bound method written in C, such as ``[].append``: what it is bound to, and its name."""
    return b"builtin method", [fn.__self__, fn.__name__], (".__self__", ".__name__").__getitem__


def is_plain_builtin(fn: BuiltinFunctionType) -> bool:
    """Whether a function written in C belongs to a module, not to an object."""
    return fn.__self__ is None or type(fn.__self__) is ModuleType


def partial_parts(value: partial[Any]) -> Parts:
    """Return what a `functools.partial` calls and with what."""
    parts = [value.func, value.args, value.keywords, value.__dict__]
    return b"partial", parts, (".func", ".args", ".keywords", ".__dict__").__getitem__


def lru_parts(value: Any) -> Parts:
    """Return what an `functools.lru_cache`d function calls, and how it tells arguments apart."""
    own = {name: item for name, item in vars(value).items() if name != "cache_parameters"}
    return b"lru_cache", [own, value.cache_parameters()], (".__dict__", ".cache_parameters()").__getitem__


def callable_code(fn: Any) -> list[FunctionType | BoundFunction]:
    """Return the functions that calling `fn` runs and that `fn`, as data, does not hold.

    A class is data by its name, and so is the class of an instance. Where the thing called is one, the code of its
    methods counts.
    """
    if isinstance(fn, type):
        methods = [getattr(fn, name, None) for name in ("__new__", "__init__", "__post_init__")]
    elif isinstance(fn, (FunctionType, MethodType, BuiltinFunctionType, partial)):
        methods = []
    else:
        call = type(fn).__call__
        return [BoundFunction(call, (fn,))] if isinstance(call, FunctionType) else []
    return [method for method in methods if isinstance(method, FunctionType)]
