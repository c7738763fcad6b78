"""Conversion of the values of params and environment variables to the types that these declare."""

from __future__ import annotations

import ast
import reprlib
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import inspect

from cascade._support.failures import message

__all__ = ["ConversionError", "check_type", "convert", "kind_of", "shown", "type_name"]

Kind = Literal[
    "any",
    "bool",
    "int",
    "float",
    "text",
    "bytes",
    "scalar",
    "literal",
    "enum",
    "union",
    "items",
    "dict",
    "object",
    "class",
]

_WORDS = {
    "true": True, "yes": True, "on": True, "1": True,
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip
_PLAIN: dict[Any, Kind] = {
    None: "any", Any: "any", object: "any", bool: "bool", int: "int", float: "float", str: "text", bytes: "bytes",
}  # fmt: skip
_SCALARS = (
    inspect.BoolType, inspect.IntType, inspect.FloatType, inspect.StrType, inspect.BytesType, inspect.ByteArrayType,
    inspect.MemoryViewType, inspect.DateTimeType, inspect.DateType, inspect.TimeType, inspect.TimeDeltaType,
    inspect.UUIDType, inspect.DecimalType, inspect.NoneType,
)  # fmt: skip
# The container that is built, by the type.
_SERIES: tuple[tuple[type, type], ...] = (
    (inspect.ListType, list), (inspect.SetType, set), (inspect.FrozenSetType, frozenset),
    (inspect.VarTupleType, tuple), (inspect.TupleType, tuple),
)  # fmt: skip
# How Python reads the text of a type. What it refuses, msgspec may take: "3.0" as an int, "PT1H" as a timedelta.
_READERS: dict[Any, Callable[[str], Any]] = {
    int: lambda text: int(text) if text.lstrip("+-").isdecimal() else int(text, 0),
    float: float,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    timedelta: lambda text: timedelta(seconds=float(text)),
}
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
# An instance of a subclass is converted: True is not an int here, and a datetime is not a date.
_EXACT = ("int", "float", "scalar")


class _Short(reprlib.Repr):
    """`reprlib` that writes "<int>" for a number with too many digits for Python, for which `reprlib` may raise."""

    def repr_int(self, x: int, level: int) -> str:
        try:
            repr(x)
        except ValueError:
            return f"<{type(x).__name__}>"
        return super().repr_int(x, level)


_short = _Short()
_short.maxstring = _short.maxother = 60
_short.maxlong = 40


class ConversionError(ValueError):
    """A value does not convert. The message has the type and the value; the caller adds the place."""


def convert(value: Any, wanted: Any) -> Any:
    """Return a value as a type.

    A value of the type is returned unchanged. Text is parsed: as a number, a word such as "yes", the name of an enum's
    member, items separated by commas, or JSON. Any other class is called with the text.

    Args:
        value: any value.
        wanted: a class, or any annotation that msgspec understands; None: every value is returned unchanged.

    Returns:
        A value of the type.

    Raises:
        ConversionError: the value does not convert.

    >>> from pathlib import Path
    >>> convert("3", int), convert("1, 2", list[int]), convert('{"a": 1}', dict[str, float]), convert("off", bool)
    (3, [1, 2], {'a': 1.0}, False)
    >>> convert("x.txt", Path | None).name
    'x.txt'
    >>> convert("three", int)
    Traceback (most recent call last):
        ...
    cascade.expressions.conversion.ConversionError: value must be `int`, got `str` 'three'
    """
    base = _base(wanted)
    kind = kind_of(wanted)
    if kind == "any" or _is_instance_exactly(value, base, kind):
        result = value
    elif kind == "union":
        result = _as_member(value, wanted, base)
    elif kind == "literal":
        result = _as_option(value, base)
    elif kind == "enum":
        result = _as_enum(value, base)
    elif kind == "items":
        result = _as_series(value, wanted, base)
    elif kind == "dict":
        result = _as_dict(value, wanted, base)
    elif isinstance(value, str):
        result = _read(value, wanted, base, kind)
    elif kind == "class":
        raise _mismatch(value, wanted)
    else:
        result = _by_msgspec(value, base)
    return result if base is wanted else _constrained(result, wanted)


def check_type(wanted: Any) -> None:
    """Check that `convert` can use a type.

    Raises:
        TypeError: it is not a type, or has a part that is not one.

    >>> check_type(list[int])
    >>> check_type("int")
    Traceback (most recent call last):
        ...
    TypeError: type must be a class or an annotation, got 'int'
    """
    try:
        kind_of(wanted)
    except (TypeError, NameError, AttributeError) as error:
        text = str(error)
        why = "" if text.startswith("Type '") and text.endswith("' is not supported") else f": {text}"
        raise TypeError(f"type must be a class or an annotation, got {shown(wanted)}{why}") from None


def kind_of(wanted: Any) -> Kind:
    """Return how `convert` makes values of a type.

    Raises:
        TypeError: it is not a type.

    >>> kind_of(int), kind_of(int | None), kind_of(tuple[int, ...]), kind_of(dict)
    ('int', 'union', 'items', 'dict')
    """
    try:
        hash(wanted)
    except TypeError:  # an annotation with an unhashable part
        return _find_kind(wanted)
    return _known_kind(wanted)


def type_name(wanted: Any) -> str:
    """Return a type as text, without the module of a class.

    >>> type_name(int), type_name(list[int]), type_name(int | None)
    ('int', 'list[int]', 'int | None')
    """
    if isinstance(wanted, type) and get_origin(wanted) is None:
        return wanted.__qualname__
    if get_origin(wanted) is typing.Annotated:
        return type_name(wanted.__origin__)
    if get_origin(wanted) in (typing.Union, types.UnionType):
        return " | ".join("None" if one is types.NoneType else type_name(one) for one in get_args(wanted))
    return getattr(wanted, "__name__", "") if _base(wanted) is not wanted else repr(wanted).replace("typing.", "")


def shown(value: Any) -> str:
    """Return the `repr` of a value on one line, shortened to about 60 characters.

    >>> shown("x" * 1000)[:5], len(shown("x" * 1000))
    ("'xxxx", 60)
    """
    try:
        text = _short.repr(value)
    except Exception:  # `reprlib` handles most errors of a `__repr__`, but not all
        return f"<{type(value).__name__}>"
    return " ".join(text.split()) if "\n" in text else text


# ------------------------------------------------------------------------------------------------ kinds of types


@lru_cache(1024)
def _known_kind(wanted: Any) -> Kind:
    return _find_kind(wanted)


def _find_kind(wanted: Any) -> Kind:
    base = _base(wanted)
    if base is None or isinstance(base, type) or base is Any:
        try:
            return _PLAIN[base]
        except (KeyError, TypeError):
            pass
    origin = get_origin(base)
    if origin is typing.Union or origin is types.UnionType:
        for member in get_args(base):
            kind_of(member)
        return "union"
    if origin is Literal:
        return "literal"
    if isinstance(base, type) and origin is None and issubclass(base, Enum):
        return "enum"
    return _structured_kind(base, origin)


def _structured_kind(base: Any, origin: Any) -> Kind:
    if base in (list, tuple, set, frozenset) or origin in (list, tuple, set, frozenset):
        for part in get_args(base):
            if part is not ...:
                kind_of(part)
        return "items"
    if base is dict or origin is dict:
        for part in get_args(base):
            kind_of(part)
        return "dict"
    info = inspect.type_info(base)
    if isinstance(info, inspect.CustomType):
        if origin is not None or not isinstance(base, type):
            raise TypeError(f"nothing can be made into a `{type_name(base)}`")
        return "class"
    msgspec.json.Decoder(base, dec_hook=_part)  # raises for parts that are not supported
    if isinstance(info, inspect.AnyType):
        return "any"
    if isinstance(info, _SCALARS):
        return "scalar"
    return "items" if _series(base) else "object"


def _series(base: Any) -> type | None:
    """Return the class of the container that is built, or None."""
    origin = get_origin(base) or base
    if origin in (list, tuple, set, frozenset):
        return typing.cast(type, origin)
    info = inspect.type_info(base)
    return next((made for kind, made in _SERIES if isinstance(info, kind)), None)


def _base(wanted: Any) -> Any:
    """Return a type without constraints, `NewType` and alias around it."""
    while (inner := _unwrapped(wanted)) is not wanted:
        wanted = inner
    return wanted


def _unwrapped(wanted: Any) -> Any:
    if get_origin(wanted) is typing.Annotated:
        return wanted.__origin__
    if hasattr(wanted, "__supertype__"):
        return wanted.__supertype__
    return wanted.__value__ if type(wanted).__name__ == "TypeAliasType" else wanted


def _is_instance_exactly(value: Any, base: Any, kind: Kind) -> bool:
    """Whether a value needs no conversion to a class."""
    if not isinstance(base, type) or get_origin(base) is not None:
        return False
    if kind in _EXACT:
        return type(value) is base
    try:
        return isinstance(value, base)
    except TypeError:  # a TypedDict
        return False


# ------------------------------------------------------------------------------------- conversions


def _as_member(value: Any, wanted: Any, base: Any) -> Any:
    """Convert to the first member of a union that takes the value: "3" is an int for `int | str`, not `str | int`."""
    members = get_args(base)
    if not isinstance(value, str) and type(value) in members:
        return value
    failures = []
    for member in members:
        if member is not types.NoneType:
            try:
                return convert(value, member)
            except ConversionError as error:
                failures.append(str(error))
    if types.NoneType in members and _is_null(value):
        return None
    if len(failures) == 1 and (": " in failures[0] or failures[0].startswith("value must be one of")):
        raise ConversionError(failures[0])  # more specific than the error about the union
    raise _mismatch(value, wanted)


def _is_null(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in ("none", "null")


def _as_option(value: Any, base: Any) -> Any:
    """Return an option of a `Literal`, by its value and type, or by its text."""
    options = get_args(base)
    for option in options:
        if type(option) is type(value) and option == value:
            return option
    if isinstance(value, str):
        for option in options:
            if not isinstance(option, str) and _reads(value, option):
                return option
    raise _not_an_option(value, [shown(option) for option in options])


def _reads(text: str, option: Any) -> bool:
    if option is None:
        return _is_null(text)
    try:
        return bool(convert(text, type(option)) == option)
    except ConversionError:
        return False


def _as_enum(value: Any, base: type[Enum]) -> Enum:
    """Return a member of an enum, by its value and type, by its name, or by the text of its value."""
    members = base.__members__
    for member in members.values():
        if type(member.value) is type(value) and member.value == value:
            return member
    if isinstance(value, str):
        if value in members:
            return members[value]
        for member in members.values():
            if not isinstance(member.value, str) and str(member.value) == value:
                return member
    if not isinstance(value, bool):
        try:
            return base(value)  # combined flags, and what `_missing_` accepts
        except Exception:
            pass
    raise _not_an_option(
        value, [shown(one.value) if isinstance(one.value, str) else name for name, one in members.items()]
    )


def _as_series(value: Any, wanted: Any, base: Any) -> Any:
    """Return a container of items, each converted."""
    given = value
    if isinstance(value, str):
        value = _split(value.strip(), wanted)
    elif not isinstance(value, list | tuple | set | frozenset):
        raise _mismatch(value, wanted)
    parts = get_args(base)
    of: Iterable[Any]
    if _series(base) is tuple and parts and parts[-1] is not ...:
        if len(parts) != len(value):
            raise _mismatch(given, wanted, f"{len(value)} items instead of {len(parts)}")
        of = parts
    else:
        of = [parts[0] if parts else None] * len(value)
    made = _series(base)
    assert made is not None
    try:
        return made(_items(value, of))
    except TypeError as error:  # an unhashable member of a set
        raise _mismatch(given, wanted, str(error)) from None


def _split(text: str, wanted: Any) -> Any:
    """Return the items in a text: a JSON array, a Python list, tuple or set, or what is between commas."""
    if text.startswith("["):
        return _decoded(text, wanted, (list,))
    if text.startswith(("(", "{")):
        items = _literal(text, (tuple, set))
        if items is not None:
            return items
    return [one.strip() for one in text.split(",") if text]


def _items(values: Iterable[Any], of: Iterable[Any]) -> Iterator[Any]:
    for index, (value, wanted) in enumerate(zip(values, of, strict=True)):
        try:
            yield convert(value, wanted)
        except ConversionError as error:
            raise ConversionError(f"{error} - at item {index}") from error


def _as_dict(value: Any, wanted: Any, base: Any) -> dict[Any, Any]:
    given = value
    if isinstance(value, str):
        value = _decoded(value, wanted, (dict,))
    if not isinstance(value, dict):
        raise _mismatch(given, wanted)
    of_key, of_value = get_args(base) or (None, None)
    made = {}
    for key, item in value.items():
        try:
            made[convert(key, of_key)] = convert(item, of_value)
        except ConversionError as error:
            raise ConversionError(f"{error} - at key {shown(key)}") from error
        except TypeError as error:  # an unhashable key
            raise _mismatch(given, wanted, str(error)) from None
    return made


def _read(text: str, wanted: Any, base: Any, kind: Kind) -> Any:
    """Parse text as a type other than text."""
    if kind == "class":
        try:
            return base(text)
        except Exception as error:
            raise _mismatch(text, wanted, _description(error)) from error
    if kind == "bytes":
        return text.encode("utf-8", "surrogateescape")
    if kind == "bool":
        word = text.strip().lower()
        if word not in _WORDS:
            raise _mismatch(text, wanted, "write true or false, yes or no, on or off, 1 or 0")
        return _WORDS[word]
    if kind == "object":
        return _by_msgspec(_decoded(text, wanted, (dict, list, tuple)), base)
    read = _READERS.get(base)
    if read is not None:
        try:
            return read(text.strip())
        except (ValueError, OverflowError):  # of infinitely many seconds
            pass
    return _by_msgspec(text.strip(), base, text)


def _decoded(text: str, wanted: Any, kinds: tuple[type, ...]) -> Any:
    """Parse JSON, or else a literal of Python of one of these kinds."""
    try:
        return msgspec.json.decode(text)
    except Exception as error:
        literal = _literal(text, kinds)
        if literal is None:
            raise _mismatch(text, wanted, _description(error)) from error
        return literal


def _literal(text: str, kinds: tuple[type, ...]) -> Any:
    """Return the container that a literal of Python denotes, or None if the text is no such literal."""
    text = text.strip()
    if text[-1:] != _BRACKETS.get(text[:1], ""):
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # the last two: it is nested too deeply
        return None
    return value if isinstance(value, kinds) else None


def _by_msgspec(value: Any, wanted: Any, given: Any = None) -> Any:
    """Convert a value by msgspec."""
    try:
        return msgspec.convert(value, wanted, strict=False, dec_hook=_part)
    except Exception as error:
        text = _description(error)
        # msgspec's "Expected `int`, got `str`" would only repeat what `_mismatch` says.
        plain = text.startswith("expected `") and text.endswith("`") and " - at " not in text
        raise _mismatch(value if given is None else given, wanted, "" if plain else text) from error


def _constrained(value: Any, wanted: Any) -> Any:
    """Check a converted value against the constraints of its annotation, such as `msgspec.Meta(ge=0)`."""
    while (inner := _unwrapped(wanted)) is not wanted:
        metas = [meta for meta in getattr(wanted, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
        if metas and value is not None:
            constrained: Any = type(value)
            for meta in metas:
                constrained = typing.Annotated[constrained, meta]
            try:
                msgspec.convert(value, constrained)
            except msgspec.ValidationError as error:
                raise _mismatch(value, wanted, _description(error)) from error
            except TypeError:
                pass  # the constraint is for another member of a union
        wanted = inner
    return value


def _part(wanted: Any, value: Any) -> Any:
    """Convert a part of a class that msgspec does not know; msgspec calls it."""
    if isinstance(wanted, type):
        if isinstance(value, wanted):
            return value
        if isinstance(value, str):
            return wanted(value)
    # In the words of msgspec, so that `_by_msgspec` recognizes it.
    raise ValueError(f"Expected `{type_name(wanted)}`, got `{type(value).__name__}`")


def _description(error: Exception) -> str:
    text = message(error)
    if isinstance(error, msgspec.MsgspecError) or (text and type(error) is ValueError):
        return text if text[1:2].isupper() else text[:1].lower() + text[1:]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _mismatch(value: Any, wanted: Any, why: str = "") -> ConversionError:
    came = "None" if value is None else f"`{type(value).__name__}` {shown(value)}"
    return ConversionError(f"value must be `{type_name(wanted)}`, got {came}{f': {why}' if why else ''}")


def _not_an_option(value: Any, options: list[str]) -> ConversionError:
    listed = ", ".join(options[:20]) + (f" and {len(options) - 20} more" if len(options) > 20 else "")
    return ConversionError(f"value must be one of {listed}, got {shown(value)}")
