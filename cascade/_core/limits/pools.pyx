"""Pools: an amount that calls take from and give back."""

from cascade._core.limits.units import shown


cdef class Pool:
    """A limit: its capacity and how much of it is in use.

    Attributes:
        name: of the limit, as calls ask for it.
        capacity: units in total.
        used: units that are taken; more than the capacity only after the capacity was lowered.
        passed: a place in the order of claims: those inside of what holds a part of this pool are before it. None: not
            known.
    """

    def __init__(self, str name not None, capacity):
        self.name = name
        self.capacity = capacity
        self.used = 0

    @property
    def root(self):
        """The limit or the rule: this pool itself, or what it is a part of."""
        return self.find_root()

    def reason(self, wanted):
        """Why a call waits for `wanted` units of it, as text for an event."""
        free = max(0, self.capacity - self.used)
        return f"limit {self.name}: {shown(wanted)} wanted, {shown(free)} of {shown(self.capacity)} free"

    cdef Pool find_root(self):
        return self

    cdef Pool find_open(self):
        """Return the pool that what was taken from this one belongs to by now."""
        return self

    cdef Pool return_units(self, taken):
        """Take units back. Return the pool that has them now."""
        self.used -= taken
        return self

    cdef bint has(self, wanted) except -1:
        """Whether a call may take ``wanted`` units now."""
        return self.used + wanted <= self.capacity


cdef class Holding(Pool):
    """What a scope holds of a limit, or a call that awaits others. Calls inside of it take from it.

    If it ends before a call inside of it does, as something outside needs that call, too, the call has its units
    directly from the parent.

    Args:
        parent: what it is a part of.
        amount: units that are held.

    Attributes:
        parent: the same.
        is_open: whether what holds it has not ended.
    """

    def __cinit__(self, Pool parent not None, amount):
        self.name = parent.name
        self.capacity = amount
        self.used = 0
        self.parent = parent
        self.is_open = True

    def __init__(self, parent, amount):
        pass  # not that of a pool

    def reason(self, wanted):
        """Why a call waits for `wanted` units of it, as text for an event."""
        return f"{Pool.reason(self, wanted)} in its scope"

    cdef Pool find_root(self):
        return self.parent.find_root()

    cdef Pool find_open(self):
        return self if self.is_open else self.parent.find_open()

    cdef Pool return_units(self, taken):
        if not self.is_open:
            return self.parent.return_units(taken)
        self.used -= taken
        return self

    cdef object close(self):
        """What holds it has ended. Return the units that nothing inside of it has."""
        self.is_open = False
        return self.capacity - self.used
