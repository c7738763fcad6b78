"""Arguments after MODULE:NAME: for the parameters of a task or function, or for the params of an expression."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from typing import Annotated, Any, Final, ForwardRef, NamedTuple

from cyclopts import App, CycloptsError, UnknownOptionError

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import Task
from cascade._core.expr.task_spec import signature_of
from cascade.command_line.completion import completed
from cascade.command_line.options import default_text, docstring, option_name, option_type
from cascade.command_line.status import UsageError
from cascade.command_line.target import check_callable, find, is_target, target_of
from cascade.exceptions import InputError
from cascade.expressions.conversion import ConversionError, check_type, convert, kind_of, type_name
from cascade.expressions.inputs import NOTHING, ParamSpec, distinct

__all__ = ["Given", "TargetName", "make_target", "print_help"]

TargetName = Annotated[str, completed()]
"""The annotation for cyclopts of `target`."""
Given = Annotated[str, completed(allow_leading_hyphen=True)]
"""The annotation for cyclopts of `*arguments`: what the command itself does not know."""

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_SEVERAL: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
# Kinds of defaults from which the type of a parameter without an annotation is known.
_TELLING: Final = ("bool", "int", "float", "text", "bytes", "scalar", "enum")


class Accepted(NamedTuple):
    """An argument that a target takes."""

    name: str
    kind: Any  # one of those of `inspect.Parameter`
    type: Any
    default: Any  # `NOTHING`: a value must be given
    description: str | None

    @property
    def word(self) -> str:
        """It in an error of usage."""
        return f"argument {self.name!r}"


def make_target(
    text: str, given: Sequence[str], params: Mapping[str, Any] | None = None, *, options: Sequence[str] = ()
) -> tuple[Any, dict[str, Any]]:
    """Return the target that `text` names, made with arguments.

    Args:
        text: "module:name" or "file.py:name". The name is that of a lazy result, of a container of lazy results, or of
            a task or function that returns one, which is called with the arguments.
        given: the arguments. For an expression, they are values of its params, by name; else those of the parameters of
            the task or function, by position and by name, converted to their annotations.
        params: values of params that were given otherwise.
        options: the options of the command itself, of which a misspelt argument may be one.

    Returns:
        The target, and the values of its params.

    Raises:
        UsageError: there is no such object; arguments are missing, superfluous or do not convert.
        BaseException: the exception of the module's import or of the function's call, with a note.
    """
    found = find(text)
    values = dict(params or {})
    if not is_target(found):
        check_callable(found, text)
        accepted, signature = _parameters(found, text)
        bound = _bind(accepted, signature, _parse(text, accepted, given, options), options)
        return target_of(found, text, bound.args, bound.kwargs), values
    for name, value in _parse(text, _params(found), given, options).items():
        if name in values:
            raise UsageError(f"param {name!r} must be given once, got {option_name(name)} and --param {name}=...")
        values[name] = value
    return found, values


def print_help(text: str, command: str) -> None:
    """Print the arguments of a target on standard output.

    Args:
        text: names it, as for `make_target`.
        command: the command that takes the arguments: "run".

    Raises:
        UsageError: there is no such object.
        BaseException: the exception of the module's import, with a note.
    """
    found = find(text)
    if is_target(found):
        accepted = _params(found)
    else:
        check_callable(found, text)
        accepted = _parameters(found, text)[0]
    own = f"The options of `cascade {command}` may be given, too: see `cascade {command} --help`."
    document = docstring(found)
    parts = [document.partition("\n\n")[0]] if document else []
    parts.append(own if accepted else f"It takes no arguments. {own}")
    _build(accepted, f"cascade {command} {text}", "\n\n".join(parts)).help_print([])


# ----------------------------------------------------------------------------------------- what is accepted


def _params(target: Any) -> list[Accepted]:
    from cascade.inspect.api import inputs

    try:
        specs = distinct(inputs(target))
    except InputError as error:
        raise UsageError(str(error)) from None
    return [
        Accepted(spec.name, inspect.Parameter.KEYWORD_ONLY, spec.type, spec.default, spec.description)
        for spec in specs
        if isinstance(spec, ParamSpec)
    ]


def _parameters(found: Callable[..., Any], text: str) -> tuple[list[Accepted], inspect.Signature]:
    """Return the arguments that a task or function takes from a command line, and its signature."""
    try:
        signature = signature_of(found, annotated=True)
    except (TypeError, ValueError):  # some built-in functions have no signature
        signature = inspect.Signature()
    described = _descriptions(found)
    accepted = []
    for parameter in signature.parameters.values():
        default = NOTHING if parameter.default is parameter.empty else parameter.default
        if isinstance(default, LazyResult):  # a resource, or a param that `--param` sets
            continue
        wanted = _type(parameter, _namespace(found))
        try:
            check_type(wanted)
        except TypeError:
            if default is NOTHING and parameter.kind not in _SEVERAL:
                raise UsageError(
                    f"{text} must take arguments that text can express, but needs {parameter.name!r}, of type "
                    f"`{type_name(wanted)}`: use params (cs.Param), or a function without it"
                ) from None
            continue
        accepted.append(Accepted(parameter.name, parameter.kind, wanted, default, described.get(parameter.name)))
    return accepted, signature


def _type(parameter: inspect.Parameter, namespace: dict[str, Any]) -> Any:
    """Return the type of a parameter: that of its annotation, or else of its default; None: any."""
    annotation = parameter.annotation
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, namespace)  # as `typing.get_type_hints` does, one by one
        except Exception:  # it names what exists for type checkers only
            annotation = parameter.empty
    if annotation is not parameter.empty:
        return annotation
    kind = type(parameter.default)
    if parameter.default is parameter.empty or parameter.default is None:
        return None
    return kind if kind_of(kind) in _TELLING or issubclass(kind, PurePath) else None


def _namespace(found: Any) -> dict[str, Any]:
    """Return the global variables in which the annotations of a callable are evaluated."""
    function = found.fn if isinstance(found, Task) else found
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(getattr(function, "__func__", function))
    if not hasattr(function, "__globals__"):
        function = type(function).__call__
    return getattr(function, "__globals__", {})


def _descriptions(found: Any) -> dict[str, str]:
    """Return what the docstring of a task or function says of its parameters, by name."""
    document = docstring(found)
    if document is None:
        return {}
    try:
        from docstring_parser import parse  # cyclopts needs it, so it is there

        return {each.arg_name: " ".join((each.description or "").split()) for each in parse(document).params}
    except Exception:  # the docstring is in no format that it knows
        return {}


# ------------------------------------------------------------------------------------------ what was given


def _build(accepted: Sequence[Accepted], name: str, text: str = "") -> App:
    """Return an application whose command returns its arguments by name, unconverted."""

    def command(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return dict(signature.bind(*args, **kwargs).arguments)

    names = [each.name for each in accepted]
    parameters = [_parameter(each, names) for each in accepted]
    signature = inspect.Signature(parameters)
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    usage = " ".join(["Usage:", name, *_usage(accepted)])
    app = App(name=name, help=text, help_format="plaintext", version_flags=(), help_flags=(), usage=usage)
    app.default(command)
    return app


def _parameter(one: Accepted, names: Sequence[str]) -> inspect.Parameter:
    parts = [one.description] if one.description else []
    if one.kind not in _SEVERAL:
        parts.append("[required]" if one.default is NOTHING else f"[default: {default_text(one.default)}]")
    annotation = option_type(one.name, one.type, remarks=parts, others=names, by_name=one.kind not in _SEVERAL)
    default = inspect.Parameter.empty if one.kind in _SEVERAL else None
    return inspect.Parameter(one.name, one.kind, default=default, annotation=annotation)


def _usage(accepted: Sequence[Accepted]) -> Iterator[str]:
    if any(one.kind not in (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL) for one in accepted):
        yield "[OPTIONS]"
    for one in accepted:
        if one.kind in _POSITIONAL:
            yield one.name.upper() if one.default is NOTHING else f"[{one.name.upper()}]"
        elif one.kind is inspect.Parameter.VAR_POSITIONAL:
            yield f"[{one.name.upper()}...]"


def _parse(text: str, accepted: Sequence[Accepted], given: Sequence[str], options: Sequence[str]) -> dict[str, Any]:
    """Return the arguments by name: text, flags as bools; those of `*args` and `**kwargs` as a tuple and a dict."""
    if not given:
        return {}
    try:
        command, bound, unused, _ = _build(accepted, text).parse_known_args(list(given))
    except UnknownOptionError as error:
        given_as = str(error.token.keyword or error.token.value)
        known = [option_name(one.name) for one in accepted if one.kind not in _SEVERAL]
        close = get_close_matches(given_as, [*known, *options], n=2, cutoff=0.7)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it takes {', '.join(known) or 'none'}"
        if known and not given_as.startswith("--"):
            hint = f"{hint}; a value that begins with a hyphen is written like this: {known[0]}={given_as}"
        raise UsageError(f"{text} takes no argument {given_as} ({hint})") from None
    except CycloptsError as error:
        error.verbose = False
        raise UsageError(f"{text}: {' '.join(str(error).split())}") from None
    if unused:
        count = sum(one.kind in _POSITIONAL for one in accepted)
        takes = f"at most {count} argument{'' if count == 1 else 's'}" if count else "no arguments"
        raise UsageError(f"{text} takes {takes} by position, got also {' '.join(map(repr, unused))}")
    arguments: dict[str, Any] = command(*bound.args, **bound.kwargs)
    return {name: value for name, value in arguments.items() if value is not None}


def _bind(
    accepted: Sequence[Accepted], signature: inspect.Signature, given: dict[str, Any], options: Sequence[str]
) -> inspect.BoundArguments:
    """Return the arguments of a call, converted."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    for one in accepted:
        if one.name not in given:
            if one.default is NOTHING and one.kind not in _SEVERAL:
                name = option_name(one.name)
                hint = f" ({name} is an option of the command: write `-- {name}` for it)" if name in options else ""
                problems.append(f"{one.word}: no value was given, and it has no default{hint}")
            continue
        value = given[one.name]
        if one.kind is inspect.Parameter.VAR_POSITIONAL:
            values[one.name] = tuple(_converted(one, item, problems) for item in value)
        elif one.kind is inspect.Parameter.VAR_KEYWORD:
            values[one.name] = {
                name.replace("-", "_"): _converted(one._replace(name=name), item, problems)
                for name, item in value.items()
            }
        else:
            values[one.name] = _converted(one, value, problems)
    if problems:
        raise UsageError("\n".join(problems))
    bound = inspect.BoundArguments(signature, OrderedDict())
    several = any(one.kind is inspect.Parameter.VAR_POSITIONAL and values.get(one.name) for one in accepted)
    for name, parameter in signature.parameters.items():
        if name in values:
            bound.arguments[name] = values[name]
        elif several and parameter.kind in _POSITIONAL:  # one that is not on the command line, before `*args`
            bound.arguments[name] = parameter.default
    return bound


def _converted(one: Accepted, value: Any, problems: list[str]) -> Any:
    try:
        return convert(value, one.type)
    except ConversionError as error:
        problems.append(f"{one.word}: {error}")
        return None
