"""Data as digests: equal data, equal digest, in every process; different data, different digest.

A value is a leaf, written as bytes, or it has parts, and then it is the digest of its tag and of what its parts are
written as. So each object is looked at once, however often it is reached, and nothing nests.

Functions may refer to one another and to themselves through their closures. What is tied up in such a knot is written
out from the member that is asked for, those met again as numbers; the digests of a knot's members are known when all of
it has been seen (Tarjan's algorithm). A container that holds itself is an error.

A function is followed to the globals that it reads, and to the attributes that it reads of what it holds. From there on
nothing is refused: an object that cannot be taken apart is one of its class. Functions of installed packages are known
by their names.
"""

from __future__ import annotations

import sys
from functools import partial
from hashlib import blake2b
from types import CodeType, FunctionType, MethodType
from typing import Any, cast

from cascade._core.expr.lazy import LazyResult
from cascade.cache.composites import SETS, encode, parts_of
from cascade.cache.functions import Codes
from cascade.cache.global_names import Path, changed_cells, find_bound, find_globals
from cascade.cache.origin import is_installed
from cascade.cache.scalars import ABSENT, SIZE, BoundFunction, Unhashable, Used, function_name, opaque
from cascade.exceptions import CacheKeyError

__all__ = ["Walk", "fingerprint", "write"]

STEPS = 8  # a longer path loses its middle: this many steps stay at each end

# First bytes of what is no leaf. Those of leaves are 1 to 127.
DIGEST = b"\x00"
AGAIN = b"\xfe"
CYCLE = b"\xff"

_codes: Codes[bytes] = Codes()


class _Node:
    """An object with parts on its way to a digest.

    Attributes:
        written: what the parts seen so far are written as; a node of the same knot stands for itself.
        index: how many nodes were met before this one.
        low: the smallest index that is known to be reached from here, in a knot not yet closed.
        open: whether its knot is not closed yet.
        done: whether all its parts have been seen.
        used: whether it was found among the globals that a function reads, so that nothing of it is refused.
        lazy: whether it is a lazy result or holds one.
        digest: what it is written as; empty as long as nobody needed it.
    """

    __slots__ = ("digest", "done", "index", "lazy", "low", "open", "parts", "tag", "used", "value", "where", "written")

    def __init__(self, value: Any, index: int, used: bool) -> None:
        self.value = value  # also keeps its id from being used again
        self.tag, self.parts, self.where = parts_of(value)
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
        value: data; see the page on caching for what can be hashed.
        root: what to call the value in an error.

    Raises:
        CacheKeyError: something in it cannot be hashed soundly.

    >>> fingerprint({"a": [1, 2]}) == fingerprint({"a": [1, 2]}), fingerprint(1) == fingerprint(True)
    (True, False)
    >>> fingerprint([object()])
    Traceback (most recent call last):
    cascade.CacheKeyError: value must be data that can be hashed, got `object` - at `value[0]`
    """
    return blake2b(write(value, root), digest_size=SIZE).digest()


def write(value: Any, root: str = "value") -> bytes:
    """Return the bytes of a value: itself if it is a short leaf, else its digest.

    None are the beginning of others, so that several may be joined.

    Args:
        value: data.
        root: what to call the value in an error.

    Raises:
        CacheKeyError: something in it cannot be hashed soundly.
    """
    try:
        if (written := encode(value)) is not None:
            return written
    except Unhashable as error:
        raise _key_error(error, root) from None
    return Walk(root).write(value)


def _key_error(error: Unhashable, where: str) -> CacheKeyError:
    return CacheKeyError(f"value must be data that can be hashed, got {error} - at `{where}`")


class Walk:
    """One way through a value and all that it is made of.

    Attributes:
        functions: those that were met, alone or with arguments, with what was found under the paths that they read.
        kinds: the types of all that was met and has parts.
    """

    def __init__(self, root: str) -> None:
        self.functions: list[tuple[FunctionType | BoundFunction, list[tuple[Path, Any]]]] = []
        self.kinds: set[type] = set()
        self._root = root
        self._home = ""  # the package of the first function
        self._met: dict[tuple[int, bool], _Node] = {}
        self._bound: dict[tuple[int, ...], BoundFunction] = {}  # the first of equal ones
        self._again: list[tuple[int, int]] = []  # lazy results reached again, which run once
        self._path: list[_Node] = []
        self._open: list[_Node] = []

    def digest(self, value: Any) -> bytes:
        """Return the digest of a value, as `fingerprint` does."""
        return blake2b(self.write(value), digest_size=SIZE).digest()

    def write(self, value: Any) -> bytes:
        """Write a value, after all that it is made of."""
        path = self._path
        try:
            first = self._enter(value)
            while path:
                node = path[-1]
                if len(node.written) < len(node.parts):
                    part = self._enter(node.parts[len(node.written)])
                    if path[-1] is node:  # and nothing has to be done before
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
            raise _key_error(error, self._where()) from None
        written = self._settle(first) if isinstance(first, _Node) else first
        if self._again:
            written = DIGEST + blake2b(written + repr(self._again).encode(), digest_size=SIZE).digest()
        return written

    def _enter(self, value: Any) -> bytes | _Node:
        """Begin with a value: write it if that can be done at once, else put it on the path."""
        used = bool(self._path) and self._path[-1].used
        if type(value) is Used:
            value, used = value.value, True
        if not used:
            return self._begin(value, False)
        try:
            return self._begin(value, True)
        except Exception:  # also what a class of its raises: it was not meant to be looked at
            return opaque(value)

    def _begin(self, value: Any, used: bool) -> bytes | _Node:
        written = encode(value)
        if written is not None:
            return written
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
        """A node is reached again."""
        if node.open:
            self._check_cycle(node)
            self._path[-1].low = min(self._path[-1].low, node.low)
        if node.lazy:
            # The same lazy result twice is not two that are equal: these run twice.
            self._path[-1].lazy = True
            self._again.append((len(self._met), node.index))
        return self._written(node)

    def _is_foreign(self, fn: FunctionType) -> bool:
        """Whether a function is known by its name: it belongs neither to the program nor to the package at hand."""
        name = fn.__globals__.get("__name__")
        return is_installed(name) and str(name).partition(".")[0] != self._home

    def _add_globals(self, node: _Node, fn: FunctionType) -> None:
        """Have what a function finds in its module, and in others by way of it, be parts of it."""
        if not self._home:
            name = str(fn.__globals__.get("__name__"))
            # A function of Python's own library is known by its code: what it reads changes with Python alone.
            self._home = name.partition(".")[0] if type(name) is str and not _is_library(name) else "-"
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
        """Add parts of which nothing is refused."""
        where, count = node.where, len(node.parts)
        node.parts = [*node.parts, *parts]
        node.where = lambda i: where(i) if i < count else ""

    def _check_cycle(self, node: _Node) -> None:
        """See that there is a function on the way from an object back to it."""
        if node.done:  # there by another way, which was seen to
            return
        for member in reversed(self._path):
            if type(member.value) in (FunctionType, BoundFunction):
                return
            if member is node:
                raise Unhashable(f"`{type(node.value).__name__}` that holds itself")

    def _leave(self, node: _Node) -> None:
        """All parts of a node have been seen. The node of a knot that was met first closes it."""
        node.done = True
        node.parts = []
        if node.low != node.index:
            return
        while True:
            member = self._open.pop()
            member.open = False
            if member.tag in SETS and any(type(part) is _Node for part in member.written):
                if not member.used:
                    # Its members have no order, and in a knot no digests of their own to be sorted by.
                    raise Unhashable(f"`{type(member.value).__name__}` with a function that closes over it")
                member.written = [opaque(member.value)]
            if member is node:
                break
        if type(node.value) is CodeType:
            _codes.add(node.value, self._settle(node))

    def _written(self, node: _Node) -> bytes | _Node:
        return node if node.open else self._settle(node)

    def _settle(self, node: _Node) -> bytes:
        """Return what a node is written as whose knot is closed."""
        if not node.digest:
            if any(type(part) is _Node for part in node.written):
                node.digest = DIGEST + _cycle_digest(node)
            else:
                node.digest = DIGEST + _digest(node)
                node.written = []
        return node.digest

    def _where(self) -> str:
        """The way to the part at which the walk stands."""
        steps = [node.where(len(node.written)) for node in self._path if len(node.written) < len(node.parts)]
        steps = [step for step in steps if step]
        hidden = len(steps) - 2 * STEPS
        if hidden > 0:
            steps[STEPS:-STEPS] = [f" … {hidden:,} steps … "]
        return self._root + "".join(steps)


def _is_library(module: str) -> bool:
    """Whether a module is of Python's library or of Cascade, whose functions read no globals that a program sets."""
    top = module.partition(".")[0]
    return top == "cascade" or (top in sys.stdlib_module_names and top != "__main__")


def _head(node: _Node) -> bytes:
    return b"%c%b%b" % (len(node.tag), node.tag, len(node.written).to_bytes(8, "big"))


def _digest(node: _Node) -> bytes:
    """The digest of a node whose parts are all written."""
    written = cast("list[bytes]", node.written)
    if node.tag in SETS:
        written = sorted(written)
    return blake2b(_head(node) + b"".join(written), digest_size=SIZE).digest()


def _cycle_digest(first: _Node) -> bytes:
    """The digest of a member of a knot: the whole knot written out, with this one as its beginning."""
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
