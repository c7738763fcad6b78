"""Tasks: functions made declarative."""

from cpython.object cimport PyObject

from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.task_spec cimport Kind, TaskSpec

ctypedef PyObject* (*vectorcallfunc)(PyObject*, PyObject* const*, size_t, PyObject*) noexcept


cdef class Task:
    cdef vectorcallfunc vectorcall  # where the interpreter finds how to call the instance
    cdef readonly object fn  # the callable itself: data, never structure
    cdef TaskSpec spec
    cdef bint closed  # the callable is a module's function without closure, defaults and attributes
    cdef dict fills  # defaults that are lazy results, by the name of the parameter; None: there are none
    cdef dict policies  # policies of every call, by role; None: there are none
    cdef bint takes_one  # it is known to take one positional argument
    cdef object __weakref__


cdef object finds_lazy  # whether a value is or holds a lazy result; shape/extract.pyx supplies it

cdef LazyResult lazy_call(Task task, tuple arguments)
cdef Task builtin_task(str qualname, Kind kind)
cdef int check_takes_one(Task task) except -1
cdef Task standard_task(object fn, str module)
