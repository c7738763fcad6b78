"""Packages that only an extra installs: imported at first use, with an error that names the extra."""

from __future__ import annotations

import importlib

from cascade.exceptions import CascadeError

__all__ = ["MissingExtraError", "need"]


class MissingExtraError(CascadeError, ImportError):
    """A package is missing that only an extra installs."""


def need(package: str, extra: str, purpose: str) -> None:
    """Import a package of an extra.

    Args:
        package: the name of the module.
        extra: the name of the extra that installs it.
        purpose: the feature that needs it, for the error.

    Raises:
        MissingExtraError: the package is not installed.
        ImportError: the package is installed, but cannot be imported.

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
        # An installed package that cannot be imported: its own error says more.
        if error.name is None or error.name.partition(".")[0] != package.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{purpose} needs {package.partition('.')[0]}, which is missing: install the extra {extra!r} "
            f"(pip install 'cascade-engine[{extra}]')"
        ) from None
