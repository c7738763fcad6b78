"""Where a frozen struct type keeps its fields."""

from cpython.object cimport PyObject

from cascade._core.expr.symbol cimport StructShape


cdef class Layout:
    cdef StructShape shape  # None: its structs are plain data (not frozen, or kept in an unusual way)
    cdef Py_ssize_t* offsets  # of the fields, in bytes from the object's address
    cdef Py_ssize_t count


cdef bint is_struct(PyObject* value) noexcept
cdef PyObject* layout_of(PyObject* struct_type) except? NULL  # borrowed, NULL: not learned yet
cdef int learn(PyObject* struct_type) except -1
