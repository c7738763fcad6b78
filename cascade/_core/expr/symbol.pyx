"""Symbols: the interned names of structure keys.

A key is a sequence of integers. Names in it (of the task and the arguments of a call, of a struct type and its fields)
are interned here, and the key has the number. A number is never used twice in a process. A symbol that no task and no
template refers to is freed, so a program that makes new names for ever does not grow for ever.
"""

from weakref import WeakValueDictionary as _WeakValueDictionary

from cascade._core.fork import new_lock as _new_lock

from cascade.exceptions import StructureError

cdef object _interned = _WeakValueDictionary()  # identity -> Symbol
cdef object _numbered = _WeakValueDictionary()  # id -> Symbol
cdef object _lock = _new_lock()
cdef uint32_t _next = 0
cdef uint32_t _LIMIT = (1 << 27) - 1  # an operand has 27 bits


cdef class Symbol:
    """A name that structure keys refer to by its number, ``id``."""

    def __init__(self):
        raise TypeError(f"{type(self).__name__} objects are made by interning, not by calling the type")


cdef class CallShape(Symbol):
    """How a task is called: the task, the number of positional arguments, the names of the others, and the roles."""

    def __repr__(self):
        return f"<CallShape {self.id}: {self.task[0]}.{self.task[1]}/{self.positional} {self.names} {self.roles}>"


cdef class StructShape(Symbol):
    """A frozen struct type that holds a lazy result: its name and its fields."""

    def __repr__(self):
        return f"<StructShape {self.id}: {self.module}.{self.qualname} {self.fields}>"


cdef Symbol _intern(Symbol made, tuple identity):
    """The symbol of an identity: the one that exists, else the one that was made for it."""
    cdef Symbol known
    _lock.acquire()
    try:  # not `with`: Cython's code for it fails if an exception has no traceback, for want of memory
        known = _interned.get(identity)
        if known is not None:
            return known
        _number(made, identity)
        return made
    finally:
        _lock.release()


cdef int _number(Symbol made, tuple identity) except -1:
    global _next
    if _next == _LIMIT:
        raise StructureError(f"number of task and struct shapes in one process must be <= {_LIMIT}")
    made.id = _next
    _next += 1
    _numbered[made.id] = made
    _interned[identity] = made  # last: a symbol that is found by its name is found by its number, too
    return 0


cpdef CallShape call_shape(tuple task, Py_ssize_t positional, tuple names, tuple roles=()):
    """The symbol of calls of ``task`` with this number of positional arguments, these names (sorted) and roles."""
    cdef tuple identity = ("call", task, positional, names, roles)
    cdef CallShape made = _interned.get(identity)
    if made is not None:
        return made
    made = CallShape.__new__(CallShape)
    made.task = task
    made.positional = positional
    made.names = names
    made.roles = roles
    return _intern(made, identity)


cpdef StructShape struct_shape(str module, str qualname, tuple fields):
    """The symbol of a struct type with these fields."""
    cdef tuple identity = ("struct", module, qualname, fields)
    cdef StructShape made = _interned.get(identity)
    if made is not None:
        return made
    made = StructShape.__new__(StructShape)
    made.module = module
    made.qualname = qualname
    made.fields = fields
    return _intern(made, identity)


cpdef Symbol symbol(uint32_t number):
    """The symbol with this number. Raises `KeyError` for a number that is not in use."""
    return _numbered[number]
