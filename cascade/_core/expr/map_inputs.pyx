"""Map inputs: the inputs of a map, taken item by item, so that no input has to be in memory as a whole."""

from collections import deque as _deque
from importlib import import_module as _import_module
from types import AsyncGeneratorType as _AsyncGeneratorType
from types import GeneratorType as _GeneratorType

from collections.abc import Mapping as _Mapping

from cascade._core.public cimport name_type
from cascade.exceptions import MapError

cdef object _end = object()

END = _end  # instead of an item: the input has no more


cdef class Const:
    """const(value)\n--\n\nAn input of a map that is the same for every item."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"const({self.value!r})"


cdef class MarkedSeries:
    """An input of a map that is marked as data: so are its items. The mark itself would not survive extraction."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"data({self.value!r})"

    def __reduce__(self):
        return _import_module("cascade").LazyResult._series, (self.value,)


cdef class Feed:
    """The items of a map's async inputs, between the engine, which takes them, and the map, which uses them."""

    cdef int allow(self) except -1:
        """Let the engine take one more."""
        self.room += 1
        return self.wake()

    cdef int wake(self) except -1:
        """Let what takes the items see what has changed."""
        wanted, self.wanted = self.wanted, None
        if wanted is not None and not wanted.done():
            wanted.set_result(None)
        return 0

    cdef list take(self):
        """The oldest of those that were taken: one of each input, or `END`. Only if there is one."""
        cdef list items = self.rows.popleft()
        if not self.rows:
            self.wake()
        return items


cdef class Zipped:
    """The inputs of a map, side by side.

    Args:
        names: names of the inputs.
        values: the inputs.
    """

    def __init__(self, tuple names, list values):
        # A list or tuple comes here as a value: it was literal without lazy results, or is the value of a node. What
        # yields its items one after the other may still yield lazy results, which stand for their values.
        self.is_final = [type(value) in (list, tuple, MarkedSeries) for value in values]
        values = [(<MarkedSeries>value).value if type(value) is MarkedSeries else value for value in values]
        for name, value in zip(names, values):
            check_zippable(name, value)
        check_sizes(names, values)
        self.names = names
        for name, value in zip(names, values):
            if _is_exhausted(value):
                raise MapError(f"input {name!r} of a map must have items, got an exhausted generator")
            if type(value) is _AsyncGeneratorType and value.ag_running:
                raise MapError(
                    f"input {name!r} of a map must be its own, got an async generator that is in use elsewhere"
                )
        self.size = next((size for size in map(_size, values) if size is not None), -1)
        self.iterators = [
            None if _iterates_async(value) else _iterator(name, value) for name, value in zip(names, values)
        ]
        if None in self.iterators:
            self.feed = Feed.__new__(Feed)
            self.feed.iterables = [value for value in values if _iterates_async(value)]
            self.feed.rows = _deque()

    cdef list take(self):
        """The next item of each input; None at the end. With async inputs, only if the feed has items."""
        cdef list items = []
        cdef list fed = None if self.feed is None else self.feed.take()
        cdef Py_ssize_t used = 0
        cdef bint ended = False
        for iterator in self.iterators:
            if iterator is None:
                item = fed[used]
                used += 1
            else:
                item = next(iterator, _end)
            ended |= item is _end
            items.append(item)
        if not ended:
            self.taken += 1
            if self.size >= 0 and self.taken > self.size:
                self.refuse_change()
            return items
        shorter = [name for name, item in zip(self.names, items) if item is _end]
        longer = [name for name, item in zip(self.names, items) if item is not _end]
        if longer:
            raise MapError(
                f"inputs of a map must have the same length, got {self.taken} items of {shorter[0]!r} and at least "
                f"{self.taken + 1} of {longer[0]!r}"
            )
        if self.size >= 0 and self.taken != self.size:
            self.refuse_change()
        return None

    cdef int refuse_change(self) except -1:
        raise MapError(f"inputs of a map must not change during a run, got {self.taken} items instead of {self.size}")


def _iterator(name, value):
    try:
        return iter(value)
    except TypeError as error:  # a scalar whose class can be iterated, such as those of numpy
        raise _no_series(name, value) from error


def _no_series(name, value):
    if isinstance(value, _Mapping):
        instead = f"{name}=list(d), list(d.values()) or list(d.items()) for its keys, values or pairs"
    elif isinstance(value, (set, frozenset)):
        instead = f"{name}=sorted(s), or a list in another order, for its members"
    elif callable(value):
        instead = f"{name}=f(...) for the items that it gives when it is called"
    else:
        instead = f"{name}=[...] for a single item"
    return MapError(
        f"input {name!r} of a map must be a series of items, got `{type(value).__name__}`: "
        f"write {name}=cs.const(...) to give every item the same value, or {instead}"
    )


def _size(value):
    if _iterates_async(value):  # a channel: the number of its messages is not that of its items
        return None
    try:
        return len(value)
    except TypeError:
        return None


cdef int check_zippable(str name, object value) except -1:
    """Refuse an input that is not a series of items."""
    if hasattr(type(value), "columns"):  # of pandas, polars, pyarrow: iterated over, it gives names or columns
        raise MapError(
            f"input {name!r} of a map must be a series of items, got the table `{type(value).__name__}`: write "
            f"{name}=table[\"column\"] to take the items of a column, or a list of its rows"
        )
    if isinstance(value, (str, bytes, bytearray, set, frozenset, _Mapping)) or not (
        _iterates(value) or _iterates_async(value)
    ):
        raise _no_series(name, value)
    if getattr(value, "ndim", None) == 0 and hasattr(type(value), "shape"):  # a scalar of numpy, or of its kind
        raise _no_series(name, value)
    return 0


def _iterates(value):
    return hasattr(type(value), "__iter__") or hasattr(type(value), "__getitem__")


def _iterates_async(value):
    """Whether a value is an async iterable. One that can be iterated over at once is not taken as such."""
    return hasattr(type(value), "__aiter__") and not hasattr(type(value), "__iter__")


def _is_exhausted(value):
    if type(value) is _AsyncGeneratorType:
        return value.ag_frame is None
    return type(value) is _GeneratorType and value.gi_frame is None


cdef int check_sizes(tuple names, list values) except -1:
    """Refuse inputs that are known to be of different lengths."""
    first = None
    for name, value in zip(names, values):
        size = _size(value)
        if size is None:
            continue
        if first is None:
            first = (name, size)
        elif first[1] != size:
            raise MapError(
                f"inputs of a map must have the same length, got {first[1]} items of {first[0]!r} and "
                f"{size} of {name!r}"
            )
    return 0


name_type(Const, b"cascade.const")
