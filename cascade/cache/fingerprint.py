"""Data as digests: equal data, equal digest, in every process; different data, different digest.

A value is a leaf, written as bytes, or it has parts, and then it is the digest of its tag and of what its parts are
written as. So each object is looked at once, however often it is reached, and nothing nests.

Functions may refer to one another and to themselves through their closures. What is tied up in such a knot is written
out from the member that is asked for, those met again as numbers; the digests of a knot's members are known when all of
it has been seen (Tarjan's algorithm). A container that holds itself is an error.
"""

from __future__ import annotations

from hashlib import blake2b
from types import CodeType, FunctionType
from typing import Any, cast

from cascade.cache.function import Codes
from cascade.cache.leaf import SIZE, Unhashable
from cascade.cache.parts import SETS, encode, parts_of
from cascade.exceptions import CacheKeyError

__all__ = ["fingerprint", "write"]

STEPS = 8  # a longer path loses its middle: this many steps stay at each end

# First bytes of what is no leaf. Those of leaves are 1 to 127.
DIGEST = b"\x00"
AGAIN = b"\xfe"
KNOT = b"\xff"

_codes: Codes[bytes] = Codes()


class _Node:
    """An object with parts on its way to a digest.

    Attributes:
        written: what the parts seen so far are written as; a node of the same knot stands for itself.
        index: how many nodes were met before this one.
        low: the smallest index that is known to be reached from here, in a knot not yet closed.
        open: whether its knot is not closed yet.
        done: whether all its parts have been seen.
        digest: what it is written as; empty as long as nobody needed it.
    """

    __slots__ = ("digest", "done", "index", "low", "open", "parts", "tag", "value", "where", "written")

    def __init__(self, value: Any, index: int) -> None:
        self.value = value  # also keeps its id from being used again
        self.tag, self.parts, self.where = parts_of(value)
        self.index = self.low = index
        self.open = True
        self.done = False
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
    cascade.exceptions.CacheKeyError: expected data that can be hashed, got `object` - at `value[0]`
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
        raise _refusal(error, root) from None
    return _Walk(root).write(value)


def _refusal(error: Unhashable, where: str) -> CacheKeyError:
    return CacheKeyError(f"expected data that can be hashed, got {error} - at `{where}`")


class _Walk:
    """One way through a value and all that it is made of."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._met: dict[int, _Node] = {}
        self._path: list[_Node] = []
        self._open: list[_Node] = []

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
                    parent.low = min(parent.low, node.low) if node.open else parent.low
                    parent.written.append(self._written(node))
        except Unhashable as error:
            raise _refusal(error, self._where()) from None
        return self._settle(first) if isinstance(first, _Node) else first

    def _enter(self, value: Any) -> bytes | _Node:
        """Begin with a value: write it if that can be done at once, else put it on the path."""
        written = encode(value)
        if written is not None:
            return written
        node = self._met.get(id(value))
        if node is not None:
            if node.open:
                self._check_knot(node)
                self._path[-1].low = min(self._path[-1].low, node.low)
            return self._written(node)
        if type(value) is CodeType and (known := _codes.get(value)) is not None:
            return known
        node = self._met[id(value)] = _Node(value, len(self._met))
        self._path.append(node)
        self._open.append(node)
        return node

    def _check_knot(self, node: _Node) -> None:
        """See that there is a function on the way from an object back to it."""
        if node.done:  # there by another way, which was seen to
            return
        for member in reversed(self._path):
            if type(member.value) is FunctionType:
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
                # Its members have no order, and in a knot no digests of their own to be sorted by.
                raise Unhashable(f"`{type(member.value).__name__}` with a function that closes over it")
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
                node.digest = DIGEST + _untie(node)
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


def _head(node: _Node) -> bytes:
    return b"%c%b%b" % (len(node.tag), node.tag, len(node.written).to_bytes(8, "big"))


def _digest(node: _Node) -> bytes:
    """The digest of a node whose parts are all written."""
    written = cast("list[bytes]", node.written)
    if node.tag in SETS:
        written = sorted(written)
    return blake2b(_head(node) + b"".join(written), digest_size=SIZE).digest()


def _untie(first: _Node) -> bytes:
    """The digest of a member of a knot: the whole knot written out, with this one as its beginning."""
    digest = blake2b(KNOT + _head(first), digest_size=SIZE)
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
            digest.update(KNOT + _head(node))
            path.append(iter(node.written))
    return digest.digest()
