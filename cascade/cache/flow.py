"""What a function does with objects that it did not make, found in its bytecode.

These are its globals, what its closure holds, its arguments, and what it imports. They are followed on all ways through
the code, by whatever names: variables of the function and of functions inside it, ``a if x else b``, ``getattr`` with a
constant name. Where several may be meant, all are read, and none is changed. So what this does not understand counts as
read, never as changed.
"""

from __future__ import annotations

import dis
import re
import sys
from types import CodeType
from typing import Any, NamedTuple

__all__ = ["ARGUMENT", "CELL", "IMPORT", "Flow", "Path"]

Path = tuple[str, ...]
"""Where an object is found: a name, followed by attributes, such as ``("settings", "RATE")`` for ``settings.RATE``."""

# Before the first name of a path that begins at no global. No name has a space.
CELL = "cell "  # a variable of the function around
ARGUMENT = "argument "
IMPORT = "import "  # a module that is imported inside the function

LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
CELLS = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
ASSIGNS = {"STORE_GLOBAL", "DELETE_GLOBAL"}
ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
CONSTANTS = {"LOAD_CONST", "LOAD_SMALL_INT"}
FAST = re.compile("(LOAD|STORE|DELETE)_FAST")  # an instruction may be two of these
# Where on the stack, counted from its top, that stands which an instruction changes.
CHANGES = {"STORE_SUBSCR": 2, "DELETE_SUBSCR": 2, "STORE_SLICE": 3, "STORE_ATTR": 1, "DELETE_ATTR": 1}
MUTATORS = {
    *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert"),
    *("intersection_update", "move_to_end", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault"),
    *("sort", "subtract", "symmetric_difference_update", "update"),
}
# Instructions that neither take nor leave anything; that take without leaving anything; that leave more than they take.
IDLE = {"CACHE", "COPY_FREE_VARS", "EXTENDED_ARG", "KW_NAMES", "MAKE_CELL", "NOP", "NOT_TAKEN", "PRECALL", "RESUME"}
TAKERS = ("DELETE_", "POP_", "STORE_")
RENEWS = {"BEFORE_ASYNC_WITH", "BEFORE_WITH", "GET_ITER", "LOAD_SPECIAL", "UNPACK_EX", "UNPACK_SEQUENCE"}
# After these comes only what is jumped to, or an exception handler.
ENDS = ("JUMP_BACKWARD", "JUMP_FORWARD", "RAISE_VARARGS", "RERAISE", "RETURN_CONST", "RETURN_VALUE")
LONGEST = 10  # names of a path: a variable that functions share may be moved along without an end
JUMPS = {*dis.hasjrel, *dis.hasjabs}


class _Origin(NamedTuple):
    """An object that the function did not make; or a part of it, if not `whole`."""

    path: Path
    whole: bool


class _Constant(NamedTuple):
    value: str | int | tuple[Any, ...]


# What a value may be; None: anything else.
_Value = frozenset[_Origin | _Constant | None]
_Places = dict[tuple[int, int], Path]  # what an instruction changes, by the code object and the offset
_UNKNOWN: _Value = frozenset([None])
_NOTHING: _Value = frozenset()


class _State:
    """The stack and the variables, at one place in the code."""

    __slots__ = ("names", "stack")

    def __init__(self, stack: list[_Value], names: dict[str, _Value]) -> None:
        self.stack = stack
        self.names = names

    def copy(self) -> _State:
        return _State(self.stack.copy(), self.names.copy())

    def join(self, other: _State, back: bool) -> bool:
        """Be what either may be, and tell whether that is more; `back`: the other comes from further down."""
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
    """What a value may be in a loop: after ``node = node.next`` some part of the first node, not ever longer paths."""
    paths = [one.path for one in value if type(one) is _Origin]
    found = set(value)
    for one in other - value:
        begins = [path for path in paths if type(one) is _Origin and path == one.path[: len(path)]]
        found.add(_Origin(min(begins, key=len), False) if begins else one)
    return frozenset(found)


class Flow:
    """What a code object, and those of the functions inside it, read and change.

    Attributes:
        reads: what is read. Not what is merely held: variables of the function around, and arguments.
        changes: what is changed.
        calls: of what a method is called that changes it if it is a container.
    """

    def __init__(self, code: CodeType) -> None:
        self.reads: set[Path] = set()
        changes: _Places = {}
        calls: _Places = {}
        # Variables that functions share, by the code object that has them: anything that is ever put there.
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
        """Something is read."""
        if len(path) > 1 or not path[0].startswith((CELL, ARGUMENT)):
            self.reads.add(path)

    def held(self, place: tuple[int, str]) -> _Value:
        """What a shared variable may hold."""
        found = self._shared.get(place, _NOTHING)
        if not place[0]:
            found |= {_Origin((CELL + place[1],), True)}
        return found or _UNKNOWN

    def hold(self, place: tuple[int, str], value: _Value) -> None:
        """Something is put into a shared variable."""
        self._shared[place] = self._shared.get(place, _NOTHING) | value


class _Interpreter:
    """All ways through one code object."""

    def __init__(
        self, flow: Flow, code: CodeType, cells: dict[str, tuple[int, str]], first: bool, *noted: _Places
    ) -> None:
        self._flow = flow
        self._code = id(code)
        # By the instruction: where another way leads to it later, something else may be meant as well.
        self._changes, self._calls = noted
        self._cells = cells
        self._steps = list(dis.get_instructions(code))
        self._index = {step.offset: i for i, step in enumerate(self._steps)}
        self._handlers: list[Any] = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        self._reached: dict[int, _State] = {}
        self._todo: list[int] = []
        names: dict[str, _Value] = {}
        if first:  # of a function inside, nobody knows the arguments
            for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
                names[name] = frozenset([_Origin((ARGUMENT + name,), True)])
                if name in code.co_cellvars:
                    flow.hold(cells[name], names[name])
        self._state = _State([], names)
        self._targets = {self._index[step.argval] for step in self._steps if step.opcode in JUMPS}

    def interpret(self) -> None:
        """Go all ways, each until it adds nothing."""
        self._reach(0, self._state)
        while self._todo:
            i = self._todo.pop()
            self._state = self._reached[i].copy()
            stored = True  # at the beginning, too: variables may be new to the handler
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
        """One instruction, if it does not jump."""
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
                self._called(*stack[-5:])  # what is called is among these; to ask too many does no harm
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
                # In a cell, if it is made from here on for a function inside.
                self._state.stack.append(_UNKNOWN if name in self._cells else names.get(name, _UNKNOWN))
            else:
                names[name] = _UNKNOWN

    def _load(self, value: _Value, effect: int) -> None:
        if effect < 1:  # it takes the names of a class body
            self._take()
        nulls = [_UNKNOWN] * (effect - 1)  # a call wants one, on one side or the other
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
        # `import package.module` gives the package, `from package.module import name` the module.
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
        """Objects are called: those of classes with a method for it run that."""
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
                stack[-1] = _UNKNOWN  # what it leaves is new


def _note(places: _Places, place: tuple[int, int], value: _Value, path: Path | None) -> None:
    """Note that an instruction changes what is under a path in a value, if it is clear what that is."""
    places.pop(place, None)
    if path is not None and len(value) == 1:
        (one,) = value
        if type(one) is _Origin:
            places[place] = (*one.path, *path) if one.whole else one.path
