"""The objects from outside that a function reads: globals, imported modules, and attributes of the objects it holds.

A global that the function changes is its own state, such as a list to which it appends, and not an input. A global that
it only reads may change its result. No code of the program is run to find the objects: a property counts by its
function.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from functools import cached_property
from types import BuiltinFunctionType, CodeType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any

from cascade.cache.flow import ARGUMENT, CELL, IMPORT, Flow, Path
from cascade.cache.functions import Codes
from cascade.cache.origin import is_installed, text_of
from cascade.cache.scalars import ABSENT, BoundFunction

__all__ = ["Path", "accesses", "changed_cells", "find_bound", "find_globals"]

# Types whose methods in `MUTATORS` change them. A method `add` of another type may change nothing.
_CONTAINERS = (list, dict, set, bytearray, array, deque, OrderedDict, defaultdict, Counter)
# Types without attributes that count here.
_PLAIN = {FunctionType, BuiltinFunctionType, BoundFunction, str, bytes, int, float, bool, type(None), *_CONTAINERS}

_NONE: Mapping[str, Any] = {}


class _Plan:
    """The look-ups that find the objects a code object reads, each object once.

    Attributes:
        steps: the paths, each as the step of its parent (-1: none) and its last name.
        reads: the steps that count: step, path, and whether a change may exclude it.
        changes: the paths that are changed.
        calls: the steps that are changed if they are containers.
    """

    __slots__ = ("calls", "changes", "reads", "steps")

    def __init__(self, reads: list[Path], changes: set[Path], calls: list[Path]) -> None:
        paths = sorted({path[: i + 1] for path in (*reads, *calls) for i in range(len(path))})
        place = {path: i for i, path in enumerate(paths)}
        self.steps = [(place.get(path[:-1], -1), path[-1]) for path in paths]
        self.changes = changes
        self.calls = [(place[path], path) for path in calls]
        touched = [*changes, *calls]
        self.reads = [
            (place[path], path, any(_is_within(one, path) or _is_within(path, one) for one in touched))
            for path in reads
        ]

    def find(self, fn: FunctionType, arguments: Mapping[str, Any]) -> list[tuple[Path, Any]]:
        """Return the paths that are read, with their objects; ABSENT: there is none, or none without running code."""
        values: list[Any] = []
        for parent, name in self.steps:
            if parent >= 0:
                value = values[parent]
                values.append(ABSENT if value is ABSENT else _attribute(value, name))
            else:
                values.append(_root_value(fn, name, arguments))
        if not self.calls and not self.changes:
            return [(path, values[i]) for i, path, _ in self.reads]
        own = [path for i, path in self.calls if type(values[i]) in _CONTAINERS]
        changes = [*self.changes, *own]
        return [
            (path, values[i])
            for i, path, touched in self.reads
            if not touched or not _is_own(path, values[i], own, changes)
        ]


def _is_within(path: Path, other: Path) -> bool:
    return path[: len(other)] == other


def _is_own(path: Path, value: Any, own: list[Path], changes: list[Path]) -> bool:
    if any(_is_within(path, change) for change in own):
        return True
    # An object with a changed part is state of the function; not a module or class, which only contains the part.
    is_place = issubclass(type(value), (ModuleType, type, FunctionType))
    return not is_place and any(_is_within(one, path) for one in changes)


_Accesses = tuple[tuple[Path, ...], tuple[Path, ...], tuple[Path, ...]]
_known: Codes[tuple[_Accesses, _Plan, _Plan]] = Codes()


def _analyze(code: CodeType) -> tuple[_Accesses, _Plan, _Plan]:
    """Return what a code object reads and changes, and two plans: without paths of arguments, and for these."""
    known = _known.get(code)
    if known is None:
        flow = Flow(code)
        reads = sorted(path for path in flow.reads if not any(_is_within(path, change) for change in flow.changes))
        calls = sorted(flow.calls)
        others, arguments = [
            _Plan(
                [path for path in reads if path[0].startswith(ARGUMENT) is given],
                {path for path in flow.changes if path[0].startswith(ARGUMENT) is given},
                [path for path in calls if path[0].startswith(ARGUMENT) is given],
            )
            for given in (False, True)
        ]
        known = (tuple(reads), tuple(sorted(flow.changes)), tuple(calls)), others, arguments
        _known.add(code, known)
    return known


def accesses(code: CodeType) -> _Accesses:
    """Return the paths of objects from outside that a function and its inner functions read and change, sorted.

    Args:
        code: the code object of the function.

    Returns:
        The paths that are read; those that are changed; and those that are changed if they are containers, as a method
        is called that would change them.

    >>> def f(x):
    ...     calls.append(x)
    ...     return x * RATE + settings.offset
    >>> reads, changes, calls = accesses(f.__code__)
    >>> [".".join(path) for path in reads]
    ['RATE', 'calls', 'calls.append', 'calls.append.__call__', 'settings', 'settings.offset']
    >>> changes, calls
    ((), (('calls',),))
    """
    return _analyze(code)[0]


def changed_cells(fn: FunctionType) -> list[int]:
    """Return the indexes of the cells of its closure that a function changes."""
    _, changes, calls = accesses(fn.__code__)
    changed = {path[0] for path in changes}
    changed |= {path[0] for path in calls if path[0].startswith(CELL) and type(_value_at(fn, path)) in _CONTAINERS}
    return [i for i, name in enumerate(fn.__code__.co_freevars) if CELL + name in changed]


def _value_at(fn: FunctionType, path: Path) -> Any:
    value = _root_value(fn, path[0], _NONE)
    for name in path[1:]:
        value = ABSENT if value is ABSENT else _attribute(value, name)
    return value


def find_globals(fn: FunctionType) -> list[tuple[Path, Any]]:
    """Return the paths that every call of a function reads, with their objects; ABSENT: there is none.

    Paths of defaults of its parameters are included.
    """
    _, plan, given = _analyze(fn.__code__)
    found = plan.find(fn, _NONE) if plan.reads else []
    if (fn.__defaults__ or fn.__kwdefaults__) and given.reads:
        found += given.find(fn, _defaults(fn))
    return found


def find_bound(bound: BoundFunction) -> list[tuple[Path, Any]]:
    """Return the paths that a bound function reads of its arguments, with their objects."""
    plan = _analyze(bound.fn.__code__)[2]
    return plan.find(bound.fn, bound.given()) if plan.reads else []


def _defaults(fn: FunctionType) -> dict[str, Any]:
    given = fn.__defaults__ or ()
    count = fn.__code__.co_argcount
    names = fn.__code__.co_varnames[max(0, count - len(given)) : count]
    return dict(zip(names, given, strict=False)) | (fn.__kwdefaults__ or {})


def _root_value(fn: FunctionType, name: str, arguments: Mapping[str, Any]) -> Any:
    """Return the object of the first name of a path."""
    if " " not in name:
        return fn.__globals__.get(name, ABSENT)
    if name.startswith(IMPORT):
        return _imported(fn, name.removeprefix(IMPORT))
    if name.startswith(ARGUMENT):
        return arguments.get(name.removeprefix(ARGUMENT), ABSENT)
    return _cell(fn, name)


def _imported(fn: FunctionType, name: str) -> Any:
    """Return a module that a function imports, by its name, which may be relative."""
    if name.startswith("."):
        package = fn.__globals__.get("__package__")
        if type(package) is not str:
            return ABSENT
        named = name.lstrip(".")
        for _ in range(len(name) - len(named) - 1):
            package = package.rpartition(".")[0]
        name = f"{package}.{named}" if named else package
    return _module(name)


def _module(name: str) -> Any:
    """Return a module if it was imported, else the digest of its file."""
    module = sys.modules.get(name)
    if module is not None:
        return module
    return ABSENT if (text := text_of(name)) is None else text


def _cell(fn: FunctionType, name: str) -> Any:
    """Return the content of a cell of a function's closure."""
    for known, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        if CELL + known == name:
            try:
                return cell.cell_contents
            except ValueError:  # an empty cell
                return ABSENT
    return ABSENT


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute of an object, a class or a module, without running their code.

    For a property, or another descriptor, it is the function, bound to the object.
    """
    kind = type(value)
    if kind is ModuleType:
        return _of_module(value, name)
    if kind in _PLAIN and (kind is not FunctionType or not value.__dict__):
        return ABSENT
    if name == "__class__":
        return kind
    if issubclass(kind, type):
        found = _of_class(value, name)
        if found is ABSENT:
            return ABSENT if kind is type else _of_object(value, name, {})
        if issubclass(type(found), classmethod):
            return _bind(found.__func__, value)
        return found.__func__ if issubclass(type(found), staticmethod) else found
    return _of_object(value, name, _own_attributes(value))


def _of_module(module: ModuleType, name: str) -> Any:
    """Return an attribute of a module; ABSENT for an installed module, which counts by its name."""
    if is_installed(module.__name__):
        return ABSENT
    content = vars(module)
    found = content.get(name, ABSENT)
    if found is ABSENT:
        if "__path__" in content:  # the name may be that of a submodule
            found = _module(f"{module.__name__}.{name}")
        if found is ABSENT:
            found = content.get("__getattr__", ABSENT)
    return found


def _own_attributes(value: Any) -> dict[str, Any]:
    """Return the `__dict__` of an object, without running code of its class."""
    if type(value).__dictoffset__:
        try:
            own = object.__getattribute__(value, "__dict__")
        except (AttributeError, TypeError):
            own = None
        if type(own) is dict:
            return own
    return {}


def _of_class(kind: type, name: str) -> Any:
    if is_installed(type.__getattribute__(kind, "__module__")):
        return ABSENT
    for base in type.__getattribute__(kind, "__mro__"):
        if name in (content := type.__getattribute__(base, "__dict__")):
            return content[name]
    return ABSENT


def _of_object(value: Any, name: str, own: dict[str, Any]) -> Any:
    kind = type(value)
    found = _of_class(kind, name)
    if name in own and not issubclass(type(found), (property, MemberDescriptorType)):
        return own[name]
    if found is ABSENT:
        hook = _of_class(kind, "__getattr__")
        return _bind(hook, value) if type(hook) is FunctionType else ABSENT
    if type(found) is FunctionType:
        return BoundFunction(found, (value,))
    if issubclass(type(found), property):
        return _bind(found.fget, value)
    if issubclass(type(found), classmethod):
        return _bind(found.__func__, kind)
    if issubclass(type(found), staticmethod):
        return found.__func__
    if type(found) is cached_property:
        return _bind(found.func, value)
    if type(found) is MemberDescriptorType:  # a slot
        try:
            return found.__get__(value)
        except AttributeError:
            return ABSENT
    hook = _of_class(type(found), "__get__")
    return BoundFunction(hook, (found, value, kind)) if type(hook) is FunctionType else found


def _bind(fn: Any, value: Any) -> Any:
    return BoundFunction(fn, (value,)) if type(fn) is FunctionType else fn
