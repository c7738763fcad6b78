"""Data: a value that is not searched for lazy results."""

from cpython.object cimport PyObject


cdef class Data:
    cdef readonly object value


cdef PyObject* new_data(PyObject* value) except NULL


cdef inline PyObject* unwrapped(PyObject* data) noexcept:
    """The value that is marked, in place of the mark. It takes over the reference and returns one."""
    cdef PyObject* value = <PyObject*>(<Data>data).value
    Py_INCREF_(value)
    Py_DECREF_(data)
    return value


cdef extern from "Python.h":
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept
