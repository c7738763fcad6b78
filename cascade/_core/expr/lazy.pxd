"""Lazy results: the nodes of the expressions that users write."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from cascade._core.expr.policy cimport Governable
from cascade._core.expr.symbol cimport CallShape

cdef enum:
    NEAR = 3  # arguments kept inside the object


cdef class LazyResult(Governable):
    # Its memory is managed by hand in expr/lazy.pyx: most of what a heavy loop does is making and dropping these.
    cdef PyObject* task  # an owned Task
    cdef PyObject* shape  # an owned CallShape
    cdef PyObject** arguments  # owned: positional ones, keyword ones by sorted name, one for each role of the shape
    cdef Py_ssize_t count  # of all of them
    cdef PyObject* near[NEAR]  # room for the arguments, if there are at most NEAR
    cdef uint64_t serial  # order of creation
    cdef PyObject* next_dead
    # Marks of the last traversal that has visited it. A traversal holds the GIL from its first node to its last, and
    # its number is unique: so it cannot mistake another traversal's marks for its own.
    cdef uint64_t traversal
    cdef uint32_t node  # number in that traversal, in prefix order
    cdef bint open  # entered by that traversal and not left
    cdef bint tracked  # by the garbage collector
    cdef bint sited  # made in debug mode: behind its arguments lies where it was written


cdef object guard_task  # of conditions; expr/task.pyx supplies it
cdef object scope_task  # of scopes, likewise
cdef tuple catching_calls  # what makes nodes that catch; expr/builtin_nodes.pyx supplies it
cdef PyObject* container_task  # of expressions that are containers; run/results.pyx supplies it

cdef enum:
    SPARE = 256

cdef PyObject* spare[SPARE]  # freed lazy results to be used again
cdef Py_ssize_t spares
cdef uint64_t serials  # lazy results made so far
cdef PyObject* allocate(Py_ssize_t count) except NULL


cdef inline void use(LazyResult lazy) noexcept:
    """Note, for debug mode, that a lazy result is of use although it may never be evaluated itself."""
    if lazy.traversal == 0:
        lazy.traversal = <uint64_t>-1  # the number of no traversal


cdef extern from "Python.h":
    ctypedef struct TypeObject "PyTypeObject":
        pass
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    PyObject* PyObject_Init_ "PyObject_Init"(PyObject*, TypeObject*) noexcept


cdef inline PyObject* new_lazy(PyObject* task, PyObject* shape, Py_ssize_t count) except NULL:
    """Make a lazy result with room for `count` arguments. The caller fills them in, and has it tracked if needed."""
    global spares, serials
    cdef PyObject* made
    if spares and count <= NEAR:
        spares -= 1
        made = PyObject_Init_(spare[spares], <TypeObject*>LazyResult)
        (<LazyResult>made).arguments = &(<LazyResult>made).near[0]
    else:
        made = allocate(count)
    (<LazyResult>made).count = count
    serials += 1
    (<LazyResult>made).serial = serials
    (<LazyResult>made).traversal = 0
    (<LazyResult>made).task = task
    (<LazyResult>made).shape = shape
    Py_INCREF_(task)
    Py_INCREF_(shape)
    return made

cdef int refuse_task(object value, str what) except -1
cdef LazyResult of_shape(object task, CallShape shape, list arguments)
cdef LazyResult scope_call(object value)
cdef LazyResult with_policy(LazyResult lazy, str role, object operand)
cdef LazyResult with_role(LazyResult lazy, str role, object operand)
