"""The table of the kinds of calls: the operands of each, its name in texts, and its shape in pictures.

What the core must know of a kind is read from there: its traits from `cascade._core.expr.task_spec`, where the comment
on the enum lists all places in which a new kind needs an entry, and the number of its operands with the steps to them
from `cascade._core.expr.arities`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from cascade._core.expr.arities import ARITIES, MOST_OPERANDS, STEPS
from cascade._core.expr.task_spec import KindTraits, kind_traits

__all__ = [
    "CALL_POLICIES",
    "KINDS",
    "MOST_OPERANDS",
    "POLICIES",
    "BoxShape",
    "EdgeStyle",
    "NodeKind",
    "Part",
    "named_part",
]

BoxShape: TypeAlias = Literal["task", "map", "container", "router", "condition", "input", "resource", "elsewhere"]
EdgeStyle: TypeAlias = Literal["data", "route", "condition", "after", "tail"]

CALL_POLICIES = frozenset({"retry", "timeout", "cache", "constraints"})
"""The roles of the policies of calls of tasks."""

POLICIES = CALL_POLICIES | {"concurrency", "return_exceptions"}
"""The roles of all policies, which a map may have."""


class Part(NamedTuple):
    """A positional operand that has a name.

    Attributes:
        name: its name in tables and pictures.
        style: the style of the arrow from the operand.
        folds: whether a dict at this position is shown as a part of its consumer. A node at this position must be a
            dict.
        step: its step in the path of a node; "": the operand has the path of its consumer.
    """

    name: str
    style: EdgeStyle
    folds: bool = False
    step: str = ""


class NodeKind(NamedTuple):
    """One kind of calls.

    Attributes:
        core: the traits of the kind in the compiled core, with its name.
        arguments: the least and the largest number of positional arguments; None: any number, and any keywords.
        keywords: where `arguments` is given: whether the call has keyword arguments. If so, it has at least one.
        policies: the roles of policies that such a call may have.
        constants: whether it may have roles "const NAME", and "order": the names of all arguments in their order.
        bare: whether it has no roles at all, not even "after".
        parts: the positional operands that have names, from the first.
        word: the noun for the node; "": the name of its task.
        phrase: the noun in a sentence, if it differs from the word.
        named: whether the name of its task follows the word.
        prefix: the text before the name of its task, if there is no word.
        shape: the shape of its box in a picture.
    """

    core: KindTraits
    arguments: tuple[int, int] | None = None
    keywords: bool = False
    policies: frozenset[str] = frozenset()
    constants: bool = False
    bare: bool = False
    parts: tuple[Part, ...] = ()
    word: str = ""
    phrase: str = ""
    named: bool = False
    prefix: str = ""
    shape: BoxShape = "task"


_core = {traits.name: traits for traits in kind_traits()}


def _builtin(name: str, *parts: Part, **traits: Any) -> NodeKind:
    """Return the row of a kind of built-in nodes, with what the core says of its operands."""
    steps = STEPS.get(name, ())
    placed = tuple(part._replace(step=step) for part, step in zip(parts, steps, strict=True))
    return NodeKind(_core[name], ARITIES[name], parts=placed, **traits)


_WRAPPED = Part("expression", "data")
_ON = Part("on", "data")

_ROWS = (
    NodeKind(_core["sync"], policies=CALL_POLICIES),
    NodeKind(_core["async"], policies=CALL_POLICIES),
    _builtin("wait"),
    _builtin("wait_until"),
    _builtin("ticks"),
    _builtin("recv"),
    _builtin(
        "router",
        Part("selector", "data"),
        Part("routes", "route", folds=True),
        Part("default", "route"),
        word="router",
        shape="router",
    ),
    _builtin(
        "guard",
        Part("condition", "condition"),
        Part("then", "route"),
        Part("otherwise", "route"),
        bare=True,
        word="condition",
        shape="condition",
    ),
    NodeKind(_core["map"], (0, 0), keywords=True, policies=POLICIES, constants=True, prefix="map of ", shape="map"),
    _builtin("param", word="param", named=True, shape="input"),
    _builtin("env", word="variable", named=True, shape="input"),
    _builtin("inject", word="resource", named=True, shape="resource"),
    _builtin("send"),
    _builtin("select"),
    _builtin("recover", _WRAPPED, Part("handler", "data"), _ON, word="recover", shape="condition"),
    _builtin("fallback", _WRAPPED, Part("other", "route"), _ON, word="fallback", shape="condition"),
    _builtin("outcome", _WRAPPED, word="outcome", shape="container"),
    _builtin("scope", _WRAPPED, policies=CALL_POLICIES, word="scope", shape="container"),
    _builtin("race", word="race", shape="router"),
)

KINDS = {row.core.name: row for row in _ROWS}
"""The rows by the names of the kinds."""


def named_part(kind: str, position: int) -> Part | None:
    """Return the name and traits of a positional operand of a call, or None if it has a position only.

    Args:
        kind: the kind of the call.
        position: the position of the operand, >= 0.

    >>> named_part("router", 0).name, named_part("sync", 0)
    ('selector', None)
    """
    parts = KINDS[kind].parts
    return parts[position] if position < len(parts) else None
