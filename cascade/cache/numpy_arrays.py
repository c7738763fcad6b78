"""Arrays and scalars of numpy as data: their type, their shape and their bytes."""

from __future__ import annotations

import sys
from typing import Any

from cascade.cache.functions import Parts
from cascade.cache.scalars import Unhashable

__all__ = ["numpy_parts"]

# The numbers of numpy's own element types. Types of extensions have other numbers, and are an error: two of them may be
# equal in all attributes that are read here.
OWN = range(24)


def numpy_parts(value: Any) -> Parts:
    """Return the parts of an array, a scalar, an element type, or a ufunc of numpy.

    Raises:
        Unhashable: it is none of these, or contains Python objects.
    """
    np: Any = sys.modules["numpy"]  # imported: the value is of it
    kind: Any = type(value)
    if isinstance(value, np.dtype):
        return b"dtype", _dtype(value, np), _nowhere
    if kind is np.ndarray:
        _check(value.dtype)
        return b"ndarray", [value.dtype, value.shape, _axes(value), value.flags.writeable, value.tobytes()], _nowhere
    if isinstance(value, np.generic) and kind.__module__ == "numpy":
        _check(value.dtype)
        return b"numpy scalar", [value.dtype, value.tobytes()], _nowhere
    if kind is np.ufunc:
        name: str = value.__name__
        if getattr(np, name, None) is value:
            return b"ufunc", [name], _nowhere
    raise Unhashable(f"`{kind.__name__}`")


def _nowhere(i: int) -> str:
    return ""


def _check(dtype: Any) -> None:
    if dtype.hasobject:
        raise Unhashable(f"an array of `{dtype}`")


def _dtype(dtype: Any, np: Any) -> list[object]:
    """Return the parts of an element type; records of different fields may have the same name."""
    of: type[Any] = dtype.type
    if dtype.num not in OWN or getattr(np, of.__name__, None) is not of:
        raise Unhashable(f"an extension type of numpy, `{dtype}`")
    about = [of.__name__, None if dtype.metadata is None else dict(dtype.metadata)]
    if dtype.subdtype is not None:
        return ["of", *about, *dtype.subdtype]
    if dtype.names is not None and dtype.fields is not None:
        parts: list[Any] = ["record", *about, dtype.itemsize, dtype.isalignedstruct]
        for name in dtype.names:
            parts += [name, len(dtype.fields[name]), *dtype.fields[name]]
        return parts
    return [dtype.str, *about, dtype.char]


def _axes(value: Any) -> tuple[int, ...] | None:
    """Return the order of an array's axes in memory, which `ravel("K")` uses; None: the order of its shape."""
    if value.flags.c_contiguous:
        return None
    axes = [axis for axis in range(value.ndim) if value.shape[axis] > 1]
    order = sorted(axes, key=lambda axis: -abs(value.strides[axis]))
    return None if order == axes else tuple(order)
