"""Packages that only an extra installs: imported where they are used, and missed by name."""

from __future__ import annotations

import importlib

from cascade.exceptions import CascadeError

__all__ = ["MissingExtraError", "need"]


class MissingExtraError(CascadeError, ImportError):
    """Something was asked for that needs a package which only an extra installs."""


def need(package: str, extra: str, purpose: str) -> None:
    """Make sure that a package can be imported, or say which extra brings it.

    >>> need("json", "cli", "the summary")
    >>> need("no_such_package", "cli", "the command line")
    Traceback (most recent call last):
        ...
    cascade.extras.MissingExtraError: the command line needs no_such_package, which is missing: install the \
extra 'cli' (pip install 'cascade-engine[cli]')
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        # A package that is there and broken is another matter: its own error tells more than ours could.
        if error.name is None or error.name.partition(".")[0] != package.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{purpose} needs {package.partition('.')[0]}, which is missing: install the extra {extra!r} "
            f"(pip install 'cascade-engine[{extra}]')"
        ) from None
