"""Map inputs: the inputs of a map, taken item by item."""


cdef class Const:
    cdef readonly object value


cdef class MarkedSeries:  # an input of a map that is marked as data
    cdef readonly object value


cdef class Zipped:
    cdef tuple names
    cdef list is_final  # of each input, whether its items are values, and lazy results among them are data
    cdef list iterators
    cdef Py_ssize_t size  # number of items, of the inputs that have a length; -1: none has
    cdef Py_ssize_t taken

    cdef list take(self)
    cdef int refuse_change(self) except -1


cdef int check_zippable(str name, object value) except -1
cdef int check_sizes(tuple names, list values) except -1
