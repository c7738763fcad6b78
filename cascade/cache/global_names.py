"""Which globals a function reads and what it changes, found in its bytecode.

A global that a function changes is state of its own, such as a list to which it appends; it is no input. What it only
reads may change its result. What this does not understand counts as read, never as changed.
"""

from __future__ import annotations

import dis
import sys
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from types import CodeType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any

from cascade.cache.functions import Codes
from cascade.cache.origin import is_installed
from cascade.cache.scalars import ABSENT

__all__ = ["Path", "changed_cells", "find_globals", "traffic"]

Path = tuple[str, ...]
"""A global's name, followed by attributes: ``("settings", "RATE")`` for ``settings.RATE``."""

LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
CELLS = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
CELL = "cell "  # before the name of a variable of the function around; no name has a space
ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
ASSIGNS = {"STORE_GLOBAL", "DELETE_GLOBAL"}
# Where on the stack, counted from its top, that stands which an instruction changes.
CHANGES = {"STORE_SUBSCR": 2, "DELETE_SUBSCR": 2, "STORE_SLICE": 3, "STORE_ATTR": 1, "DELETE_ATTR": 1}
MUTATORS = {
    *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert"),
    *("intersection_update", "move_to_end", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault"),
    *("sort", "subtract", "symmetric_difference_update", "update"),
}
# Instructions that neither take nor leave anything, and those that take without leaving anything.
IDLE = {"CACHE", "COPY_FREE_VARS", "EXTENDED_ARG", "KW_NAMES", "MAKE_CELL", "NOP", "NOT_TAKEN", "PRECALL", "RESUME"}
TAKERS = ("DELETE_", "POP_", "STORE_")
# After these comes only what is jumped to, or an exception handler.
ENDS = ("JUMP_BACKWARD", "JUMP_FORWARD", "RAISE_VARARGS", "RERAISE", "RETURN_")

# What stands on the stack: a global, and whether it is the object under that path or only a part of it.
_Origin = tuple[Path, bool]

# Whose methods of the names in `MUTATORS` change them. Anything else may have a method `add` that changes nothing.
_CONTAINERS = (list, dict, set, bytearray, array, deque, OrderedDict, defaultdict, Counter)

_known: Codes[tuple[tuple[Path, ...], tuple[Path, ...], tuple[Path, ...]]] = Codes()


def traffic(code: CodeType) -> tuple[tuple[Path, ...], tuple[Path, ...], tuple[Path, ...]]:
    """Return what a function, and the functions inside it, read of their globals, and what they change; sorted.

    The third is what they change if it is a container: a method of it is named that would do so.

    >>> def f(x):
    ...     calls.append(x)
    ...     return x * RATE + settings.offset
    >>> traffic(f.__code__)
    ((('RATE',), ('calls',), ('calls', 'append'), ('settings',), ('settings', 'offset')), (), (('calls',),))
    """
    known = _known.get(code)
    if known is None:
        flow = _Flow()
        inside = [code]
        while inside:
            one = inside.pop()
            flow.follow(one)
            inside += [constant for constant in one.co_consts if type(constant) is CodeType]
        reads = {path for path in flow.reads if not any(_is_within(path, change) for change in flow.changes)}
        known = tuple(sorted(reads)), tuple(sorted(flow.changes)), tuple(sorted(flow.calls))
        _known.add(code, known)
    return known


def _is_within(path: Path, other: Path) -> bool:
    return path[: len(other)] == other


def changed_cells(fn: FunctionType) -> list[int]:
    """Return which of the cells of its closure a function changes."""
    _, changes, calls = traffic(fn.__code__)
    changed = {path[0] for path in changes} | {path[0] for path in calls if type(_find(fn, path)) in _CONTAINERS}
    return [i for i, name in enumerate(fn.__code__.co_freevars) if CELL + name in changed]


def find_globals(fn: FunctionType) -> list[tuple[Path, Any]]:
    """Return what a function reads of its globals, and what is there; ABSENT: nothing that can be found as data."""
    reads, changes, calls = traffic(fn.__code__)
    own = [path for path in calls if type(_find(fn, path)) in _CONTAINERS]
    changes = (*changes, *own)
    found = []
    for path in reads:
        if any(_is_within(path, change) for change in own):
            continue
        value = _find(fn, path)
        # An object of which it changes a part is its own. A module or a class is only the place of that part.
        is_place = issubclass(type(value), (ModuleType, type, FunctionType))
        if is_place or not any(_is_within(one, path) for one in changes):
            found.append((path, value))
    return found


def _find(fn: FunctionType, path: Path) -> Any:
    value = _cell(fn, path[0]) if path[0].startswith(CELL) else fn.__globals__.get(path[0], ABSENT)
    for name in path[1:]:
        if type(value) is ModuleType:
            # What is installed counts by its name, whether or not it has been loaded yet.
            value = ABSENT if is_installed(value.__name__) else vars(value).get(name, ABSENT)
        else:
            value = _attribute(value, name)
        if value is ABSENT:
            break
    return value


def _cell(fn: FunctionType, name: str) -> Any:
    """What a cell of a function's closure holds."""
    for known, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        if CELL + known == name:
            try:
                return cell.cell_contents
            except ValueError:  # it is empty
                return ABSENT
    return ABSENT


def _attribute(value: Any, name: str) -> Any:
    """What an object or a class holds under a name, without running any code of theirs."""
    kind: type = value if issubclass(type(value), type) else type(value)
    if kind is not value and kind.__dictoffset__:
        try:
            own = object.__getattribute__(value, "__dict__")
        except (AttributeError, TypeError):
            own = None
        if type(own) is dict and name in own:
            return own[name]
    if is_installed(type.__getattribute__(kind, "__module__")):
        return ABSENT
    found: Any = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), ABSENT)
    if kind is not value and type(found) is MemberDescriptorType:  # a slot, which holds the value
        try:
            return found.__get__(value)
        except AttributeError:
            return ABSENT
    return found.__func__ if isinstance(found, (classmethod, staticmethod)) else found


class _Flow:
    """The stack, followed in a straight line through code objects.

    That is exact for all that is made of ``table[key] = value``, ``table.append(value)`` and the like.
    """

    def __init__(self) -> None:
        self.reads: set[Path] = set()
        self.changes: set[Path] = set()
        self.calls: set[Path] = set()  # of a method that changes a container
        self._stack: list[_Origin | None] = []

    def follow(self, code: CodeType) -> None:
        """Go through a code object."""
        stack = self._stack
        stack.clear()
        for step in dis.get_instructions(code):
            name = step.opname
            if step.is_jump_target:
                stack.clear()  # there is another way to here
            effect = dis.stack_effect(step.opcode, step.arg, jump=False)
            if name in LOADS:
                self._load(step.argval, effect)
            elif name in ATTRIBUTES:
                self._attribute(step.argval, effect)
            elif name in CELLS:
                self._load(CELL + step.argval, effect)
            elif name == "COPY":
                stack.append(self._at(step.arg or 0))
            elif name == "SWAP":
                self._swap(step.arg or 0)
            elif name == "BINARY_SUBSCR" or (name == "BINARY_OP" and step.argrepr == "[]"):
                found = self._at(2)
                del stack[-2:]
                stack.append(None if found is None else (found[0], False))
            else:
                if name in ASSIGNS:
                    self.changes.add((step.argval,))
                elif name == "STORE_DEREF":
                    self.changes.add((CELL + step.argval,))
                elif name in CHANGES and (found := self._at(CHANGES[name])) is not None:
                    path, whole = found
                    self.changes.add((*path, step.argval) if whole and name.endswith("_ATTR") else path)
                self._other(name, effect)

    def _at(self, depth: int) -> _Origin | None:
        return self._stack[-depth] if 0 < depth <= len(self._stack) else None

    def _load(self, name: str, effect: int) -> None:
        if not name.startswith(CELL):
            self.reads.add((name,))
        if effect < 1:  # it takes the names of a class body
            del self._stack[-1:]
        nulls: list[_Origin | None] = [None] * (effect - 1)  # a call wants one, on one side or the other
        above = sys.version_info >= (3, 13)
        self._stack += [((name,), True), *nulls] if above else [*nulls, ((name,), True)]

    def _attribute(self, name: str, effect: int) -> None:
        found = self._at(1)
        del self._stack[-1:]
        if found is not None:
            path, whole = found
            if name in MUTATORS:
                self.calls.add(path)
            if whole:
                path = (*path, name)
                if not path[0].startswith(CELL):
                    self.reads.add(path)
            found = path, whole
        self._stack += [found, *([None] * effect)]

    def _swap(self, depth: int) -> None:
        stack = self._stack
        missing: list[_Origin | None] = [None] * (depth - len(stack))
        stack[:0] = missing
        stack[-1], stack[-depth] = stack[-depth], stack[-1]

    def _other(self, name: str, effect: int) -> None:
        stack = self._stack
        if name.startswith(ENDS):
            stack.clear()
        elif effect > 0:
            stack += [None] * effect
        elif name not in IDLE:
            del stack[len(stack) + effect if -effect < len(stack) else 0 :]
            if stack and not name.startswith(TAKERS):
                stack[-1] = None  # what it leaves is new
