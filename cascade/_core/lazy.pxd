"""Lazy results: the nodes of the expressions that users write."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from cascade._core.policy cimport Governable
from cascade._core.symbol cimport CallShape

cdef enum:
    NEAR = 3  # arguments kept inside the object


cdef class LazyResult(Governable):
    # Its memory is managed by hand in lazy.pyx: most of what a heavy loop does is making and dropping these.
    cdef PyObject* task  # an owned Task
    cdef PyObject* shape  # an owned CallShape
    cdef PyObject** arguments  # owned: positional ones, keyword ones by sorted name, one for each role of the shape
    cdef Py_ssize_t count  # of all of them
    cdef PyObject* near[NEAR]  # where the arguments are if they are few
    cdef uint64_t serial  # order of creation
    cdef PyObject* next_dead
    # Marks of the last traversal that came by. A traversal holds the GIL from its first node to its last, and its
    # number is given once: nobody else's marks can be taken for its own.
    cdef uint64_t traversal
    cdef uint32_t node  # number in that traversal, in prefix order
    cdef bint open  # it has begun but not ended
    cdef bint tracked  # by the garbage collector


cdef object guard_task  # of conditions; task.pyx supplies it
cdef PyObject* new_lazy(PyObject* task, PyObject* shape, Py_ssize_t count) except NULL
cdef LazyResult of_shape(object task, CallShape shape, list arguments)
cdef LazyResult with_role(LazyResult lazy, str role, object operand)
