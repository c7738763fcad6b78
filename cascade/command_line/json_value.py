"""Values as JSON, for `cascade run --json`: valid JSON, or an error."""

from __future__ import annotations

import json
import math
import os
from numbers import Integral, Rational, Real
from typing import Any

import msgspec

from cascade._core.expr.builtin_nodes import SKIPPED

__all__ = ["to_json"]


def to_json(value: Any) -> bytes:
    """Return a value as JSON, in UTF-8.

    Structs, dataclasses, named tuples, enums, dates, UUIDs, `Decimal`, bytes (in base 64) and so on are written as
    msgspec writes them; a path is text, and a skipped target is null. Numbers as keys become text.

    Args:
        value: any value.

    Raises:
        ValueError: it has a number that JSON does not have, such as NaN, or two keys with the same text.
        TypeError: it has an object or a key without a form in JSON.

    >>> from pathlib import Path
    >>> to_json({"half": 0.5, "path": Path("a"), 3: None})
    b'{"half":0.5,"path":"a","3":null}'
    >>> to_json({"shares": [0.5, float("nan")]})
    Traceback (most recent call last):
        ...
    ValueError: value must have a form in JSON, got nan at $.shares[1]: print it without --json
    """
    plain = msgspec.to_builtins(value, enc_hook=_as_builtin)
    text = json.dumps(_checked(plain), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # Half of a surrogate pair, as in the name of a file that is not UTF-8, has a form in JSON, but none in UTF-8.
    return text.encode("utf-8", "backslashreplace")


def _as_builtin(value: Any) -> Any:
    """Convert what msgspec does not know."""
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if value is SKIPPED:
        return None
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Integral):  # such as numpy's
        return int(value)
    if isinstance(value, Real) and not isinstance(value, Rational):
        return float(value)
    raise _unfit(f"`{type(value).__name__}`", TypeError)


def _checked(plain: Any, place: str = "$") -> Any:
    """Return a value of dicts, lists and scalars with text as keys, after a check of its numbers and keys."""
    if isinstance(plain, float) and not math.isfinite(plain):
        raise _unfit(f"{plain!r} at {place}", ValueError)
    if isinstance(plain, list | tuple):
        return [_checked(item, f"{place}[{index}]") for index, item in enumerate(plain)]
    if not isinstance(plain, dict):
        return plain
    checked: dict[str, Any] = {}
    for key, item in plain.items():
        text = _key(key, place)
        if text in checked:
            raise _unfit(f"two keys {text!r} at {place}", ValueError)
        checked[text] = _checked(item, f"{place}.{text}")
    return checked


def _key(key: Any, place: str) -> str:
    """Return a key as text: text itself, or a number."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool) or not isinstance(key, int | float):
        raise _unfit(f"a key of type `{type(key).__name__}` at {place}", TypeError)
    if isinstance(key, float) and not math.isfinite(key):
        raise _unfit(f"a key {key!r} at {place}", ValueError)
    return repr(key)


def _unfit(what: str, kind: type[Exception]) -> Exception:
    return kind(f"value must have a form in JSON, got {what}: print it without --json")
