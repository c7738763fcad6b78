"""Operands: the arguments of a call, and containers built of values."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t

from cascade._core.expr.builtin_nodes cimport Skip, skipped_member
from cascade._core.shape.key cimport DICT, FROZENSET, LIST, STRUCT, TUPLE

cdef extern from "Python.h":
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    PyObject* PyList_New_ "PyList_New"(Py_ssize_t) except NULL
    PyObject* PyTuple_New_ "PyTuple_New"(Py_ssize_t) except NULL
    void PyList_SET_ITEM_ "PyList_SET_ITEM"(PyObject*, Py_ssize_t, PyObject*) noexcept
    void PyTuple_SET_ITEM_ "PyTuple_SET_ITEM"(PyObject*, Py_ssize_t, PyObject*) noexcept

cdef PyObject* call_with_many(Frame frame, Node* node, PyObject* callable) except NULL:
    """Call a callable with more than ARGUMENTS arguments."""
    cdef PyObject** arguments = <PyObject**>PyMem_Malloc((node.operands + 1) * sizeof(PyObject*))
    cdef int32_t* operands = frame.template.operands + node.first_operand
    cdef Py_ssize_t i
    if arguments is NULL:
        raise MemoryError()
    for i in range(node.operands):
        arguments[i + 1] = frame.values[operands[i]]
    try:
        return PyObject_Vectorcall(
            callable, arguments + 1, <size_t>node.positional | PY_VECTORCALL_ARGUMENTS_OFFSET, node.names
        )
    finally:
        PyMem_Free(arguments)


cdef PyObject* build(Frame frame, Node* node) except NULL:
    """Build the container or struct of a node: a new reference."""
    cdef int32_t* operands
    cdef PyObject* made
    cdef PyObject* value
    cdef Py_ssize_t i
    cdef int op = node.op
    operands = frame.template.operands + node.first_operand
    if op == DICT:
        pairs = {}
        for i in range(node.operands):
            if operands[2 * i] < 0:
                key = (<tuple>node.names)[~operands[2 * i]]
            else:
                key = <object>frame.values[operands[2 * i]]
            pairs[key] = <object>frame.values[operands[2 * i + 1]]
        Py_INCREF(pairs)
        return <PyObject*>pairs
    if op == STRUCT:
        fields = {}
        for i in range(node.operands):
            fields[(<tuple>node.names)[i]] = <object>frame.values[operands[i]]
        struct = (<object>frame.values[node.source])(**fields)
        Py_INCREF(struct)
        return <PyObject*>struct
    if op == LIST:
        made = PyList_New_(node.operands)
        for i in range(node.operands):
            value = frame.values[operands[i]]
            Py_INCREF_(value)
            PyList_SET_ITEM_(made, i, value)
        return made
    if op == TUPLE:
        made = PyTuple_New_(node.operands)
        for i in range(node.operands):
            value = frame.values[operands[i]]
            Py_INCREF_(value)
            PyTuple_SET_ITEM_(made, i, value)
        return made
    items = set()
    for i in range(node.operands):
        items.add(<object>frame.values[operands[i]])
    if op == FROZENSET:
        items = frozenset(items)
    Py_INCREF(items)
    return <PyObject*>items


cdef PyObject* build_with_skips(Frame frame, Node* node) except NULL:
    """The same, with `SKIPPED` in place of each part that was skipped."""
    cdef int32_t* operands = frame.template.operands + node.first_operand
    cdef Py_ssize_t i, step = 2 if node.op == DICT else 1
    values = [<object>frame.values[operands[step * i + step - 1]] for i in range(node.operands)]
    values = [skipped_member if type(value) is Skip else value for value in values]
    if node.op == DICT:
        keys = [
            (<tuple>node.names)[~operands[2 * i]] if operands[2 * i] < 0 else <object>frame.values[operands[2 * i]]
            for i in range(node.operands)
        ]
        made = dict(zip(keys, values))
    elif node.op == STRUCT:
        made = (<object>frame.values[node.source])(**dict(zip(<tuple>node.names, values)))
    elif node.op == LIST:
        made = values
    else:
        made = (tuple if node.op == TUPLE else frozenset if node.op == FROZENSET else set)(values)
    Py_INCREF(made)
    return <PyObject*>made


cdef tuple positional(Frame frame, Node* node):
    """The positional arguments of a call, as a tuple."""
    cdef int32_t* operands = frame.template.operands + node.first_operand
    cdef Py_ssize_t i
    return tuple([<object>frame.values[operands[i]] for i in range(node.positional)])


cdef dict keywords(Frame frame, Node* node):
    """The keyword arguments of a call, as a dict."""
    cdef int32_t* operands = frame.template.operands + node.first_operand
    cdef Py_ssize_t i
    return {
        (<tuple>node.names)[i - node.positional]: <object>frame.values[operands[i]]
        for i in range(node.positional, node.operands)
    }
