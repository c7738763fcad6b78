"""Zipping: the inputs of a map, taken item by item."""


cdef class Const:
    cdef readonly object value


cdef class Zipped:
    cdef tuple names
    cdef list iterators
    cdef Py_ssize_t size  # of the inputs that tell, which is one; -1: none does
    cdef Py_ssize_t taken

    cdef list take(self)
    cdef int refuse_change(self) except -1


cdef int check_zippable(str name, object value) except -1
cdef int check_sizes(tuple names, list values) except -1
