"""Data with parts: the parts of each supported type, and their paths for errors.

Objects of supported types are hashed in full; other types are an error. An object of an unknown class may be identified
by its address only, and an address is no key.
"""

from __future__ import annotations

import re
import sys
import weakref
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from datetime import datetime, time, timezone
from enum import Enum
from fractions import Fraction
from functools import partial
from gc import get_referents
from operator import attrgetter, itemgetter, methodcaller
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GenericAlias,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    UnionType,
)
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cascade._core.expr.data import Data
from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.map_inputs import MarkedSeries
from cascade._core.expr.policy import Retry, ScopeCache, Timeout
from cascade._core.expr.task import Task
from cascade._support.failures import describe
from cascade.cache.functions import (
    Parts,
    builtin_parts,
    callable_code,
    code_parts,
    function_parts,
    is_plain_builtin,
    lru_parts,
    method_parts,
    partial_parts,
)
from cascade.cache.origin import module_name
from cascade.cache.scalars import ABSENT, LEAVES, BoundFunction, Exact, Unhashable, Used, builtin, class_, opaque
from cascade.cache.taught import teachings

__all__ = ["SETS", "encode", "forget_kinds", "is_known", "parts_of"]

SETS = (b"set", b"frozenset")  # tags of types without an order

POINTER = tuple.__itemsize__


def encode(value: Any) -> bytes | None:
    """Return the bytes of a leaf, or None if the value has parts.

    Raises:
        Unhashable: it is a leaf that cannot be encoded.
    """
    kind = type(value)
    if (write := LEAVES.get(kind)) is not None:
        return write(value)
    if kind in _PARTS:
        return builtin(value) if kind is BuiltinFunctionType and is_plain_builtin(value) else None
    if issubclass(kind, type):
        return class_(value)
    return None


def parts_of(value: Any, used: bool = False) -> Parts:
    """Return the tag and the parts of a value that is not a leaf, and a function from indexes to paths.

    Args:
        value: the value.
        used: whether a function uses it without holding it. Then an instance of a class that is derived from a built-in
            type counts by its content, too: what the class does with it is known by the class's name only.

    Raises:
        Unhashable: its type is not supported.
    """
    kind = type(value)
    take = _PARTS.get(kind) or _kinds.get(kind)
    if take is None:
        take = _kinds[kind] = _find(kind)
    if take is _refuse and used:
        return _derived(value)
    return take(value)


def _index(i: int) -> str:
    return f"[{i}]"


def _member(i: int) -> str:
    return "[...]"


def _nowhere(i: int) -> str:
    return ""


def _literal(key: Any) -> str:
    if type(key) not in (str, int, bool, float, bytes, type(None)):
        return "[...]"
    shown = repr(key) if type(key) is not int or key.bit_length() < 100 else "..."
    return f"[{shown if len(shown) <= 60 else shown[:57] + '...'}]"


def _sequence(tag: bytes, list_: Callable[[Any], list[Any]] = list) -> Callable[[Any], Parts]:
    return lambda value: (tag, list_(value), _index)


def _mapping(tag: bytes, items: Iterable[tuple[Any, Any]], **more: Any) -> Parts:
    # In order: a function can distinguish {"a": 1, "b": 2} from {"b": 2, "a": 1}.
    parts = [part for item in items for part in item]
    count = len(parts)
    names = list(more)

    def where(i: int) -> str:
        if i >= count:
            return f".{names[i - count]}"
        return _literal(parts[i - 1]) if i % 2 else ".keys()[...]"

    return tag, [*parts, *more.values()], where


def _simple(tag: bytes, take: Callable[[Any], Iterable[Any]]) -> Callable[[Any], Parts]:
    return lambda value: (tag, list(take(value)), _nowhere)


def _named(tag: bytes, *names: str) -> Callable[[Any], Parts]:
    where = tuple(f".{name}" for name in names).__getitem__
    return lambda value: (tag, [getattr(value, name) for name in names], where)


def _datetime(value: datetime) -> list[Any]:
    # Not by `timetuple`, which calls the time zone.
    day = [value.year, value.month, value.day]
    return [*day, value.hour, value.minute, value.second, value.microsecond, value.fold, value.tzinfo]


def _time(value: time) -> list[Any]:
    return [value.hour, value.minute, value.second, value.microsecond, value.fold, value.tzinfo]


def _zone(value: ZoneInfo) -> list[Any]:
    try:
        value.__reduce__()
    except Exception:  # made from a file: another one may have the same key
        raise Unhashable("a `ZoneInfo` made of a file") from None
    return [value.key]


def _reduced(value: Any) -> list[Any]:
    make, arguments = value.__reduce__()[:2]
    return [make, *arguments]


def _task(value: Task) -> Parts:
    """Return the parts of a task: its callable, identity, defaults and policies, and the code that a call runs."""
    (module, *identity), fills, policies = value._content()  # noqa: SLF001 - the core shows its content to the cache only
    code = [Used(method) for method in callable_code(value.fn)]
    parts = [value.fn, module_name(module), tuple(identity), fills, policies, len(code), *code]
    return b"Task", parts, lambda i: (".fn", "", "", ".defaults", ".policies")[i] if i < 5 else ""


def _lazy(value: LazyResult) -> Parts:
    """Return the parts of a lazy result: its task, the form of the call, and all operands."""
    task, ((module, *identity), positional, names, roles), operands = value._content()  # noqa: SLF001
    parts = [task, module_name(module), tuple(identity), positional, names, roles, *operands]
    labels = [f".args[{i}]" for i in range(positional)] + [f".kwargs[{name!r}]" for name in names]
    labels += [f".policies[{role!r}]" if role != "after" else ".after(...)" for role in roles]
    return b"LazyResult", parts, (".task", "", "", "", "", "", *labels).__getitem__


def _context_variable(value: ContextVar[Any]) -> Parts:
    """Return the parts of a context variable: its name, and its value in the current context, which is that of the run.

    The value counts without its default, too: a function may give another one.
    """
    given = value.get(ABSENT)
    try:
        found = value.get()
    except LookupError:
        found = ABSENT
    return b"ContextVar", [value.name, Exact(given), Exact(found)], _nowhere


def _by_content(value: Any) -> Parts:
    """Return the parts of an object of Cascade that lists them itself: a policy, a resource."""
    names = list(content := value.__cascade_content__())
    return type(value).__name__.encode(), list(content.values()), lambda i: names[i] and f".{names[i]}"


_PARTS: dict[type, Callable[[Any], Parts]] = {
    tuple: _sequence(b"tuple"),
    list: _sequence(b"list"),
    dict: lambda value: _mapping(b"dict", list(value.items())),
    set: lambda value: (b"set", list(value), _member),
    frozenset: lambda value: (b"frozenset", list(value), _member),
    range: _named(b"range", "start", "stop", "step"),
    slice: _named(b"slice", "start", "stop", "step"),
    deque: lambda value: (b"deque", [value.maxlen, *value], lambda i: f"[{i - 1}]"),
    OrderedDict: lambda value: _mapping(b"OrderedDict", list(value.items()), __dict__=vars(value)),
    Counter: lambda value: _mapping(b"Counter", list(value.items()), __dict__=vars(value)),
    defaultdict: lambda value: _mapping(b"defaultdict", list(value.items()), default_factory=value.default_factory),
    datetime: _simple(b"datetime", _datetime),
    time: _simple(b"time", _time),
    timezone: _simple(b"timezone", lambda value: value.__getinitargs__()),
    ZoneInfo: _simple(b"ZoneInfo", _zone),
    Fraction: _named(b"Fraction", "numerator", "denominator"),
    re.Pattern: _named(b"Pattern", "pattern", "flags"),
    GenericAlias: _named(b"GenericAlias", "__origin__", "__args__", "__unpacked__"),
    UnionType: _named(b"UnionType", "__args__"),
    # Without calling a method of the mapping that it shows.
    MappingProxyType: _simple(b"mappingproxy", get_referents),
    ChainMap: _simple(b"ChainMap", lambda value: [vars(value)]),
    UserDict: _simple(b"UserDict", lambda value: [vars(value)]),
    UserList: _simple(b"UserList", lambda value: [vars(value)]),
    UserString: _simple(b"UserString", lambda value: [vars(value)]),
    itemgetter: _simple(b"itemgetter", _reduced),
    attrgetter: _simple(b"attrgetter", _reduced),
    methodcaller: _simple(b"methodcaller", _reduced),
    partial: partial_parts,
    CodeType: code_parts,
    FunctionType: function_parts,
    MethodType: method_parts,
    BoundFunction: _simple(b"bound", lambda value: [value.fn]),
    BuiltinFunctionType: builtin_parts,
    Task: _task,
    ContextVar: _context_variable,
    LazyResult: _lazy,
    Data: _simple(b"data", lambda value: [value.value]),  # in an expression
    MarkedSeries: _simple(b"series", lambda value: [value.value]),
    ScopeCache: _simple(b"ScopeCache", lambda value: [value.policy]),  # its expression is the operand of the scope
    Retry: _named(
        b"Retry", "max_attempts", "delay", "backoff", "max_delay", "jitter", "on", "give_up_on", "max_elapsed"
    ),
    Timeout: _named(b"Timeout", "seconds", "total"),
}


def _in_attributes(value: Any) -> None:
    """Return nothing: the content of such an object is in its attributes."""


def _member_of(kind: type, name: str, value: Any) -> Any:
    return vars(kind)[name].__get__(value)


# The contents of instances of derived classes, without running code of these.
_CONTENTS: dict[type, Callable[[Any], Any]] = {
    OrderedDict: lambda value: list(OrderedDict.items(value)),
    defaultdict: lambda value: [*dict.items(value), _member_of(defaultdict, "default_factory", value)],
    dict: lambda value: list(dict.items(value)),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: list(tuple.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: set(frozenset.__iter__(value)),
    deque: lambda value: [*deque.__iter__(value), _member_of(deque, "maxlen", value)],
    int: int.__pos__,
    float: float.__pos__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytearray.__getitem__(value, slice(None)),
    UserDict: _in_attributes,
    UserList: _in_attributes,
    UserString: _in_attributes,
    ChainMap: _in_attributes,
}

# A cache of `_find` by class.
_kinds: weakref.WeakKeyDictionary[type, Callable[[Any], Parts]] = weakref.WeakKeyDictionary()


def _find(kind: type) -> Callable[[Any], Parts]:
    """Return the function for the parts of instances of a class that is not in the table."""
    if "__cascade_content__" in vars(kind):
        return _by_content
    if (function := teachings.find(kind)) is not None:
        return _taught(function)
    if issubclass(kind, Enum):
        return _enumeration
    if issubclass(kind, msgspec.Struct):
        return _struct
    if issubclass(kind, tuple) and _is_named_tuple(kind):
        return _named_tuple
    if is_dataclass(kind) and _has_only_attributes(kind):
        return _dataclass
    homes = {str(owner.__module__).partition(".")[0] for owner in (kind, type(kind))}
    if "numpy" in homes and "numpy" in sys.modules:
        from cascade.cache.numpy_arrays import numpy_parts

        return numpy_parts
    if "pydantic" in sys.modules and issubclass(kind, sys.modules["pydantic"].BaseModel):
        return _model
    if "__attrs_attrs__" in vars(kind) and _has_only_attributes(kind):
        return _attributes
    if kind.__name__ == "cython_function_or_method":
        return _compiled
    if kind.__qualname__ == "_lru_cache_wrapper" and kind.__module__ == "functools":
        return lru_parts
    return _refuse


def _refuse(value: Any) -> Parts:
    raise Unhashable(f"`{type(value).__name__}`", type(value))


def _taught(function: Callable[[Any], Any]) -> Callable[[Any], Parts]:
    def take(value: Any) -> Parts:
        try:
            content = function(value)
        except Exception as error:
            name = type(value).__name__
            raise Unhashable(f"`{name}`, for which the function of register_key raised {describe(error)},") from error
        return b"taught", [opaque(value), Used(function), Exact(content)], ("", "", ".key").__getitem__

    return take


def is_known(kind: type) -> bool:
    """Whether instances of exactly this type are hashed in a way that no program can change."""
    return kind in LEAVES or kind in _PARTS or "__cascade_content__" in vars(kind)


def forget_kinds() -> None:
    """Find the function for each class anew: a type was taught, after instances of it or of derived types were met."""
    _kinds.clear()


def _derived(value: Any) -> Parts:
    """Return the content and the attributes of an instance of a class that is derived from a built-in type."""
    kind = type(value)
    for base in type.__getattribute__(kind, "__mro__"):
        if (content := _CONTENTS.get(base)) is not None:
            own = object.__getattribute__(value, "__dict__") if kind.__dictoffset__ else {}
            return b"derived", [opaque(value), content(value), own, _slots(value)], _nowhere
    return _refuse(value)


def _slots(value: Any) -> dict[str, Any]:
    """Return the attributes in slots. One that hides another one of a base class is another attribute."""
    found: dict[str, Any] = {}
    for base in reversed(type.__getattribute__(type(value), "__mro__")):
        for name, member in type.__getattribute__(base, "__dict__").items():
            if type(member) is MemberDescriptorType and member.__objclass__ is base:
                if name in found:
                    found[f"{len(found)} {name}"] = found[name]  # no attribute has a space
                try:
                    found[name] = member.__get__(value)
                except AttributeError:
                    found[name] = ABSENT
    return found


def _compiled(value: Any) -> Parts:
    """Return the parts of a function compiled by Cython, which counts by its name, as every function in C."""
    return b"compiled", [builtin(value)], _nowhere


def _enumeration(value: Enum) -> Parts:
    # Attributes with single underscores belong to `enum`, which sets some of them lazily.
    own = {name: item for name, item in vars(value).items() if not (name[:1] == name[-1:] == "_")}
    own.pop("__objclass__", None)
    state = {"name": value._name_, "value": value._value_}
    return _record(b"Enum", type(value), state | {name: own[name] for name in sorted(own)})


def _record(tag: bytes, kind: type, state: dict[str, Any]) -> Parts:
    parts: list[Any] = [kind]
    labels = [".__class__"]
    for name, value in state.items():
        parts += name, value
        labels += "", f".{name}"
    return tag, parts, labels.__getitem__


def _struct(value: msgspec.Struct) -> Parts:
    state = {name: getattr(value, name, ABSENT) for name in type(value).__struct_fields__}
    return _record(b"Struct", type(value), state | _extra(value, state))


def _is_named_tuple(kind: type) -> bool:
    names = getattr(kind, "_fields", None)
    return type(names) is tuple and all(type(name) is str for name in names) and hasattr(kind, "_make")


def _named_tuple(value: Any) -> Parts:
    items = list(tuple.__iter__(value))
    names = type(value)._fields
    if len(names) != len(items):
        return _refuse(value)
    state = dict(zip(names, items, strict=True))
    return _record(b"namedtuple", type(value), state | _extra(value, state))


def _dataclass(value: Any) -> Parts:
    """Return the fields, in order, and then the other attributes in slots and dict."""
    state = dict.fromkeys((field.name for field in fields(value)), ABSENT) | _slots(value)
    own = getattr(value, "__dict__", {})
    state.update((name, own[name]) for name in state if name in own)
    return _record(b"dataclass", type(value), state | _extra(value, state))


def _attributes(value: Any) -> Parts:
    """Return the attributes of an instance of a class made with `attrs`, in slots and dict."""
    state = _slots(value)
    return _record(b"attrs", type(value), state | _extra(value, state))


def _model(value: Any) -> Parts:
    """Return the fields of a model of pydantic, the extra and private ones included, and which ones were set."""
    names = ("__dict__", "__pydantic_extra__", "__pydantic_private__", "__pydantic_fields_set__")
    state = {name: object.__getattribute__(value, name) for name in names}
    parts = [type(value), *state.values()]
    return b"pydantic", parts, (".__class__", "", ".__pydantic_extra__", ".__pydantic_private__", "").__getitem__


def _extra(value: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an object beyond its fields, such as a cached property: a function might read them."""
    own = getattr(value, "__dict__", None)
    if not own:
        return {}
    return {name: own[name] for name in sorted(own, key=str) if name not in state}


def _has_only_attributes(kind: type) -> bool:
    """Whether slots and dict are all data of an instance: no base class has data of its own in C.

    CPython computes the same sum before it pickles an object by its attributes.
    """
    if kind.__itemsize__:
        return False
    slots = sum(type(member) is MemberDescriptorType for base in kind.__mro__ for member in vars(base).values())
    slots += (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return kind.__basicsize__ <= object.__basicsize__ + slots * POINTER
