"""How many operands a call of each kind of built-in nodes has, and the steps of paths to them.

The table of kinds, `cascade.graph.kinds`, takes them from here; so does pickling, which is below that table.
"""

from __future__ import annotations

__all__ = ["ARITIES", "MOST_OPERANDS", "STEPS"]

MOST_OPERANDS = 1 << 27
"""More operands than a key can say."""

ARITIES = {
    "wait": (1, 1),
    "wait_until": (1, 1),
    "ticks": (2, 2),
    "recv": (2, 2),
    "router": (2, 3),
    "guard": (2, 3),
    "param": (1, 1),
    "env": (1, 1),
    "inject": (0, 0),
    "send": (2, 2),
    "select": (2, 2),
    "recover": (3, 3),
    "fallback": (3, 3),
    "outcome": (1, 1),
    "scope": (1, 1),
    "race": (1, MOST_OPERANDS),
}
"""Of each kind of nodes that no function of the user is called for: the least and the largest number of operands."""

STEPS = {
    "router": (".selector", ".routes", ".default"),
    "guard": (".condition", "", ".otherwise"),  # the node under a condition is where the condition is
    "recover": ("", ".handler", ".on"),  # what a node is around is where the node is
    "fallback": ("", ".other", ".on"),
    "outcome": ("",),
    "scope": ("",),
}
"""The steps of paths to positional operands that have names; "": the operand has the path of its consumer."""
