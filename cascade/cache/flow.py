"""Data-flow analysis of bytecode: which objects from outside a function reads, and which it changes.

These are its globals, the contents of its closure, its arguments and its imports. An abstract interpreter follows them
on all paths through the code, through variables of the function and of inner functions, ``a if x else b``, and
``getattr`` with a constant name. If a value may be one of several objects, all count as read and none as changed. So an
object that the analysis loses counts as read, never as changed.
"""

from __future__ import annotations

import dis
import re
import sys
from types import CodeType
from typing import Any, NamedTuple

__all__ = ["ARGUMENT", "CELL", "IMPORT", "Flow", "Path"]

Path = tuple[str, ...]
"""The path of an object: a name, then attributes, such as ``("settings", "RATE")`` for ``settings.RATE``."""

# Prefixes of the first name of a path that does not begin at a global. No Python name has a space.
CELL = "cell "  # a variable of the enclosing function
ARGUMENT = "argument "
IMPORT = "import "  # a module that is imported inside the function

LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
CELLS = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
ASSIGNS = {"STORE_GLOBAL", "DELETE_GLOBAL"}
ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
CONSTANTS = {"LOAD_CONST", "LOAD_SMALL_INT"}
FAST = re.compile("(LOAD|STORE|DELETE)_FAST")  # an instruction may be two of these in one
# The depth on the stack of the object that an instruction changes; 1: the top.
CHANGES = {"STORE_SUBSCR": 2, "DELETE_SUBSCR": 2, "STORE_SLICE": 3, "STORE_ATTR": 1, "DELETE_ATTR": 1}
MUTATORS = {
    *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert"),
    *("intersection_update", "move_to_end", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault"),
    *("sort", "subtract", "symmetric_difference_update", "update"),
}
# Instructions without effect on the stack; that only pop; that push more values than they pop.
IDLE = {"CACHE", "COPY_FREE_VARS", "EXTENDED_ARG", "KW_NAMES", "MAKE_CELL", "NOP", "NOT_TAKEN", "PRECALL", "RESUME"}
TAKERS = ("DELETE_", "POP_", "STORE_")
RENEWS = {"BEFORE_ASYNC_WITH", "BEFORE_WITH", "GET_ITER", "LOAD_SPECIAL", "UNPACK_EX", "UNPACK_SEQUENCE"}
# The instruction after one of these is reached only by a jump or as an exception handler.
ENDS = ("JUMP_BACKWARD", "JUMP_FORWARD", "RAISE_VARARGS", "RERAISE", "RETURN_CONST", "RETURN_VALUE")
LONGEST = 10  # names of a path: in a loop, a shared variable could grow without end
JUMPS = {*dis.hasjrel, *dis.hasjabs}


class _Origin(NamedTuple):
    """An object from outside the function; if not `whole`, an unknown part of it."""

    path: Path
    whole: bool


class _Constant(NamedTuple):
    value: str | int | tuple[Any, ...]


# The possible origins of a value; None: any other object.
_Value = frozenset[_Origin | _Constant | None]
_Places = dict[tuple[int, int], Path]  # the changed object, by code object and offset of the instruction
_UNKNOWN: _Value = frozenset([None])
_NOTHING: _Value = frozenset()


class _State:
    """The abstract stack and variables at one instruction."""

    __slots__ = ("names", "stack")

    def __init__(self, stack: list[_Value], names: dict[str, _Value]) -> None:
        self.stack = stack
        self.names = names

    def copy(self) -> _State:
        return _State(self.stack.copy(), self.names.copy())

    def join(self, other: _State, back: bool) -> bool:
        """Merge another state into this one, and return whether it changed; `back`: by a backward jump."""
        join = _widen if back else frozenset.union
        height = min(len(self.stack), len(other.stack))
        mine, others = self.stack[len(self.stack) - height :], other.stack[len(other.stack) - height :]
        stack = [join(one, two) for one, two in zip(mine, others, strict=True)]
        known = {**self.names, **other.names}
        names = {name: join(self.names.get(name, _UNKNOWN), other.names.get(name, _UNKNOWN)) for name in known}
        changed = stack != self.stack or names != self.names
        self.stack, self.names = stack, names
        return changed


def _widen(value: _Value, other: _Value) -> _Value:
    """Widen a value in a loop: after ``node = node.next`` it is a part of the first node, not an ever longer path."""
    paths = [one.path for one in value if type(one) is _Origin]
    found = set(value)
    for one in other - value:
        begins = [path for path in paths if type(one) is _Origin and path == one.path[: len(path)]]
        found.add(_Origin(min(begins, key=len), False) if begins else one)
    return frozenset(found)


class Flow:
    """The paths that a code object, and those of inner functions, read and change.

    Attributes:
        reads: the paths that are read; without variables of the enclosing function and arguments themselves.
        changes: the paths that are changed.
        calls: the paths on which a method is called that would change a container.
    """

    def __init__(self, code: CodeType) -> None:
        self.reads: set[Path] = set()
        changes: _Places = {}
        calls: _Places = {}
        # Variables that functions share, by their code object: the union of all values stored there.
        self._shared: dict[tuple[int, str], _Value] = {}
        seen: dict[tuple[int, str], _Value] | None = None
        while seen != self._shared:
            seen = self._shared.copy()
            inside = [(code, {name: (0, name) for name in code.co_freevars})]
            while inside:
                one, cells = inside.pop()
                cells |= {name: (id(one), name) for name in one.co_cellvars}
                _Interpreter(self, one, cells, one is code, changes, calls).interpret()
                inside += [
                    (const, {name: cells.get(name, (id(one), name)) for name in const.co_freevars})
                    for const in one.co_consts
                    if type(const) is CodeType
                ]
        self.changes = set(changes.values()) | {(CELL + name,) for code, name in self._shared if not code}
        self.calls = set(calls.values())

    def read(self, path: Path) -> None:
        """Note that a path is read."""
        if len(path) > 1 or not path[0].startswith((CELL, ARGUMENT)):
            self.reads.add(path)

    def held(self, place: tuple[int, str]) -> _Value:
        """Return the possible values of a shared variable."""
        found = self._shared.get(place, _NOTHING)
        if not place[0]:
            found |= {_Origin((CELL + place[1],), True)}
        return found or _UNKNOWN

    def hold(self, place: tuple[int, str], value: _Value) -> None:
        """Add a value that is stored in a shared variable."""
        self._shared[place] = self._shared.get(place, _NOTHING) | value


class _Interpreter:
    """The abstract interpreter of one code object, on all its paths."""

    def __init__(
        self, flow: Flow, code: CodeType, cells: dict[str, tuple[int, str]], first: bool, *noted: _Places
    ) -> None:
        self._flow = flow
        self._code = id(code)
        # By instruction: a later path to it may find several possible objects, which undoes the note.
        self._changes, self._calls = noted
        self._cells = cells
        self._steps = list(dis.get_instructions(code))
        self._index = {step.offset: i for i, step in enumerate(self._steps)}
        self._handlers: list[Any] = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        self._reached: dict[int, _State] = {}
        self._todo: list[int] = []
        names: dict[str, _Value] = {}
        if first:  # the arguments of inner functions are unknown
            for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
                names[name] = frozenset([_Origin((ARGUMENT + name,), True)])
                if name in code.co_cellvars:
                    flow.hold(cells[name], names[name])
        self._state = _State([], names)
        self._targets = {self._index[step.argval] for step in self._steps if step.opcode in JUMPS}

    def interpret(self) -> None:
        """Interpret all paths, each until it adds nothing (a fixed point)."""
        self._reach(0, self._state)
        while self._todo:
            i = self._todo.pop()
            self._state = self._reached[i].copy()
            stored = True  # true at first: the handler may not know the current variables
            while i < len(self._steps):
                step = self._steps[i]
                for entry in self._handlers:
                    if (stored or step.offset == entry.start) and entry.start <= step.offset < entry.end:
                        stack = self._state.stack[: entry.depth] + [_UNKNOWN] * (1 + entry.lasti)
                        self._reach(self._index[entry.target], _State(stack, self._state.names))
                stored = "STORE_" in step.opname
                if step.opcode in JUMPS:
                    self._jump(step)
                self._step(step)
                if step.opname.startswith(ENDS):
                    break
                i += 1
                if i in self._targets:
                    self._reach(i, self._state)
                    break

    def _reach(self, i: int, state: _State, back: bool = False) -> None:
        known = self._reached.get(i)
        if known is None:
            self._reached[i] = state.copy()
        elif not known.join(state, back):
            return
        self._todo.append(i)

    def _jump(self, step: dis.Instruction) -> None:
        stack = self._state.stack
        effect = dis.stack_effect(step.opcode, step.arg, jump=True)
        there = stack + [_UNKNOWN] * effect if effect >= 0 else stack[: max(0, len(stack) + effect)]
        back = step.argval <= step.offset
        self._reach(self._index[step.argval], _State(there, self._state.names), back)

    def _step(self, step: dis.Instruction) -> None:
        """Interpret one instruction without its jump."""
        name, stack = step.opname, self._state.stack
        effect = dis.stack_effect(step.opcode, step.arg, jump=False)
        if fast := FAST.findall(name):
            self._fast(fast, step)
        elif name in LOADS:
            self._flow.read((step.argval,))
            here = self._state.names.get(step.argval, _NOTHING)
            self._load(here | {_Origin((step.argval,), True)}, effect)
        elif name in CELLS:
            self._load(self._flow.held(self._cells[step.argval]), effect)
        elif name in ATTRIBUTES:
            found = self._take()
            stack += [self._attribute(found, step.argval, step.offset), *([_UNKNOWN] * effect)]
        elif name in CONSTANTS and type(step.argval) in (str, int, tuple):
            stack.append(frozenset([_Constant(step.argval)]))
        elif name == "IMPORT_NAME":
            self._import(step.argval.partition(" + ")[0])
        elif name == "IMPORT_FROM":
            stack.append(self._attribute(self._at(1), step.argval, step.offset))
        elif name == "COPY":
            stack.append(self._at(step.arg or 0))
        elif name == "SWAP":
            self._swap(step.arg or 0)
        elif name == "BINARY_SUBSCR" or (name == "BINARY_OP" and step.argrepr == "[]"):
            self._take()
            parts = [_Origin(one.path, False) for one in self._take() if type(one) is _Origin]
            stack.append(frozenset(parts) or _UNKNOWN)
        elif name == "CALL":
            self._call(step.arg or 0, step.offset)
        else:
            if name.startswith("CALL_"):
                self._called(*stack[-5:])  # the callable is among these; too many reads do no harm
            self._change(name, step.argval, step.offset)
            self._other(name, effect)

    def _at(self, depth: int) -> _Value:
        stack = self._state.stack
        return stack[-depth] if 0 < depth <= len(stack) else _UNKNOWN

    def _take(self) -> _Value:
        return self._state.stack.pop() if self._state.stack else _UNKNOWN

    def _fast(self, fast: list[str], step: dis.Instruction) -> None:
        names = self._state.names
        given = step.argval if type(step.argval) is tuple else (step.argval,)
        for what, name in zip(fast, given, strict=True):
            if what == "STORE":
                names[name] = self._take()
            elif what == "LOAD":
                # Unknown if it is in a cell for an inner function from here on.
                self._state.stack.append(_UNKNOWN if name in self._cells else names.get(name, _UNKNOWN))
            else:
                names[name] = _UNKNOWN

    def _load(self, value: _Value, effect: int) -> None:
        if effect < 1:  # it pops the names of a class body
            self._take()
        nulls = [_UNKNOWN] * (effect - 1)  # a call needs one, below or above the callable
        above = sys.version_info >= (3, 13)
        self._state.stack += [value, *nulls] if above else [*nulls, value]

    def _attribute(self, value: _Value, name: str, at: int) -> _Value:
        _note(self._calls, (self._code, at), value, () if name in MUTATORS else None)
        found: set[_Origin | _Constant | None] = set()
        for one in value:
            if type(one) is not _Origin:
                found.add(None)
                continue
            if one.whole and len(one.path) < LONGEST:
                one = _Origin((*one.path, name), True)
                self._flow.read(one.path)
            found.add(one)
        return frozenset(found)

    def _import(self, name: str) -> None:
        wanted, level = self._take(), self._take()
        dots = "." * next((one.value for one in level if type(one) is _Constant and type(one.value) is int), 0)
        # `import package.module` pushes the package, `from package.module import name` the module.
        if not dots and not any(type(one) is _Constant and type(one.value) is tuple for one in wanted):
            name = name.partition(".")[0]
        path = (IMPORT + dots + name,)
        self._flow.read(path)
        self._state.stack.append(frozenset([_Origin(path, True)]))

    def _call(self, count: int, at: int) -> None:
        stack = self._state.stack
        stack[:0] = [_UNKNOWN] * (count + 2 - len(stack))
        called, given = stack[-count - 2 : len(stack) - count], stack[len(stack) - count :]
        del stack[-count - 2 :]
        result = _UNKNOWN
        if count in (2, 3) and any(_Origin(("getattr",), True) in one for one in called):
            for name in given[1]:
                if type(name) is _Constant and type(name.value) is str:
                    result |= self._attribute(given[0], name.value, at)
            result = result.union(*given[2:])
        else:
            self._called(*called)
        stack.append(result)

    def _called(self, *values: _Value) -> None:
        """Note that objects are called: a call of an instance reads its `__call__`."""
        for one in frozenset[Any]().union(*values):
            if type(one) is _Origin and one.whole:
                self._flow.read((*one.path, "__call__"))

    def _change(self, name: str, what: Any, at: int) -> None:
        names = self._state.names
        if name in ASSIGNS:
            self._changes[self._code, at] = (what,)
        if name in ("STORE_GLOBAL", "STORE_NAME"):
            names[what] = names.get(what, _NOTHING) | self._at(1)
        elif name == "STORE_DEREF":
            self._flow.hold(self._cells[what], self._at(1))
        elif name in CHANGES:
            path = (what,) if name.endswith("_ATTR") else ()
            _note(self._changes, (self._code, at), self._at(CHANGES[name]), path)

    def _swap(self, depth: int) -> None:
        stack = self._state.stack
        stack[:0] = [_UNKNOWN] * (depth - len(stack))
        stack[-1], stack[-depth] = stack[-depth], stack[-1]

    def _other(self, name: str, effect: int) -> None:
        stack = self._state.stack
        if name in RENEWS and stack:
            stack[-1] = _UNKNOWN
        if effect > 0:
            stack += [_UNKNOWN] * effect
        elif name not in IDLE and not name.startswith(ENDS):
            del stack[len(stack) + effect if -effect < len(stack) else 0 :]
            if stack and not name.startswith(TAKERS):
                stack[-1] = _UNKNOWN  # the result is a new object


def _note(places: _Places, place: tuple[int, int], value: _Value, path: Path | None) -> None:
    """Note that an instruction changes the object at a path in a value, if only one object is possible."""
    places.pop(place, None)
    if path is not None and len(value) == 1:
        (one,) = value
        if type(one) is _Origin:
            places[place] = (*one.path, *path) if one.whole else one.path
