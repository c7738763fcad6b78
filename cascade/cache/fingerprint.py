"""Data as digests: equal data has equal digests, in every process; different data has different digests.

A value is a leaf, encoded as bytes, or it has parts; then its encoding is the digest of its tag and of the encodings
of its parts. So each object is visited once, however often it is referenced, and there is no recursion.

Functions may refer to one another and to themselves through their closures. The digest of a member of such a cycle (a
strongly connected component) is that of the whole cycle, written from this member on, with a number for each member
that is reached again. The digests are known once the whole component was visited (Tarjan's algorithm). A container that
holds itself is an error.

The parts of a function include the globals that it reads, and the attributes that it reads of the objects it holds.
Among these nothing is an error: an object that cannot be hashed counts by its class. Functions of installed packages
count by their names.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from functools import partial
from hashlib import blake2b
from types import CodeType, FunctionType, MethodType
from typing import Any, cast

from cascade._core.expr.lazy import LazyResult
from cascade.cache.composites import SETS, encode, parts_of
from cascade.cache.functions import Codes
from cascade.cache.global_names import Path, changed_cells, find_bound, find_globals
from cascade.cache.origin import is_installed
from cascade.cache.scalars import ABSENT, SIZE, BoundFunction, Exact, Unhashable, Used, function_name, opaque
from cascade.exceptions import CacheKeyError

__all__ = ["Walk", "fingerprint", "home_of", "write"]

STEPS = 8  # of a longer path the middle is left out: this many steps remain at each end

# First bytes of encodings of objects with parts. Those of leaves are 1 to 127.
DIGEST = b"\x00"
AGAIN = b"\xfe"
CYCLE = b"\xff"

_codes: Codes[bytes] = Codes()


class _Node:
    """An object with parts, until its digest is known.

    Attributes:
        written: the encodings of the parts visited so far; a node of the same component is there itself.
        index: the number of nodes visited before this one.
        low: the smallest index of an open node that is known to be reachable from it (Tarjan's lowlink).
        open: whether its component is not complete yet.
        done: whether all its parts were visited.
        used: whether a function reads it as a global, so that parts that cannot be hashed count by their class.
        lazy: whether it is a lazy result or holds one.
        digest: its encoding; empty until it is needed.
    """

    __slots__ = ("digest", "done", "index", "lazy", "low", "open", "parts", "tag", "used", "value", "where", "written")

    def __init__(self, value: Any, index: int, used: bool) -> None:
        self.value = value  # kept alive: its id must not be reused
        self.tag, self.parts, self.where = parts_of(value, used)
        self.index = self.low = index
        self.open = True
        self.done = False
        self.used = used
        self.lazy = type(value) is LazyResult
        self.written: list[bytes | _Node] = []
        self.digest = b""


def fingerprint(value: Any, root: str = "value") -> bytes:
    """Return the digest of a value: 32 bytes, the same in every process.

    Takes time and memory linear in the value, however deep it is.

    Args:
        value: data; the page on caching lists what can be hashed.
        root: the name of the value in errors.

    Raises:
        CacheKeyError: a part of it cannot be hashed.

    >>> fingerprint({"a": [1, 2]}) == fingerprint({"a": [1, 2]}), fingerprint(1) == fingerprint(True)
    (True, False)
    >>> fingerprint([object()])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    cascade.CacheKeyError: value must be data that can be hashed, got `object` - at `value[0]`; write key=... ...
    """
    return blake2b(write(value, root), digest_size=SIZE).digest()


def write(value: Any, root: str = "value", *, inputs: bool = False) -> bytes:
    """Return the encoding of a value: its content if it is a short leaf, else its digest.

    No encoding is a prefix of another, so several may be joined.

    Args:
        value: data.
        root: the name of the value in errors.
        inputs: whether params and environment variables may be in an expression: they count by kind and name.

    Raises:
        CacheKeyError: a part of it cannot be hashed.
    """
    try:
        if (written := encode(value)) is not None:
            return written
    except Unhashable as error:
        raise _key_error(error, root) from None
    return Walk(root, inputs=inputs).write(value)


def _key_error(error: Unhashable, where: str) -> CacheKeyError:
    text = f"value must be data that can be hashed, got {error} - at `{where}`; write key=... in the cache policy"
    if error.kind not in (None, object):
        text += f", or teach the type with cs.register_key({error.kind.__name__}, ...)"
    return CacheKeyError(text)


class Walk:
    """One traversal of a value and all its parts.

    Attributes:
        functions: the visited functions, alone or with arguments, with the objects under the paths that they read.
        kinds: the types of the visited objects with parts.
    """

    def __init__(self, root: str, *, inputs: bool = False, home: str = "") -> None:
        self._inputs = inputs
        self.functions: list[tuple[FunctionType | BoundFunction, list[tuple[Path, Any]]]] = []
        self.kinds: set[type] = set()
        self._root = root
        self._home = home  # the package of the first function
        self._met: dict[tuple[int, bool], _Node] = {}
        self._bound: dict[tuple[int, ...], BoundFunction] = {}  # the first of equal bound functions
        self._again: list[tuple[int, int]] = []  # lazy results that are reached again: they run once
        self._path: list[_Node] = []
        self._open: list[_Node] = []

    def digest(self, value: Any) -> bytes:
        """Return the digest of a value, as `fingerprint` does."""
        return blake2b(self.write(value), digest_size=SIZE).digest()

    def write(self, value: Any) -> bytes:
        """Return the encoding of a value, after visiting all its parts."""
        path = self._path
        try:
            first = self._enter(value)
            while path:
                node = path[-1]
                if len(node.written) < len(node.parts):
                    part = self._enter(node.parts[len(node.written)])
                    if path[-1] is node:  # the part needs no visit of its own first
                        node.written.append(part)
                    continue
                path.pop()
                self._leave(node)
                if path:
                    parent = path[-1]
                    parent.lazy |= node.lazy
                    parent.low = min(parent.low, node.low) if node.open else parent.low
                    parent.written.append(self._written(node))
        except Unhashable as error:
            raise self._key_error(error) from None
        written = self._settle(first) if isinstance(first, _Node) else first
        if self._again:
            written = DIGEST + blake2b(written + repr(self._again).encode(), digest_size=SIZE).digest()
        return written

    def _enter(self, value: Any) -> bytes | _Node:
        """Return the encoding of a value if it is known, else push its node to the path."""
        used = bool(self._path) and self._path[-1].used
        if type(value) is Used:
            value, used = value.value, True
        elif type(value) is Exact:
            value, used = value.value, False
        if not used:
            return self._begin(value, False)
        try:
            return self._begin(value, True)
        except Exception:  # also an exception of a class of the user: it counts by its class
            return opaque(value)

    def _begin(self, value: Any, used: bool) -> bytes | _Node:
        written = encode(value)
        if written is not None:
            return written
        if self._inputs and type(value) is LazyResult:
            (_, name, kind, *_), *_ = value._content()[1]  # noqa: SLF001 - the core shows its content to the cache only
            if kind in ("param", "env"):
                return self._begin((kind, name), used)
        if type(value) is BoundFunction:
            arguments = *value.args, *(value.kwargs or {}).values()
            value = self._bound.setdefault((id(value.fn), *map(id, arguments)), value)
        node = self._met.get((id(value), used))
        if node is not None:
            return self._meet(node)
        if type(value) is CodeType and (known := _codes.get(value)) is not None:
            return known
        if type(value) is FunctionType and used and self._is_foreign(value):
            return function_name(value)
        node = _Node(value, len(self._met), used)
        self.kinds.add(type(value))
        if type(value) is FunctionType:
            self._add_globals(node, value)
        elif type(value) is BoundFunction:
            self._add_found(node, value, find_bound(value))
        elif type(value) is MethodType and type(value.__func__) is FunctionType:
            self._add_parts(node, [Used(BoundFunction(value.__func__, (value.__self__,)))])
        elif type(value) is partial and type(value.func) is FunctionType:
            self._add_parts(node, [Used(BoundFunction(value.func, value.args, value.keywords))])
        self._met[id(value), used] = node
        self._path.append(node)
        self._open.append(node)
        return node

    def _meet(self, node: _Node) -> bytes | _Node:
        """Handle a node that is reached again, and return its encoding, or the node if it is open."""
        if node.open:
            self._check_cycle(node)
            self._path[-1].low = min(self._path[-1].low, node.low)
        if node.lazy:
            # One lazy result used twice differs from two equal ones: those run twice.
            self._path[-1].lazy = True
            self._again.append((len(self._met), node.index))
        return self._written(node)

    def _is_foreign(self, fn: FunctionType) -> bool:
        """Whether a function counts by its name, as it is not of the program or of the first function's package."""
        name = fn.__globals__.get("__name__")
        return is_installed(name) and str(name).partition(".")[0] != self._home

    def _add_globals(self, node: _Node, fn: FunctionType) -> None:
        """Add the globals that a function reads, and attributes of them, to its parts."""
        if not self._home:
            self._home = home_of(fn)
        if self._is_foreign(fn):
            return
        for i in changed_cells(fn) if node.used else ():
            node.parts[i - len(fn.__code__.co_freevars)] = ABSENT  # a helper's own state
        self._add_found(node, fn, find_globals(fn))

    def _add_found(self, node: _Node, fn: FunctionType | BoundFunction, found: list[tuple[Path, Any]]) -> None:
        if type(fn) is BoundFunction and self._is_foreign(fn.fn):
            return
        self.functions.append((fn, found))
        self._add_parts(
            node, [part for path, value in found if value is not ABSENT for part in (".".join(path), Used(value))]
        )

    def _add_parts(self, node: _Node, parts: list[Any]) -> None:
        """Add parts; in these an object that cannot be hashed is no error."""
        where, count = node.where, len(node.parts)
        node.parts = [*node.parts, *parts]
        node.where = lambda i: where(i) if i < count else ""

    def _check_cycle(self, node: _Node) -> None:
        """Raise `Unhashable` unless a cycle contains a function."""
        if node.done:  # the cycle was checked when it was first found
            return
        for member in reversed(self._path):
            if type(member.value) in (FunctionType, BoundFunction):
                return
            if member is node:
                raise Unhashable(f"`{type(node.value).__name__}` that holds itself")

    def _leave(self, node: _Node) -> None:
        """Finish a node whose parts were all visited. The first node of a component completes it."""
        node.done = True
        node.parts = []
        if node.low != node.index:
            return
        while True:
            member = self._open.pop()
            member.open = False
            if member.tag in SETS and any(type(part) is _Node for part in member.written):
                if not member.used:
                    # Members of a set have no order; in a cycle they have no digests to sort them by.
                    raise Unhashable(f"`{type(member.value).__name__}` with a function that closes over it")
                member.written = [opaque(member.value)]
            if member is node:
                break
        if type(node.value) is CodeType:
            _codes.add(node.value, self._settle(node))

    def _written(self, node: _Node) -> bytes | _Node:
        return node if node.open else self._settle(node)

    def _settle(self, node: _Node) -> bytes:
        """Return the encoding of a node whose component is complete."""
        if not node.digest:
            if any(type(part) is _Node for part in node.written):
                node.digest = DIGEST + _cycle_digest(node)
            else:
                node.digest = DIGEST + _digest(node)
                node.written = []
        return node.digest

    def _key_error(self, error: Unhashable) -> CacheKeyError:
        for node in reversed(self._path):
            if type(node.value) is ContextVar:
                return CacheKeyError(
                    f"context variable {node.value.name!r}, which `{self._root}` reads, must have a value that can be "
                    f"hashed, got {error}; set it to plain data, or read it in another task and pass on what counts"
                )
        return _key_error(error, self._where())

    def _where(self) -> str:
        """Return the path of the current part, for errors."""
        steps = [node.where(len(node.written)) for node in self._path if len(node.written) < len(node.parts)]
        steps = [step for step in steps if step]
        hidden = len(steps) - 2 * STEPS
        if hidden > 0:
            steps[STEPS:-STEPS] = [f" … {hidden:,} steps … "]
        return self._root + "".join(steps)


def home_of(fn: FunctionType) -> str:
    """Return the package of a function, whose functions count by their code.

    A function of Python's library counts by its code alone: its globals change only with Python.
    """
    name = str(fn.__globals__.get("__name__"))
    return "-" if _is_library(name) else name.partition(".")[0]


def _is_library(module: str) -> bool:
    """Whether a module belongs to Python's library or to Cascade, whose functions read no globals of a program."""
    top = module.partition(".")[0]
    return top == "cascade" or (top in sys.stdlib_module_names and top != "__main__")


def _head(node: _Node) -> bytes:
    return b"%c%b%b" % (len(node.tag), node.tag, len(node.written).to_bytes(8, "big"))


def _digest(node: _Node) -> bytes:
    """Return the digest of a node whose parts all have encodings."""
    written = cast("list[bytes]", node.written)
    if node.tag in SETS:
        written = sorted(written)
    return blake2b(_head(node) + b"".join(written), digest_size=SIZE).digest()


def _cycle_digest(first: _Node) -> bytes:
    """Return the digest of a member of a cycle: of the whole cycle, written from this member on."""
    digest = blake2b(CYCLE + _head(first), digest_size=SIZE)
    numbers = {first: 0}
    path = [iter(first.written)]
    while path:
        part = next(path[-1], None)
        if part is None:
            path.pop()
        elif type(part) is bytes:
            digest.update(part)
        elif (number := numbers.get(cast(_Node, part))) is not None:
            digest.update(AGAIN + number.to_bytes(8, "big"))
        else:
            node = cast(_Node, part)
            numbers[node] = len(numbers)
            digest.update(CYCLE + _head(node))
            path.append(iter(node.written))
    return digest.digest()
