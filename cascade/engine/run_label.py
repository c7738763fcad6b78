"""The name and tags that the user gives to runs, so that code can tell them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from cascade.limits.selector import label_names

__all__ = ["NO_LABEL", "RunLabel", "label_within", "run_label"]


class RunLabel(NamedTuple):
    """What a run is called. The members of a population share one.

    Attributes:
        name: None: it has no name.
        tags: values by key; a read-only mapping.
        plain_tags: the same as a dict, for events: not to be changed.
        selected: the names that selectors of limits match for these.
    """

    name: str | None
    tags: Mapping[str, str]
    plain_tags: dict[str, str]
    selected: tuple[str, ...]

    def __str__(self) -> str:
        """Name and tags as they follow the number of a run in a text: " 'order-17' (site=7)"."""
        name = "" if self.name is None else f" {self.name!r}"
        return f"{name} ({', '.join(map('='.join, self.tags.items()))})" if self.tags else name

    def rows(self) -> Iterator[tuple[str, object]]:
        """Yield the rows about it of a table in a notebook."""
        if self.name is not None:
            yield "name", self.name
        if self.tags:
            yield "tags", ", ".join(f"{key}={value}" for key, value in self.tags.items())


NO_LABEL = RunLabel(None, MappingProxyType({}), {}, ())


def run_label(name: object, tags: object) -> RunLabel | None:
    """Return the label of a run that is to be started; None: it has neither name nor tags.

    Raises:
        TypeError: ``name`` is not a str, or ``tags`` is not a mapping of str to str.
        ValueError: the key of a tag is empty or has a "=".
    """
    if name is None and tags is None:
        return None
    if name is not None and type(name) is not str:
        raise TypeError(f"name must be None or a str, got `{type(name).__name__}`")
    if tags is not None and not isinstance(tags, Mapping):
        raise TypeError(f"tags must be None or a mapping of str to str, got `{type(tags).__name__}`")
    kept = dict(tags or {})
    for key, value in kept.items():
        if type(key) is not str or type(value) is not str:
            raise TypeError(f'tags must be a mapping of str to str, got {key!r}: {value!r}: write "{key}": "{value}"')
        if not key or "=" in key:  # "tag:a=b=c" would be two tags
            raise ValueError(f"key of a tag must be a str that is not empty and has no '=', got {key!r}")
    return RunLabel(name, MappingProxyType(kept), kept, label_names(name, kept))


def label_within(common: RunLabel | None, name: object, tags: object) -> RunLabel | None:
    """Return the label of a member that is added to a population.

    Args:
        common: that of the population.
        name: of the member; None: as in ``common``.
        tags: of the member, beside those in ``common`` and before them; None: no more.

    Raises:
        TypeError, ValueError: as `run_label` does.
    """
    own = run_label(name, tags)
    if own is None or common is None:
        return common if own is None else own
    return run_label(common.name if own.name is None else own.name, {**common.tags, **own.tags})
