"""Programs: the command line of one target, with an option for each of its params."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cascade._core.expr.lazy import LazyResult
from cascade._support.public import public
from cascade.command_line.options import default_text, docstring, option_type
from cascade.command_line.status import finish
from cascade.engine.engine import Engine
from cascade.expressions.inputs import NOTHING, EnvSpec, ParamSpec, Spec, distinct
from cascade.expressions.targets import expression
from cascade.extras import need

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["cli"]

_OWN = ("verbose", "json", "log")
# The prefix of a param's name in the signature of the command: a param may be called `class`.
_MARK = "param_"


@public
def cli(
    target: object,
    *,
    name: str | None = None,
    argv: Sequence[str] | None = None,
    engine: Engine | None = None,
) -> int:
    """Run a target as a command, with an option for each of its params, and print its value.

    Each param of the target, all routes included, is an option; ``--help`` shows types, defaults and descriptions. The
    options ``--json``, ``--log`` and ``--verbose`` are those of `cascade run`, unless a param has the name.

    Args:
        target: a lazy result, or a container of lazy results.
        name: the name of the command; None: that of the script.
        argv: the arguments of the command; None: those of this process.
        engine: the engine of the run; None: a new one.

    Returns:
        The exit status: 0: done; 1: failed; 2: an argument is missing or wrong; 130: stopped by Ctrl-C.

    Raises:
        TargetError: ``target`` is not a target.
        InputError: two params share a name and differ.
        ValueError: a param has the name "help", which is that of an option.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def repeat(word, times):
    ...     return " ".join([word] * times)
    >>> target = repeat(cs.Param("word"), cs.Param("times", type=int, default=2, description="How often."))
    >>> cs.cli(target, argv=["--word", "ho", "--times", "3"])
    'ho ho ho'
    0
    """
    from cascade.inspect.api import inputs

    expression(target)
    specs = distinct(inputs(target))
    if any(spec.name == "help" for spec in specs if isinstance(spec, ParamSpec)):
        raise ValueError("param must not have the name 'help', which is that of the option --help: rename it")
    program = os.path.basename(sys.argv[0]) if name is None else name
    given = sys.argv[1:] if argv is None else list(argv)
    return finish(lambda: _read(target, specs, program, given, engine), program)


def _read(target: Any, specs: list[Spec], program: str, given: list[str], engine: Engine | None) -> int:
    need("cyclopts", "cli", "the command line")
    need("rich", "cli", "the command line")
    from cascade.command_line.app import read

    return read(_build(target, specs, program, engine), given)


def _build(target: Any, specs: list[Spec], program: str, engine: Engine | None) -> App:
    from cyclopts import App

    from cascade.command_line.execution import execute

    params = {spec.name: spec for spec in specs if isinstance(spec, ParamSpec)}

    def command(**options: Any) -> int:
        own = {option: options.pop(option) for option in _OWN if option in options}
        values = {name.removeprefix(_MARK): value for name, value in options.items() if value is not None}
        return execute(target, values, engine=Engine() if engine is None else engine, program=program, **own)

    options = [_option(spec, params) for spec in params.values()] + [_own(name) for name in _OWN if name not in params]
    command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in options}
    app = App(name=program, help=_help(target, specs), help_format="plaintext", version_flags=())
    app.default(command)
    return app


def _option(spec: ParamSpec, params: dict[str, ParamSpec]) -> inspect.Parameter:
    """Return the option of a param. Its value remains text, except for flags: the engine converts it."""
    annotation = option_type(spec.name, spec.type, remarks=_remarks(spec), others=params)
    return inspect.Parameter(_MARK + spec.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _remarks(spec: Spec) -> list[str]:
    default = "[required]" if spec.default is NOTHING else f"[default: {default_text(spec.default)}]"
    return [spec.description, default] if spec.description else [default]


def _own(name: str) -> inspect.Parameter:
    from cyclopts import Parameter

    from cascade.command_line.execution import Log

    kind: Any = bool
    default: Any = False
    if name == "log":
        kind, default = Log, "none"
        parameter = Parameter(
            help="Write events on standard error, for people (text) or programs (json).", show_default=False
        )
    elif name == "json":
        parameter = Parameter(help="Print the value as JSON.", negative=(), show_default=False)
    else:
        parameter = Parameter(
            name=("--verbose", "-v"), help="Print a failure as a traceback.", negative=(), show_default=False
        )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, parameter]
    )


def _help(target: Any, specs: list[Spec]) -> str:
    """Return the text above the options: the first paragraph of the task's docstring, and the variables."""
    document = docstring(target)
    what = target.task.name if isinstance(target, LazyResult) else "the targets"
    parts = [document.partition("\n\n")[0] if document else f"Run {what}."]
    variables = [spec for spec in specs if isinstance(spec, EnvSpec)]
    if variables:
        lines = [f"  {spec.name}  {' '.join(_remarks(spec))}" for spec in variables]
        parts.append("\n".join(["Environment variables:", *lines]))
    return "\n\n".join(parts)
