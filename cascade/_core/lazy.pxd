"""Tasks and lazy results: what users write expressions with."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from cascade._core.spec cimport TaskSpec
from cascade._core.symbol cimport CallShape

ctypedef PyObject* (*vectorcallfunc)(PyObject*, PyObject* const*, size_t, PyObject*) noexcept


cdef class Task:
    cdef vectorcallfunc vectorcall  # where the interpreter finds how to call the instance
    cdef readonly object fn  # the callable itself: data, never structure
    cdef TaskSpec spec
    cdef bint closed  # the callable is a function of a module that holds nothing of its own
    cdef object __weakref__


cdef enum:
    NEAR = 3  # arguments kept inside the object


cdef class LazyResult:
    # Its memory is managed by hand in lazy.pyx: most of what a heavy loop does is making and dropping these.
    cdef PyObject* task  # an owned Task
    cdef PyObject* shape  # an owned CallShape
    cdef PyObject** arguments  # owned: positional ones, then keyword ones by sorted name
    cdef Py_ssize_t count  # of arguments
    cdef PyObject* near[NEAR]  # where the arguments are if they are few
    cdef uint64_t serial  # order of creation
    cdef PyObject* next_dead
    # Marks of the last traversal that came by. A traversal holds the GIL from its first node to its last, and its
    # number is given once: nobody else's marks can be taken for its own.
    cdef uint64_t traversal
    cdef uint32_t node  # number in that traversal, in prefix order
    cdef bint open  # it has begun but not ended
    cdef bint tracked  # by the garbage collector


cdef LazyResult lazy_call(Task task, tuple arguments)
cdef Task builtin_task(object fn, TaskSpec spec)
