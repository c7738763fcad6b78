"""Symbols: the interned names of structure keys."""

from libc.stdint cimport uint32_t


cdef class Symbol:
    cdef readonly uint32_t id  # the operand that stands for it in a token, below 2**27
    cdef object __weakref__


cdef class CallShape(Symbol):
    cdef readonly tuple task  # (module, qualified name, kind, mode, injected resources)
    cdef readonly Py_ssize_t positional  # number of positional arguments
    cdef readonly tuple names  # of the keyword arguments, sorted
    cdef readonly tuple roles  # of operands that are no arguments: "after", "retry", ...
    cdef dict extended  # role -> the shape of the same call with that role added


cdef class StructShape(Symbol):
    cdef readonly str module
    cdef readonly str qualname
    cdef readonly tuple fields  # in declared order


cpdef CallShape call_shape(tuple task, Py_ssize_t positional, tuple names, tuple roles=*)
cpdef StructShape struct_shape(str module, str qualname, tuple fields)
cpdef Symbol symbol(uint32_t number)
