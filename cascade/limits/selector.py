"""Scopes: for which calls a rule or a pause holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate

from cascade.exceptions import LimitError

__all__ = ["Scope", "looks_like_scope", "run_name", "task_names"]

_WILD = re.compile(r"[*?\[]")
_KINDS = ("task:", "run:")


def task_names(task: str, qualname: str) -> tuple[str, str]:
    """Under which names rules hold for a task: with its module and without."""
    return f"task:{task}", f"task:{qualname}"


def run_name(run: int) -> str:
    """Under which name rules hold for a run."""
    return f"run:{run}"


def looks_like_scope(text: str) -> bool:
    """Whether somebody may have meant a scope.

    >>> looks_like_scope("task:fetch"), looks_like_scope("gpu")
    (True, False)
    """
    return text.startswith(_KINDS) or _WILD.search(text) is not None


class Scope:
    """A glob of names, in which capitals count: "task:module.qualname", "task:qualname", "run:id".

    Args:
        text: what the user wrote.

    Attributes:
        text: the same.
        wild: whether it has wildcards; else it is one name.

    Raises:
        TypeError: it is no text.
        LimitError: it can match no name.

    >>> scope = Scope("task:shop.fetch_*")
    >>> scope.matches("task:shop.fetch_prices"), scope.matches("task:shop.Fetch_prices")
    (True, False)
    """

    __slots__ = ("_match", "text", "wild")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"expected a scope as text, got `{type(text).__name__}`")
        found = _WILD.search(text)
        begin = text if found is None else text[: found.start()]
        if not any(begin.startswith(kind) or (found and kind.startswith(begin)) for kind in _KINDS) or text in _KINDS:
            raise LimitError(f"expected a scope 'task:...', 'run:...' or '*', got {text!r}")
        self.text = text
        self.wild = found is not None
        self._match: Callable[[str], object] = re.compile(translate(text)).match

    def matches(self, name: str) -> bool:
        """Whether a name is in the scope."""
        return self._match(name) is not None
