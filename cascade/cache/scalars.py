"""Leaves, which are data without parts, as unique bytes.

The encoding of a leaf is its tag, its length and its content; tag and length make it unambiguous when encodings are
joined. The exact type counts: `True`, `1` and `1.0` are three leaves, and an instance of a subclass is none of them.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CellType,
    CodeType,
    CoroutineType,
    EllipsisType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
    NotImplementedType,
)
from typing import Any
from uuid import UUID

import msgspec

from cascade._core.expr.builtin_nodes import Placeholder
from cascade.cache.origin import module_name

__all__ = [
    "ABSENT",
    "LEAVES",
    "SIZE",
    "BoundFunction",
    "Exact",
    "Unhashable",
    "Used",
    "builtin",
    "class_",
    "function_name",
    "leaf",
    "named",
    "opaque",
]

SIZE = 32  # bytes of a digest
LONG = 1024  # bytes of content; more is written as its digest


class Unhashable(Exception):
    """A value cannot be hashed. The text describes the value; the caller adds the place.

    Args:
        text: describes the value.
        kind: the type of the value, if a program can teach it.
    """

    def __init__(self, text: str, kind: type | None = None) -> None:
        super().__init__(text)
        self.kind = kind


class Absent:
    """The type of `ABSENT`, which stands for a missing value: an empty cell, a field that was never set."""


ABSENT = Absent()


class Used:
    """An object that a function uses without holding it, such as a global that it reads.

    It is hashed as far as possible: a part that cannot be hashed counts by its class, and is not an error.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Exact:
    """A part that must be hashed also where its whole counts only as far as possible; see `Used`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class BoundFunction:
    """A function with arguments that it is certainly called with, such as a method and its object.

    Attributes:
        fn: the function.
        args: its first positional arguments.
        kwargs: some of its keyword arguments.
    """

    __slots__ = ("args", "fn", "kwargs")

    def __init__(self, fn: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs

    def given(self) -> dict[str, Any]:
        """Return the arguments by the names of the parameters."""
        code = self.fn.__code__
        if code.co_argcount and len(self.args) == 1 and not self.kwargs:
            return {code.co_varnames[0]: self.args[0]}
        return dict(zip(code.co_varnames[: code.co_argcount], self.args, strict=False)) | (self.kwargs or {})


def leaf(tag: bytes, content: bytes | bytearray = b"") -> bytes:
    r"""Return the bytes of a leaf. Its first byte is from 1 to 127, the length of the tag.

    >>> leaf(b"bytes", b"ab")
    b'\x05bytes\x00\x00\x00\x00\x00\x00\x00\x02ab'
    """
    size = len(content)
    written = blake2b(content, digest_size=SIZE).digest() if size > LONG else bytes(content)
    return b"%c%b%b%b" % (len(tag), tag, size.to_bytes(8, "big"), written)


def _integer(value: int) -> bytes:
    return leaf(b"int", value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True))


def _text(value: str) -> bytes:
    return leaf(b"str", value.encode("utf-8", "surrogatepass"))


def _array(value: array[Any]) -> bytes:
    return leaf(f"array {value.typecode} {value.itemsize} {sys.byteorder}".encode(), value.tobytes())


def _view(value: memoryview) -> bytes:
    try:
        shape = ",".join(map(str, value.shape or ()))
        strides = ",".join(map(str, value.strides or ()))
        about = f"{value.readonly:d} {value.format} {shape} {strides} {type(value.obj).__name__}".encode()
        return leaf(b"memoryview", about) + leaf(b"of", value.tobytes())
    except ValueError:
        raise Unhashable("a released `memoryview`") from None


def _path(value: Any) -> bytes:
    return leaf(type(value).__name__.encode(), str(value).encode("utf-8", "surrogatepass"))


def _timedelta(value: timedelta) -> bytes:
    return leaf(b"timedelta", struct.pack(">qqq", value.days, value.seconds, value.microseconds))


def _uuid(value: UUID) -> bytes:
    return leaf(b"UUID", value.bytes + value.is_safe.name.encode())


def named(kind: bytes, module: Any, qualname: Any, value: object, what: str) -> bytes:
    """Return the leaf of an object that counts by its name: its module must have it under this name.

    Raises:
        Unhashable: the module does not, such as for an object that was made inside a function.
    """
    found: Any = sys.modules.get(module) if type(module) is str else None
    if found is not None and type(qualname) is str:
        for part in qualname.split("."):
            found = getattr(found, part, None)
        if found is value:
            return leaf(kind, f"{module_name(module)}\0{qualname}".encode("utf-8", "surrogatepass"))
    raise Unhashable(f"{what}, which its module does not have under that name,")


def class_(value: type) -> bytes:
    """Return the leaf of a class, which counts by its name."""
    if id(value) in _NAMELESS:
        return leaf(b"type", _NAMELESS[id(value)])
    module, qualname = type.__getattribute__(value, "__module__"), type.__getattribute__(value, "__qualname__")
    return named(b"class", module, qualname, value, f"class `{qualname}`")


def _module(value: ModuleType) -> bytes:
    name = getattr(value, "__name__", None)
    if type(name) is str and sys.modules.get(name) is value:
        return leaf(b"module", module_name(name).encode("utf-8", "surrogatepass"))
    raise Unhashable("a module that was not imported under its name,")


def builtin(value: Any) -> bytes:
    """Return the leaf of a function of a module that is written in C."""
    return named(b"builtin", value.__module__, value.__qualname__, value, f"function `{value.__qualname__}`")


def opaque(value: Any) -> bytes:
    """Return the leaf of an object that counts by its class only."""
    kind = type(value)
    module, qualname = type.__getattribute__(kind, "__module__"), type.__getattribute__(kind, "__qualname__")
    # `type`, not `__class__`: a proxy has that of another object, or raises if it has none yet.
    name = type.__getattribute__(value, "__qualname__") if issubclass(kind, type) else ""
    return leaf(b"object", f"{module_name(module)}\0{qualname}\0{name}".encode("utf-8", "surrogatepass"))


def function_name(value: FunctionType) -> bytes:
    """Return the leaf of a function that counts by its name alone."""
    name = f"{value.__globals__.get('__name__')}\0{value.__qualname__}"
    return leaf(b"function", name.encode("utf-8", "surrogatepass"))


def _describes(value: Any) -> bytes:
    owner = value.__objclass__
    if owner.__dict__.get(value.__name__) is not value:
        raise Unhashable(f"a detached `{type(value).__name__}`")
    return class_(owner) + leaf(b"method", value.__name__.encode("utf-8", "surrogatepass"))


_WITHOUT_MODULE: tuple[type, ...] = (
    type(None),
    EllipsisType,
    NotImplementedType,
    FunctionType,
    MethodType,
    BuiltinFunctionType,
    CodeType,
    CellType,
    ModuleType,
    GeneratorType,
    AsyncGeneratorType,
    CoroutineType,
)
# Types that no module has under their name. They are never collected, so their ids are unique.
_NAMELESS: dict[int, bytes] = {id(kind): kind.__name__.encode() for kind in _WITHOUT_MODULE}

LEAVES: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: leaf(b"None"),
    EllipsisType: lambda value: leaf(b"Ellipsis"),
    NotImplementedType: lambda value: leaf(b"NotImplemented"),
    Absent: lambda value: leaf(b"absent"),
    type(msgspec.UNSET): lambda value: leaf(b"UNSET"),
    bool: lambda value: leaf(b"bool", b"\1" if value else b"\0"),
    int: _integer,
    # The bits: -0.0 is not 0.0, and a NaN equals a NaN with the same bits.
    float: lambda value: leaf(b"float", struct.pack(">d", value)),
    complex: lambda value: leaf(b"complex", struct.pack(">dd", value.real, value.imag)),
    str: _text,
    bytes: lambda value: leaf(b"bytes", value),
    bytearray: lambda value: leaf(b"bytearray", value),
    memoryview: _view,
    array: _array,
    date: lambda value: leaf(b"date", struct.pack(">HBB", value.year, value.month, value.day)),
    timedelta: _timedelta,
    Decimal: lambda value: leaf(b"Decimal", str(value).encode()),
    UUID: _uuid,
    PosixPath: _path,
    PurePosixPath: _path,
    WindowsPath: _path,
    PureWindowsPath: _path,
    ModuleType: _module,
    Placeholder: lambda value: leaf(b"resource", value.name.encode("utf-8", "surrogatepass")),
    type(str.upper): _describes,
    type(int.__add__): _describes,
}
