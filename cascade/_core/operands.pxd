"""From a frame's values to what a node makes of them."""

from cpython.object cimport PyObject

from cascade._core.frame cimport Frame
from cascade._core.template cimport Node


cdef PyObject* call(Frame frame, Node* node, PyObject* callable) except NULL
cdef PyObject* build(Frame frame, Node* node) except NULL
cdef tuple positional(Frame frame, Node* node)
cdef dict keywords(Frame frame, Node* node)
