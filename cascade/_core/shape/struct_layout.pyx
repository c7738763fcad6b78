"""Struct layout: the offsets of the fields of frozen struct types.

Every struct that is passed to a task must be searched for lazy results. Reading its attributes would cost more than the
traversal, and could run user code, so the offsets of a type's fields are read from its member descriptors, once.
"""

import types as _types
import weakref as _weakref

import msgspec as _msgspec
from cpython.mem cimport PyMem_Free, PyMem_Malloc

from cascade._core.expr.symbol cimport struct_shape

cdef extern from *:
    """
    #include <structmember.h>
    static Py_ssize_t cascade_member_offset(PyObject *descriptor) {
        return ((PyMemberDescrObject *)descriptor)->d_member->offset;
    }
    """
    Py_ssize_t cascade_member_offset(object descriptor) noexcept

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept

cdef object _meta = type(_msgspec.Struct)
cdef PyObject* _struct_meta = <PyObject*>_meta
cdef dict _layouts = {}  # id of a type -> (weak reference to it, Layout)


cdef class Layout:
    def __dealloc__(self):
        PyMem_Free(self.offsets)


cdef bint is_struct(PyObject* value) noexcept:
    return Py_TYPE(Py_TYPE(value)) == _struct_meta


cdef PyObject* layout_of(PyObject* struct_type) except? NULL:
    cdef PyObject* entry = PyDict_GetItemWithError(_layouts, <size_t>struct_type)
    return NULL if entry is NULL else PyTuple_GET_ITEM(entry, 1)


cdef extern from "Python.h":
    PyObject* PyDict_GetItemWithError(dict, object) except? NULL
    PyObject* PyTuple_GET_ITEM(PyObject*, Py_ssize_t) noexcept


cdef int learn(PyObject* struct_type) except -1:
    """Read the layout of a type. This may run user code, so no traversal may go on after it."""
    cdef Layout layout = Layout.__new__(Layout)
    struct = <object>struct_type
    number = id(struct)
    if struct.__struct_config__.frozen:
        members = []
        for field in struct.__struct_fields__:
            for base in struct.__mro__:
                if field in base.__dict__:
                    members.append(base.__dict__[field])
                    break
        if all(type(member) is _types.MemberDescriptorType for member in members):
            layout.count = len(members)
            layout.offsets = <Py_ssize_t*>PyMem_Malloc((layout.count + 1) * sizeof(Py_ssize_t))
            if layout.offsets is NULL:
                raise MemoryError()
            for i, member in enumerate(members):
                layout.offsets[i] = cascade_member_offset(member)
            layout.shape = struct_shape(struct.__module__, struct.__qualname__, tuple(struct.__struct_fields__))
    _layouts[number] = (_weakref.ref(struct, lambda _: _layouts.pop(number, None)), layout)
    return 0
