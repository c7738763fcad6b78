"""A priority queue whose items can be removed from anywhere."""


cdef class WaitQueue:
    cdef list heap  # of (key, number, item)
    cdef dict places  # of each item its entry in the heap
    cdef long long entries  # that were ever made

    cpdef add(self, item, key)
    cpdef discard(self, item)
    cpdef first(self)
    cdef tidy(self)
