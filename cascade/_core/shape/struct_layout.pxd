"""Where a type of records keeps its fields: frozen structs, named tuples, frozen dataclasses."""

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t

from cascade._core.expr.symbol cimport StructShape


cdef enum:  # what a value may be beside what `Op` lists; none of these is in a key
    RECORD = 32  # its fields, or the items of a subclass of a container, must not be lazy results
    DATA  # marked by `cascade.data`
    UNLEARNED  # of a type that was not met yet


cdef tuple VIEWS  # the types of the views of dicts


cdef class Layout:
    cdef uint8_t op  # of values of the type: SLOT, RECORD, or STRUCT: a container of its fields
    cdef bint is_tuple  # the fields are the items of a tuple
    cdef StructShape shape  # of a STRUCT
    cdef Py_ssize_t* offsets  # of the fields of a STRUCT, in bytes from the object's address; NULL: see `names`
    cdef tuple names  # of the fields, if they are read as attributes
    cdef Py_ssize_t count  # of the fields


ctypedef struct Known:  # the layout of a type that was met lately
    PyObject* type
    PyObject* layout  # borrowed
    int op


cdef enum:
    KNOWN = 256

cdef Known known_types[KNOWN]  # by address; an entry is emptied when its type dies

cdef int op_of_type(PyObject* kind) noexcept
cdef int learn(PyObject* kind) except -1


cdef inline Known* known_type(PyObject* kind) noexcept:
    """The place of a type among those that were met lately."""
    return &known_types[(<size_t>kind >> 4 ^ <size_t>kind >> 12) & (KNOWN - 1)]


cdef inline PyObject* layout_of(PyObject* kind) noexcept:
    """The layout of a type, borrowed; NULL if it was not learned yet."""
    cdef Known* known = known_type(kind)
    if known.type != kind:
        op_of_type(kind)
    return known.layout if known.type == kind else NULL
