"""From a frame's values to what a node makes of them."""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t

from cascade._core.run.frame cimport Frame
from cascade._core.shape.template cimport Node


cdef PyObject* call_with_many(Frame frame, Node* node, PyObject* callable) except NULL
cdef PyObject* build(Frame frame, Node* node) except NULL
cdef PyObject* build_with_skips(Frame frame, Node* node) except NULL
cdef tuple positional(Frame frame, Node* node)
cdef dict keywords(Frame frame, Node* node)


cdef enum:
    ARGUMENTS = 10  # of a call, for which there is room on the C stack

cdef extern from "Python.h":
    ctypedef PyObject* (*vectorcallfunc)(PyObject*, PyObject**, size_t, PyObject*) except NULL
    ctypedef struct PyFunctionObject:
        vectorcallfunc vectorcall
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    PyObject* Function "(PyObject*)&PyFunction_Type"
    size_t PY_VECTORCALL_ARGUMENTS_OFFSET
    PyObject* PyObject_Vectorcall(PyObject*, PyObject**, size_t, PyObject*) except NULL


cdef inline PyObject* call(Frame frame, Node* node, PyObject* callable) except NULL:
    """Call a callable with a node's arguments: a new reference."""
    cdef PyObject* arguments[ARGUMENTS + 1]
    cdef PyObject** values = frame.values
    cdef int32_t* operands = frame.template.operands + node.first_operand
    cdef Py_ssize_t i
    if node.operands > ARGUMENTS:
        return call_with_many(frame, node, callable)
    for i in range(node.operands):
        arguments[i + 1] = values[operands[i]]
    if Py_TYPE(callable) == Function:
        return (<PyFunctionObject*>callable).vectorcall(
            callable, arguments + 1, <size_t>node.positional | PY_VECTORCALL_ARGUMENTS_OFFSET, node.names
        )
    return PyObject_Vectorcall(
        callable, arguments + 1, <size_t>node.positional | PY_VECTORCALL_ARGUMENTS_OFFSET, node.names
    )
