"""Selectors: which calls a rule or a pause applies to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase, translate

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import Task
from cascade.exceptions import LimitError

__all__ = ["Selector", "label_names", "looks_like_selector", "run_name", "task_names"]

_WILD = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)  # what one character, or `*`, is matched by
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
    ('run:order-17', 'tag:site', 'tag:site=7')
    """
    of_tags = tuple(name for key, value in tags.items() for name in (f"tag:{key}", f"tag:{key}={value}"))
    return of_tags if name is None else (f"run:{name}", *of_tags)


def looks_like_selector(text: str) -> bool:
    """Whether a text may have been meant as a selector.

    >>> looks_like_selector("task:fetch"), looks_like_selector("gpu")
    (True, False)
    """
    return text.startswith(_KINDS) or _WILD.search(text) is not None


class Selector:
    """A case-sensitive glob of names.

    These are "task:module.qualname" and "task:qualname", and of a run "run:id", "run:name", "tag:key" and
    "tag:key=value".

    Args:
        text: the glob; or a task, which stands for its name with its module.

    Attributes:
        text: the glob.
        wild: whether it has wildcards; without them it is one name.

    Raises:
        TypeError: it is neither a str nor a task.
        LimitError: it can match no name.

    >>> selector = Selector("task:shop.fetch_*")
    >>> selector.matches("task:shop.fetch_prices"), selector.matches("task:shop.Fetch_prices")
    (True, False)
    """

    __slots__ = ("_match", "text", "wild")

    def __init__(self, text: str | Task) -> None:
        if isinstance(text, Task):
            text = "task:" + _WILD.sub(r"[\g<0>]", f"{text.module}.{text.name}")  # a name may have any character
        elif not isinstance(text, str):
            raise TypeError(f"selector must be a str or a task, got {_described(text)}")
        elif not _can_match(text):
            raise LimitError(f"selector must be 'task:...', 'run:...', 'tag:...' or '*', got {text!r}{_meant(text)}")
        self.text = text
        self.wild = _WILD.search(text) is not None
        self._match: Callable[[str], object] = re.compile(translate(text)).match

    def matches(self, name: str) -> bool:
        """Whether a name matches."""
        return self._match(name) is not None


def _can_match(text: str) -> bool:
    """Whether a glob can match a name: it can go on after "task:", "run:" or "tag:", and a tag has a key."""
    tokens = _TOKEN.findall(text)
    return any(_can_follow(tokens, kind) for kind in _KINDS) and not text.startswith("tag:=")


def _can_follow(tokens: list[str], kind: str) -> bool:
    """Whether the tokens of a glob match `kind` and at least one character more."""
    for token, character in zip(tokens, kind, strict=False):
        if token == "*":
            return True
        if not fnmatchcase(character, token):
            return False
    return len(tokens) > len(kind)


def _described(selector: object) -> str:
    """Return what was given for a selector as text, and what to write instead, for an error."""
    if isinstance(selector, LazyResult):
        task = selector.task
        return f"a lazy result: write the task itself, or 'task:{task.module}.{task.name}'"
    if callable(selector) and isinstance(name := getattr(selector, "__qualname__", None), str):
        return f"the function {name}: write 'task:{name}'"
    return f"`{type(selector).__name__}`"


def _meant(text: str) -> str:
    """Return what was perhaps meant by a text that is no selector, for an error."""
    kind, colon, rest = text.partition(":")
    known = kind.strip().lower().removesuffix("s")
    if colon and rest and f"{known}:" in _KINDS and f"{known}:{rest}" != text:
        return f": write '{known}:{rest}'"
    return ""
