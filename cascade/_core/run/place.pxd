"""Places: where in a run a node is."""

from cascade._core.run.frame cimport Frame
from cascade._core.shape.template cimport Template


cdef class Place:
    cdef readonly Template template
    cdef readonly Py_ssize_t number  # of the node in its graph
    cdef readonly long long call  # unique among the calls of the engine
    cdef readonly long long parent  # the call that it is a part of; 0: it is part of the target
    cdef readonly object item  # of the map that is its parent, from 0 on; None: its parent is no map
    cdef readonly tuple callers
    cdef readonly Py_ssize_t hidden


cdef long long call_of(Frame frame, Py_ssize_t at) except -1
cdef Place place_of(Frame frame, Py_ssize_t at)
cdef list calls_of(Frame frame, list nodes)
