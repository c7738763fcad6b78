"""What objects show in notebooks: texts of several MIME types, each made only if it is asked for.

IPython calls `_repr_mimebundle_(include, exclude)` of the value of a cell. In the texts here, names and values of users
are text, and never markup.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from cascade._support.one_line import plain

__all__ = ["HTML", "PLAIN", "asks_for", "bundle", "table"]

PLAIN = "text/plain"
HTML = "text/html"

Types = Collection[str] | None


def asks_for(kind: str, include: Types, exclude: Types) -> bool:
    """Whether a notebook asks for a MIME type.

    Args:
        kind: the MIME type.
        include: the types that are asked for; None, or empty: all.
        exclude: the types that are not; None: none.
    """
    return (not include or kind in include) and not (exclude and kind in exclude)


def bundle(makers: Mapping[str, Callable[[], str]], include: Types, exclude: Types) -> dict[str, str]:
    """Return the texts that are asked for, by MIME type.

    Args:
        makers: what makes each text, by MIME type.
        include: the types that are asked for; None, or empty: all.
        exclude: the types that are not; None: none.

    >>> bundle({"text/plain": lambda: "one", "text/html": lambda: "<b>one</b>"}, None, {"text/html"})
    {'text/plain': 'one'}
    """
    return {kind: make() for kind, make in makers.items() if asks_for(kind, include, exclude)}


def table(rows: Iterable[tuple[str, object]]) -> str:
    """Return a table of two columns as HTML, a line for each row.

    Args:
        rows: the name of a row, and what it has, which is shown as text.

    >>> table([("name", "<b>"), ("iterations", 3)])
    '<table><tr><th>name</th><td>&lt;b&gt;</td></tr><tr><th>iterations</th><td>3</td></tr></table>'
    """
    from html import escape

    cells = ((escape(plain(str(each))) for each in row) for row in rows)
    return f"<table>{''.join(f'<tr><th>{name}</th><td>{value}</td></tr>' for name, value in cells)}</table>"
