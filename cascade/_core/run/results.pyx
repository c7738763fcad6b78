"""Results: whether what a function has returned is a value or an expression.

What a task returns, and what is given as a target, is treated like an argument: a lazy result stands for its value,
also inside a container. So it is one of three things: a lazy result, which is an expression; a container that holds a
lazy result, which is an expression, too, and becomes a lazy result here, so that the engine has one kind of
expressions; and everything else, a value.

A value that is itself a `LazyResult`, because `cascade.data` says so, keeps the `Data` around it until it is stored.
"""

from cascade._core.expr cimport lazy as _lazy
from cascade._core.expr.combining cimport value_task
from cascade._core.expr.data cimport Data
from cascade._core.expr.lazy cimport LazyResult, use
from cascade._core.expr.task cimport Task, lazy_call
from cascade._core.shape.containers cimport op_of
from cascade._core.shape.key cimport SLOT
from cascade._core.shape.struct_layout cimport DATA

cdef extern from "Python.h":
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept

cdef PyObject* Lazy = <PyObject*>LazyResult


_lazy.container_task = <PyObject*>value_task


cdef PyObject* examine_closely(Extraction search, PyObject* result) except NULL:
    """A result as the engine takes it. It takes over the reference to `result` and returns one.

    Returns:
        A `LazyResult`: it is an expression. A `Data`: the lazy result in it is the value. Else the value itself.
    """
    cdef PyObject* kind = Py_TYPE(result)
    cdef PyObject* made = result
    cdef int op
    if kind == Lazy:
        return result
    op = op_of(result, kind)
    if op == SLOT:
        return result
    given = <object>result
    Py_DECREF_(result)
    if op == DATA:
        if type((<Data>given).value) is not LazyResult:
            made = <PyObject*>(<Data>given).value
    elif search.finds_lazy_in(result):
        given = _stands_for(given)
        made = <PyObject*>given
    Py_INCREF_(made)
    return made


def examined(result):
    """Return whether a result is an expression, and it as a lazy result; or else the value."""
    cdef PyObject* given = <PyObject*>result
    cdef PyObject* made
    Py_INCREF_(given)
    made = examine_closely(Extraction.__new__(Extraction), given)
    found = <object>made
    Py_DECREF_(made)
    if type(found) is Data:
        return False, (<Data>found).value
    return type(found) is LazyResult, found


cdef object as_final(object value):
    """A value as it is, marked as data if it would be searched for lazy results."""
    cdef PyObject* given = <PyObject*>value
    if not may_hold(Py_TYPE(given)) or type(value) is Data:
        return value
    if type(value) is LazyResult or op_of(given, Py_TYPE(given)) != SLOT:
        return Data(value)
    return value


def final(value):
    """Mark a value as one that is not to be examined, if it would be."""
    return as_final(value)


def expression_of(value):
    """Return a value as a lazy result: a container that holds one becomes an expression, anything else its own value.

    A list, dict or set is copied: what a user does to it later changes no expression.
    """
    is_expression, found = examined(value)
    if not is_expression:
        return _stands_for(value if type(value) is Data else Data(value))
    if found is not value and type(value) in (list, dict, set):
        return _stands_for(value.copy())
    return found


cdef LazyResult _stands_for(object value):
    """The lazy result of a value or a container. No user has made it: debug mode does not look for its use."""
    lazy = lazy_call(value_task, (value,))
    use(lazy)
    return lazy


def target_name(LazyResult target not None):
    """Return the name of a target: "module.task"; of a container or a value, its type."""
    task = <Task>target.task
    if task is not value_task:
        return f"{task.spec.module}.{task.spec.qualname}"
    given = <object>target.arguments[0]
    return type((<Data>given).value if type(given) is Data else given).__name__
