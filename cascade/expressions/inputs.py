"""Inputs: the params of a target, and the environment variables that it reads.

`Param` and `Env` make lazy results that hold a spec. Before any task of an expression starts, the engine calls
`resolve` for the values of its specs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import Enum
from typing import Any, ClassVar, Final, Literal, NoReturn, TypeAlias, TypeVar, overload

from cascade._core.expr.builtin_nodes import input_call
from cascade._core.expr.lazy import LazyResult
from cascade._core.shape.extract import finds_lazy
from cascade._support.public import public
from cascade.exceptions import InputError
from cascade.expressions.conversion import ConversionError, check_type, convert, shown, type_name

__all__ = ["NOTHING", "Env", "EnvSpec", "Param", "ParamSpec", "Spec", "distinct", "examine", "resolve"]


class Nothing(Enum):
    """The class of `NOTHING`."""

    NOTHING = "NOTHING"

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = Nothing.NOTHING
"""Stands for a missing default: None is a value."""


class _Spec:
    """The spec of an input. Frozen; equal to a spec of the same kind with equal name, default, type and description.

    Attributes:
        kind: the kind of the input, "param" or "env".
        word: its noun in messages.
        name: its name, under which ``params`` or the environment has its value.
        default: its value if none is given, of its type; `NOTHING`: a value must be given.
        type: the type to which values are converted; None: they are not converted.
        description: a text for the users of the program, shown by ``--help``.
    """

    __slots__ = ("default", "description", "name", "type")

    kind: ClassVar[Literal["param", "env"]]
    word: ClassVar[str]

    name: str
    default: Any
    type: Any
    description: str | None

    def __init__(self, name: str, default: Any = NOTHING, type: Any = None, description: str | None = None) -> None:  # noqa: A002
        self._check_name(name)
        if description is not None and not isinstance(description, str):
            raise TypeError(
                f"description must be a `str` or None, got `{_kind(description)}` - at {self.word} {name!r}"
            )
        try:
            check_type(type)
        except TypeError as error:
            raise TypeError(f"{error} - at {self.word} {name!r}") from None
        if isinstance(default, LazyResult):
            raise TypeError(f"default must be a value, got a lazy result - at {self.word} {name!r}")
        if finds_lazy(default):
            raise TypeError(f"default must be a value, got one that holds a lazy result - at {self.word} {name!r}")
        if default is not NOTHING:
            try:
                default = convert(default, type)
            except ConversionError as error:
                raise InputError(f"{error} - at `default` of {self.word} {name!r}") from error
        for field, value in zip(_FIELDS, (name, default, type, description), strict=True):
            object.__setattr__(self, field, value)

    @classmethod
    def _check_name(cls, name: object) -> None:
        raise NotImplementedError

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a spec is frozen: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a spec is frozen: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, _Spec) or self.kind != other.kind:
            return NotImplemented
        return (
            self.name == other.name
            and self.description == other.description
            and _same_type(self.type, other.type)
            and _same_value(self.default, other.default)
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.name))

    def __reduce__(self) -> tuple[Any, ...]:
        default = () if self.default is NOTHING else (self.default,)
        return type(self).restored, (self.name, self.type, self.description, *default)

    @classmethod
    def restored(cls, name: str, type: Any, description: str | None, default: Any = NOTHING) -> _Spec:  # noqa: A002
        """Return the spec that was pickled."""
        return cls(name, default, type, description)

    def __repr__(self) -> str:
        parts = [repr(self.name)]
        if self.default is not NOTHING:
            parts.append(f"default={shown(self.default)}")
        if self.type is not None:
            parts.append(f"type={type_name(self.type)}")
        if self.description is not None:
            parts.append(f"description={shown(self.description)}")
        return f"{self.kind.capitalize()}({', '.join(parts)})"


_FIELDS = ("name", "default", "type", "description")


class ParamSpec(_Spec):
    """The spec of a param."""

    __slots__ = ()

    kind = "param"
    word = "param"

    @classmethod
    def _check_name(cls, name: object) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name of a param must be a `str`, got `{_kind(name)}`")
        if not name.isidentifier():
            raise ValueError(f"name of a param must be an identifier (letters, digits, _), got {shown(name)}")


class EnvSpec(_Spec):
    """The spec of an environment variable."""

    __slots__ = ()

    kind = "env"
    word = "environment variable"

    @classmethod
    def _check_name(cls, name: object) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name of an environment variable must be a `str`, got `{_kind(name)}`")
        if not name or re.search(r"[=\0]", name):
            raise ValueError(f"name of an environment variable must not be empty or contain =, got {shown(name)}")


Spec: TypeAlias = ParamSpec | EnvSpec


T = TypeVar("T")
D = TypeVar("D")


@overload
def Param(name: str, *, type: type[T], default: Any = ..., description: str | None = None) -> T: ...
@overload
def Param(name: str, *, type: Any = None, default: Any = ..., description: str | None = None) -> Any: ...
@public
def Param(name: str, *, default: Any = NOTHING, type: Any = None, description: str | None = None) -> Any:  # noqa: A002
    """Return a lazy result whose value is given to the run: ``cs.run(target, params={name: value})``.

    Args:
        name: an identifier. The params of one target that share a name must have equal default, type and description.
        default: its value if none is given, converted once, now. Without a default, a value must be given.
        type: the type to which values are converted: a class, or an annotation such as ``list[int]`` or ``int | None``.
            None: they are not converted.
        description: a text for the users of the program, shown by ``--help``.

    Returns:
        A `LazyResult`, to be used as an argument of tasks.

    Raises:
        TypeError, ValueError: an argument is not valid.
        InputError: the default does not convert to the type.

    >>> import cascade as cs
    >>> cs.Param("n", default=3, type=int)
    <LazyResult n(Param('n', default=3, type=int))>
    >>> cs.Param("n", default="three", type=int)
    Traceback (most recent call last):
        ...
    cascade.InputError: value must be `int`, got `str` 'three' - at `default` of param 'n'
    """
    return input_call(ParamSpec(name, default, type, description))


@overload
def Env(name: str, *, type: type[T], default: Any = ..., description: str | None = None) -> T: ...
@overload
def Env(name: str, *, type: None = None, default: D, description: str | None = None) -> str | D: ...
@overload
def Env(name: str, *, type: None = None, description: str | None = None) -> str: ...
@overload
def Env(name: str, *, type: Any, default: Any = ..., description: str | None = None) -> Any: ...
@public
def Env(name: str, *, default: Any = NOTHING, type: Any = None, description: str | None = None) -> Any:  # noqa: A002
    """Return a lazy result whose value is that of an environment variable when the run starts.

    Args:
        name: the name of the variable.
        default: its value if the variable is not set. Without a default, the variable must be set.
        type: the type to which its text is converted; None: it remains text. Default, type and description are
            otherwise as for `Param`.
        description: a text for the users of the program, shown by ``--help``.

    Returns:
        A `LazyResult`, to be used as an argument of tasks.

    Raises:
        TypeError, ValueError, InputError: as for `Param`.

    >>> import cascade as cs
    >>> cs.Env("PORT", default=8080, type=int)
    <LazyResult PORT(Env('PORT', default=8080, type=int))>
    """
    return input_call(EnvSpec(name, default, type, description))


def resolve(
    specs: Iterable[Spec], params: Mapping[str, Any] | None, environ: Mapping[str, str], *, complete: bool = True
) -> list[tuple[Spec, Any]]:
    """Return each spec with its value.

    Args:
        specs: the specs of an expression.
        params: the given values by name; None: there are none.
        environ: the environment.
        complete: whether ``specs`` are those of a target: then a value for an unknown param is an error. Expressions
            that tasks return need not have all params of their run.

    Returns:
        A pair of each spec and its value, in the order of ``specs``. Equal specs share one value, converted once.

    Raises:
        InputError: values are missing, unknown or do not convert; the message has a line for each.

    >>> n, home = ParamSpec("n", type=int), EnvSpec("HOME")
    >>> resolve([n, home], {"n": "3"}, {"HOME": "/root"})
    [(Param('n', type=int), 3), (Env('HOME'), '/root')]
    >>> resolve([n], {"m": "3"}, {})
    Traceback (most recent call last):
        ...
    cascade.InputError: param 'n': no value was given, and it has no default
    param 'm': the target has no such param (it has 'n')
    """
    asked = list(specs)
    values, problems = examine(asked, params, environ, complete=complete)
    if problems:
        cause = problems[0].__cause__ if len(problems) == 1 else None
        raise InputError("\n".join(map(str, problems))) from cause
    return [(spec, values[spec]) for spec in asked]


def examine(
    specs: Iterable[Spec], params: Mapping[str, Any] | None, environ: Mapping[str, str], *, complete: bool = True
) -> tuple[dict[Spec, Any], list[InputError]]:
    """Return the values by spec, and the errors of the specs without a value; see `resolve`.

    >>> n, home = ParamSpec("n", type=int), EnvSpec("HOME")
    >>> examine([n, home], {"n": "3"}, {})
    ({Param('n', type=int): 3}, [InputError("environment variable 'HOME': it is not set, and it has no default")])
    """
    problems: list[InputError] = []
    values: dict[Spec, Any] = {}
    try:
        given = _given(params)
    except InputError as error:
        problems.append(error)
        given = {}
    specs = list(dict.fromkeys(specs))
    unclear = _unclear(specs, problems)
    for spec in specs:
        if spec.kind == "param" and spec.name in unclear:
            continue
        source: Mapping[str, Any] = given if spec.kind == "param" else environ
        if spec.name in source:
            try:
                values[spec] = _value(spec, source[spec.name])
            except ConversionError as error:
                problem = InputError(f"{spec.word} {spec.name!r}: {error}")
                problem.__cause__ = error
                problems.append(problem)
        elif spec.default is not NOTHING:
            values[spec] = spec.default
        else:
            missing = "no value was given" if spec.kind == "param" else "it is not set"
            problems.append(InputError(f"{spec.word} {spec.name!r}: {missing}, and it has no default"))
    if complete:
        problems.extend(map(InputError, _unknown(given, [spec.name for spec in specs if spec.kind == "param"])))
    return values, problems


def distinct(specs: Iterable[Spec]) -> list[Spec]:
    """Return the specs without duplicates, in order.

    Raises:
        InputError: two params share a name and differ.

    >>> distinct([ParamSpec("n"), EnvSpec("n"), ParamSpec("n")])
    [Param('n'), Env('n')]
    """
    different = list(dict.fromkeys(specs))
    problems: list[InputError] = []
    _unclear(different, problems)
    if problems:
        raise InputError("\n".join(map(str, problems)))
    return different


def _given(params: object) -> Mapping[Any, Any]:
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise InputError(f"params must be a mapping from names to values, got `{_kind(params)}`")
    return params


def _unclear(specs: list[Spec], problems: list[InputError]) -> set[str]:
    """Return the names of params with several specs, and add an error for each to `problems`."""
    first: dict[str, Spec] = {}
    unclear = set()
    for spec in specs:
        if spec.kind == "param" and first.setdefault(spec.name, spec) is not spec:
            meanings = f"{first[spec.name]} and {spec}"
            problems.append(InputError(f"param {spec.name!r} must be the same everywhere in a target, got {meanings}"))
            unclear.add(spec.name)
    return unclear


def _value(spec: Spec, value: Any) -> Any:
    if isinstance(value, LazyResult):
        raise ConversionError("value must not be a lazy result: evaluate it first")
    if finds_lazy(value):
        raise ConversionError("value must not hold a lazy result: evaluate it first")
    return convert(value, spec.type)


def _unknown(given: Mapping[Any, Any], names: list[str]) -> list[str]:
    known = list(dict.fromkeys(names))
    if not known:
        has = "it has none"
    else:
        has = "it has " + ", ".join(map(repr, known[:10])) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    problems = []
    for name in given:
        if name in known:
            continue
        close = get_close_matches(name, known, n=3) if isinstance(name, str) else []
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else has
        problems.append(f"param {shown(name)}: the target has no such param ({hint})")
    return problems


def _same_type(one: Any, other: Any) -> bool:
    # `int | str` equals `str | int`, but text converts differently.
    return one is other or (bool(one == other) and repr(one) == repr(other))


def _same_value(one: Any, other: Any) -> bool:
    """Whether two defaults are interchangeable; where a comparison does not answer, they are not."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(_same_value, one, other))
    if type(one) is float:
        return repr(one) == repr(other)
    if type(one) is dict:
        return _same_value(list(one.items()), list(other.items()))
    try:
        return (one == other) is True  # not an array of comparisons
    except Exception:
        return False


def _kind(value: object) -> str:
    return type(value).__name__


# Pickles find the classes of specs by these names.
for _kind_of, _made_by in ((ParamSpec, Param), (EnvSpec, Env)):
    _kind_of.__module__, _kind_of.__qualname__ = "cascade", f"{_made_by.__name__}.spec"
    vars(_made_by)["spec"] = _kind_of
