"""The tasks of Python's operators: inline tasks of the functions of `operator`, which need no call site.

An operator is applied without a look at a signature: its task, the shape of its call and the number of its operands
are known. So it costs what any call of a task costs, or less.
"""

import builtins as _builtins
import operator as _operator

from cpython.object cimport PyObject

from cascade._core.expr cimport operators as _operators
from cascade._core.expr.lazy cimport LazyResult, new_lazy
from cascade._core.expr.operators cimport (
    ABSOLUTE, ADD, AND, ATTRIBUTE, DIVMOD, EQUAL, FLOOR_DIVIDE, GREATER, GREATER_EQUAL, INVERT, ITEM, LEFT_SHIFT, LESS,
    LESS_EQUAL, MATRIX_MULTIPLY, MODULO, MULTIPLY, NEGATIVE, NOT_EQUAL, OPERATOR_COUNT, OR, POSITIVE, POWER,
    RIGHT_SHIFT, SLICE, SUBTRACT, TRUE_DIVIDE, XOR, Operator,
)
from cascade._core.expr.symbol cimport call_shape
from cascade._core.expr.task cimport Task, standard_task

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    bint PyObject_IS_GC(PyObject*) noexcept
    void PyObject_GC_Track(PyObject*) noexcept
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept

cdef enum:
    OPERANDS = 3  # at most

# An operator with no name here would be an error at import.
cdef dict _FUNCTIONS = {
    LESS: _operator.lt,
    LESS_EQUAL: _operator.le,
    EQUAL: _operator.eq,
    NOT_EQUAL: _operator.ne,
    GREATER: _operator.gt,
    GREATER_EQUAL: _operator.ge,
    ADD: _operator.add,
    SUBTRACT: _operator.sub,
    MULTIPLY: _operator.mul,
    MATRIX_MULTIPLY: _operator.matmul,
    TRUE_DIVIDE: _operator.truediv,
    FLOOR_DIVIDE: _operator.floordiv,
    MODULO: _operator.mod,
    DIVMOD: _builtins.divmod,
    POWER: _builtins.pow,
    LEFT_SHIFT: _operator.lshift,
    RIGHT_SHIFT: _operator.rshift,
    AND: _operator.and_,
    OR: _operator.or_,
    XOR: _operator.xor,
    NEGATIVE: _operator.neg,
    POSITIVE: _operator.pos,
    INVERT: _operator.invert,
    ABSOLUTE: _operator.abs,
    ITEM: _operator.getitem,
    ATTRIBUTE: _builtins.getattr,
    SLICE: _builtins.slice,
}
cdef PyObject* Lazy = <PyObject*>LazyResult
cdef list _held = []  # what the array refers to


cdef struct Call:  # of one operator with so many operands
    PyObject* task
    PyObject* shape


cdef Call[OPERATOR_COUNT][OPERANDS + 1] _calls


cdef int _make_calls() except -1:
    cdef Py_ssize_t i, count
    cdef Task task
    for i in range(OPERATOR_COUNT):
        function = _FUNCTIONS[i]
        task = standard_task(function, "builtins" if hasattr(_builtins, function.__name__) else "operator")
        _held.append(task)
        for count in range(OPERANDS + 1):
            shape = call_shape(task.spec.identity, count, ())
            _held.append(shape)
            _calls[i][count].task = <PyObject*>task
            _calls[i][count].shape = <PyObject*>shape
    return 0


cdef object _operate(Operator operator, PyObject** operands, Py_ssize_t count):
    """The call of the task of an operator with these operands."""
    cdef Call* call = &_calls[<int>operator][count]
    cdef PyObject* made = new_lazy(call.task, call.shape, count)
    cdef PyObject* operand
    cdef bint tracked = False
    cdef Py_ssize_t i
    for i in range(count):
        operand = operands[i]
        Py_INCREF_(operand)
        (<LazyResult>made).arguments[i] = operand
        if Py_TYPE(operand) == Lazy:
            tracked |= (<LazyResult>operand).tracked
        else:
            tracked |= PyObject_IS_GC(operand)
    (<LazyResult>made).tracked = tracked
    if tracked:
        PyObject_GC_Track(made)
    lazy = <LazyResult>made
    Py_DECREF_(made)
    return lazy


def attr(value, name):
    """Return a lazy result whose value is an attribute of a value: `getattr`, once the value is there.

    Args:
        value: a lazy result, or anything else that a task takes as an argument.
        name: of the attribute.

    Raises:
        TypeError: ``name`` is not a `str`.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def point(x, y):
    ...     return complex(x, y)
    >>> cs.run(cs.attr(point(3, 4), "imag") + 1)
    5.0
    """
    cdef PyObject* operands[2]
    if type(name) is LazyResult:
        raise TypeError(
            "name must be the name of an attribute as a `str`, got a lazy result: write cs.task(getattr)(x, name)"
        )
    if type(name) is not str:
        raise TypeError(f"name must be the name of an attribute as a `str`, got `{type(name).__name__}`")
    operands[0] = <PyObject*>value
    operands[1] = <PyObject*>name
    return _operate(ATTRIBUTE, operands, 2)


_make_calls()
_operators.operate = _operate
attr.__module__ = "cascade"
