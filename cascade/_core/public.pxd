"""What makes compiled classes fit for the public: their names, `cascade._support.public` for the core; a check of self.

Names are for tracebacks, pickles and `help`.
"""

from cpython.object cimport PyObject_TypeCheck, PyTypeObject


cdef inline void name_type(type kind, const char* name) noexcept:
    """Name a class: module, dot, class. `name` is a literal, as the class points at it for ever."""
    (<PyTypeObject*>kind).tp_name = name


cdef inline int check_self(object self, type kind) except -1:
    """Refuse a method's wrong `self`. For a method that is bound like those of Python, as its signature needs that."""
    if not PyObject_TypeCheck(self, <PyTypeObject*>kind):
        raise TypeError(f"self must be a `{kind.__name__}`, got `{type(self).__name__}`")
    return 0
