"""Map inputs: the inputs of a map, taken item by item."""


cdef class Const:
    cdef readonly object value


cdef class MarkedSeries:  # an input of a map that is marked as data
    cdef readonly object value


cdef class Feed:
    cdef readonly list iterables
    cdef readonly object rows  # a deque: the items that were taken and not used, of each iterable one, in order
    cdef public Py_ssize_t room  # how many more may be taken
    cdef public object wanted  # a future of asyncio, done once there is room, or no row is left; None: none awaits it

    cdef int allow(self) except -1
    cdef int wake(self) except -1
    cdef list take(self)


cdef class Zipped:
    cdef tuple names
    cdef list is_final  # of each input, whether its items are values, and lazy results among them are data
    cdef list iterators  # None: the input is async, and its items come by the feed
    cdef Feed feed  # None: no input is async
    cdef Py_ssize_t size  # number of items, of the inputs that have a length; -1: none has
    cdef Py_ssize_t taken

    cdef list take(self)
    cdef int refuse_change(self) except -1


cdef int check_zippable(str name, object value) except -1
cdef int check_sizes(tuple names, list values) except -1
