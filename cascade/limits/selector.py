"""Selectors: which calls a rule or a pause applies to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate

from cascade.exceptions import LimitError

__all__ = ["Selector", "label_names", "looks_like_selector", "run_name", "task_names"]

_WILD = re.compile(r"[*?\[]")
_KINDS = ("task:", "run:", "tag:")


def task_names(task: str, qualname: str) -> tuple[str, str]:
    """Return the names that selectors match for a task: with its module and without."""
    return f"task:{task}", f"task:{qualname}"


def run_name(run: int) -> str:
    """Return the name that selectors match for a run."""
    return f"run:{run}"


def label_names(name: str | None, tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that selectors match for what a run is called.

    >>> label_names("order-17", {"site": "7"})
    ('run:order-17', 'tag:site=7')
    """
    of_tags = tuple(f"tag:{key}={value}" for key, value in tags.items())
    return of_tags if name is None else (f"run:{name}", *of_tags)


def looks_like_selector(text: str) -> bool:
    """Whether a text may have been meant as a selector.

    >>> looks_like_selector("task:fetch"), looks_like_selector("gpu")
    (True, False)
    """
    return text.startswith(_KINDS) or _WILD.search(text) is not None


class Selector:
    """A case-sensitive glob of names: "task:module.qualname", "task:qualname", "run:id", "run:name", "tag:key=value".

    Args:
        text: the glob.

    Attributes:
        text: the same.
        wild: whether it has wildcards; without them it is one name.

    Raises:
        TypeError: it is not a str.
        LimitError: it can match no name.

    >>> selector = Selector("task:shop.fetch_*")
    >>> selector.matches("task:shop.fetch_prices"), selector.matches("task:shop.Fetch_prices")
    (True, False)
    """

    __slots__ = ("_match", "text", "wild")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"selector must be a str, got `{type(text).__name__}`")
        found = _WILD.search(text)
        begin = text if found is None else text[: found.start()]
        if not any(begin.startswith(kind) or (found and kind.startswith(begin)) for kind in _KINDS) or text in _KINDS:
            raise LimitError(f"selector must be 'task:...', 'run:...', 'tag:...' or '*', got {text!r}")
        self.text = text
        self.wild = found is not None
        self._match: Callable[[str], object] = re.compile(translate(text)).match

    def matches(self, name: str) -> bool:
        """Whether a name matches."""
        return self._match(name) is not None
