"""The kinds of calls: what each may have as operands, what it is called, and how it is drawn. The one table of them.

What the compiled core does with a kind is read from the core itself: `cascade._core.expr.task_spec`. The comment on its
enum lists all places where a new kind needs an entry.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from cascade._core.expr.task_spec import KindTraits, kind_traits

__all__ = ["CALL_POLICIES", "KINDS", "POLICIES", "BoxShape", "EdgeStyle", "NodeKind", "Part", "named_part"]

BoxShape: TypeAlias = Literal["task", "map", "container", "router", "condition", "input", "resource", "elsewhere"]
EdgeStyle: TypeAlias = Literal["data", "route", "condition", "after", "tail"]

CALL_POLICIES = frozenset({"retry", "timeout", "cache", "constraints"})
"""The roles of the policies that every call of a task may have."""

MOST_OPERANDS = 1 << 27
"""More operands than a key can say."""

POLICIES = CALL_POLICIES | {"concurrency"}
"""The roles of all policies: a map may have all of them."""


class Part(NamedTuple):
    """A positional operand that has a name.

    Attributes:
        name: in tables and pictures.
        step: what it adds to the path of a node; "": the operand has the path of its consumer.
        style: of the arrow from the operand.
        folds: whether a dict at this place is shown as a part of its consumer. An operand there that is a node must be
            a dict.
    """

    name: str
    step: str
    style: EdgeStyle
    folds: bool = False


class NodeKind(NamedTuple):
    """One kind of calls.

    Attributes:
        core: what the compiled core does with nodes of this kind, and the name of the kind.
        arguments: the least and the largest number of positional arguments; None: any number, and any keywords.
        keywords: where `arguments` is given: whether the call has keyword arguments. If so, it has at least one.
        policies: the roles of policies that such a call may have.
        constants: whether it may have roles "const NAME".
        bare: whether it has no roles at all, not even "after".
        parts: the positional operands that have names, from the first.
        word: what the node is called; "": it is called by its task.
        phrase: what it is called in a sentence, where the word will not do.
        named: whether the name of its task follows the word.
        prefix: what stands before the name of its task, where there is no word.
        shape: of its box in a picture.
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
    NodeKind(_core["targets"], word="targets", phrase="the list of targets", shape="container"),
    NodeKind(_core["send"], (2, 2)),
    NodeKind(_core["select"], (2, 2)),
    NodeKind(_core["recover"], (3, 3), word="recover", shape="condition"),
    NodeKind(
        _core["fallback"],
        (3, 3),
        parts=(Part("expression", "", "data"), Part("fallback", ".fallback", "route")),
        word="fallback",
        shape="condition",
    ),
    NodeKind(_core["outcome"], (1, 1), word="outcome", shape="condition"),
    NodeKind(_core["scope"], (1, 1), policies=CALL_POLICIES, word="scope", shape="condition"),
    NodeKind(_core["race"], (1, MOST_OPERANDS), word="race", shape="condition"),
)

KINDS = {row.core.name: row for row in _ROWS}
"""The rows by the names of the kinds."""


def named_part(kind: str, position: int) -> Part | None:
    """Return what a positional operand of a call is called, or None if nothing but its position is to be said.

    Args:
        kind: of the call.
        position: of the operand, from 0.

    >>> named_part("router", 0).name, named_part("sync", 0)
    ('selector', None)
    """
    parts = KINDS[kind].parts
    return parts[position] if position < len(parts) else None
