"""Pools: an amount that calls take from and give back."""


cdef class Pool:
    cdef public str name
    cdef public object capacity  # ints of any size, in units
    cdef public object used
    cdef object passed

    cdef Pool find_root(self)
    cdef Pool find_open(self)
    cdef Pool return_units(self, taken)
    cdef bint has(self, wanted) except -1


cdef class Holding(Pool):
    cdef readonly Pool parent
    cdef readonly bint is_open

    cdef object close(self)
