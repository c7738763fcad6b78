"""The table of the kinds of calls: the operands of each, its name in texts, and its shape in pictures.

The traits that the compiled core gives a kind are read from the core: `cascade._core.expr.task_spec`. The comment on
its enum lists all places where a new kind needs an entry.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from cascade._core.expr.task_spec import KindTraits, kind_traits

__all__ = ["CALL_POLICIES", "KINDS", "POLICIES", "BoxShape", "EdgeStyle", "NodeKind", "Part", "named_part"]

BoxShape: TypeAlias = Literal["task", "map", "container", "router", "condition", "input", "resource", "elsewhere"]
EdgeStyle: TypeAlias = Literal["data", "route", "condition", "after", "tail"]

CALL_POLICIES = frozenset({"retry", "timeout", "cache", "constraints"})
"""The roles of the policies of calls of tasks."""

MOST_OPERANDS = 1 << 27
"""More operands than a key can say."""

POLICIES = CALL_POLICIES | {"concurrency", "return_exceptions"}
"""The roles of all policies, which a map may have."""


class Part(NamedTuple):
    """A positional operand that has a name.

    Attributes:
        name: its name in tables and pictures.
        step: its step in the path of a node; "": the operand has the path of its consumer.
        style: the style of the arrow from the operand.
        folds: whether a dict at this position is shown as a part of its consumer. A node at this position must be a
            dict.
    """

    name: str
    step: str
    style: EdgeStyle
    folds: bool = False


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


_WRAPPED = Part("expression", "", "data")  # it is where the node around it is

_core = {traits.name: traits for traits in kind_traits()}

_ROWS = (
    NodeKind(_core["sync"], policies=CALL_POLICIES),
    NodeKind(_core["async"], policies=CALL_POLICIES),
    NodeKind(_core["wait"], (1, 1)),
    NodeKind(_core["recv"], (2, 2)),
    NodeKind(
        _core["router"],
        (2, 3),
        parts=(
            Part("selector", ".selector", "data"),
            Part("routes", ".routes", "route", folds=True),
            Part("default", ".default", "route"),
        ),
        word="router",
        shape="router",
    ),
    NodeKind(
        _core["guard"],
        (2, 3),
        bare=True,
        parts=(
            Part("condition", ".condition", "condition"),
            Part("then", "", "route"),  # the node under a condition is where the condition is
            Part("otherwise", ".otherwise", "route"),
        ),
        word="condition",
        shape="condition",
    ),
    NodeKind(_core["map"], (0, 0), keywords=True, policies=POLICIES, constants=True, prefix="map of ", shape="map"),
    NodeKind(_core["param"], (1, 1), word="param", named=True, shape="input"),
    NodeKind(_core["env"], (1, 1), word="variable", named=True, shape="input"),
    NodeKind(_core["inject"], (0, 0), word="resource", named=True, shape="resource"),
    NodeKind(_core["send"], (2, 2)),
    NodeKind(_core["select"], (2, 2)),
    NodeKind(
        _core["recover"],
        (3, 3),
        parts=(_WRAPPED, Part("handler", ".handler", "data"), Part("on", ".on", "data")),
        word="recover",
        shape="condition",
    ),
    NodeKind(
        _core["fallback"],
        (3, 3),
        parts=(_WRAPPED, Part("other", ".other", "route"), Part("on", ".on", "data")),
        word="fallback",
        shape="condition",
    ),
    NodeKind(_core["outcome"], (1, 1), parts=(_WRAPPED,), word="outcome", shape="container"),
    NodeKind(_core["scope"], (1, 1), policies=CALL_POLICIES, parts=(_WRAPPED,), word="scope", shape="container"),
    NodeKind(_core["race"], (1, MOST_OPERANDS), word="race", shape="router"),
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
