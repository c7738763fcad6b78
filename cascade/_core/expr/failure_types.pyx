"""Which failures are meant: exception types, or a predicate. What catches failures asks so, and what follows them.

A group is what its members are: it counts as one of some types if it is one itself, or if all of its members are.
"""

from cpython.object cimport PyObject

from inspect import iscoroutinefunction as _iscoroutinefunction

from cascade.exceptions import PolicyError

cdef extern from "Python.h":
    ctypedef struct TypeObject "PyTypeObject":
        pass
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    int PyType_Check(object) noexcept
    bint PyType_IsSubtype(TypeObject*, TypeObject*) noexcept

cdef tuple any_failure = (Exception,)
cdef object _members = BaseExceptionGroup.exceptions


cdef object check_types(object given, str what):
    """What a user gives to say which failures are meant, as the core takes it: a tuple of types, or a predicate."""
    cdef tuple kinds
    if given is Exception:
        return any_failure
    if callable(given) and not isinstance(given, type):
        return check_called_at_once(given, what)
    kinds = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    for kind in kinds:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            shown = kind.__name__ if isinstance(kind, type) else repr(kind)
            raise PolicyError(f"{what} must be exception types or a function of an exception, got {shown}")
    return kinds


cdef object check_called_at_once(object function, str what):
    """A function given by a user, which is called at once."""
    is_task = hasattr(type(function), "with_retry")
    if is_task or _iscoroutinefunction(function):
        kind = "a task" if is_task else "an async function"
        raise PolicyError(f"{what} must be a sync function, got {kind}: {function!r}")
    return function


cdef bint matches(object on, object error) except -1:
    """Whether a failure is among those that are meant. A predicate is called, and may raise."""
    return _match(on, error, False)


cdef bint matches_in_part(object on, object error) except -1:
    """Whether a failure, or any member of a group, is among those that are meant."""
    return _match(on, error, True)


cdef bint _match(object on, object error, bint in_part) except -1:
    cdef list remaining
    if type(on) is not tuple:
        return bool(on(error))
    remaining = [error]
    while remaining:
        each = remaining.pop()
        if _is_any(each, <tuple>on):
            if in_part:
                return True
        elif _is_group(each):
            remaining.extend(_members.__get__(each))
        elif not in_part:
            return False
    return not in_part


cdef bint _is_any(object error, tuple on) noexcept:
    """Whether an exception is of one of some classes, whatever their metaclasses, or its `__class__`, answer."""
    for each in on:
        if PyType_Check(each) and PyType_IsSubtype(<TypeObject*>Py_TYPE(<PyObject*>error), <TypeObject*>each):
            return True
    return False


cdef bint _is_group(object error) noexcept:
    return PyType_IsSubtype(<TypeObject*>Py_TYPE(<PyObject*>error), <TypeObject*>BaseExceptionGroup)
