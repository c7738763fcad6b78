"""Results: whether what a function has returned is a value or an expression."""

from cpython.object cimport PyObject

from cascade._core.expr.task_spec cimport RECOVER, calls_function
from cascade._core.shape.containers cimport Py_TYPE, may_hold
from cascade._core.shape.extract cimport Extraction
from cascade._core.shape.key cimport CALL
from cascade._core.shape.template cimport Node


cdef object as_final(object value)
cdef PyObject* examine_closely(Extraction search, PyObject* result) except NULL


cdef inline bint gives_expressions(Node* node) noexcept:
    """Whether what comes of a node is examined: a function has returned it, or a handler of failures."""
    return node.op == CALL and (calls_function(node.kind) or node.kind == RECOVER)


cdef inline PyObject* examine(Extraction search, Node* node, PyObject* result) except NULL:
    """What has come of a node, as the engine takes it: see `examine_closely`. It takes over the reference."""
    if not may_hold(Py_TYPE(result)) or not gives_expressions(node):
        return result
    return examine_closely(search, result)
