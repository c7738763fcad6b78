"""A user's text on one line of a terminal or of a log."""

from __future__ import annotations

__all__ = ["plain"]

WIDTH = 400
"""The longest text of a user within a line, in characters."""


def plain(text: str, width: int = WIDTH) -> str:
    r"""Return a user's text on one line, without control characters: it cannot forge a line or control a terminal.

    White space becomes one space; characters that cannot be printed are escaped; the middle of a long text is left out.

    Args:
        text: any text.
        width: the maximum length of the result, in characters.

    >>> plain("no\n  such\x1b[31m file"), plain("x" * 50, 20)
    ('no such\\x1b[31m file', 'xxxxxxxx ... xxxxxxx')
    """
    if len(text) > 4 * width:  # cut first: escaping a megabyte is slow
        text = f"{text[: 2 * width]} {text[-2 * width :]}"
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) <= width:
        return text
    half = (width - 5) // 2
    return f"{text[: width - 5 - half]} ... {text[-half:]}"
