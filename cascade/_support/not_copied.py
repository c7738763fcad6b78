"""Objects of which there is one: what runs, waits or is subscribed cannot be pickled or copied with the object."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["NotCopied"]


class NotCopied:
    """A base class of what can neither be pickled nor copied.

    >>> import copy
    >>> class Desk(NotCopied): ...
    >>> copy.copy(Desk())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    TypeError: an object of type `Desk` cannot be pickled or copied: it belongs to its process, with all that is ...
    """

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"an object of type `{type(self).__name__}` cannot be pickled or copied: it belongs to its process, with "
            f"all that is running in it"
        )
