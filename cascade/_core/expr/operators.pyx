"""What Python's syntax means on a lazy result: a call of the task of an operator, or an error.

A lazy result stands for its value. An operator gives a value later, so it is a node. What Python must know at once (a
truth value, a length, an integer, the items of a loop) is refused with an error that says what to write instead.
"""

cimport cython
from cpython.object cimport PyObject

cdef Operate operate = NULL
cdef str _SUPPLIER = "cascade._core.expr.operator_tasks"  # which needs this module: imported when an operator is used


cdef object _call(Operator operator, object left, object right):
    cdef PyObject* operands[2]
    operands[0] = <PyObject*>left
    operands[1] = <PyObject*>right
    if operate is NULL:
        __import__(_SUPPLIER)
    return operate(operator, operands, 2)


cdef object _call_unary(Operator operator, object operand):
    cdef PyObject* operands[1]
    operands[0] = <PyObject*>operand
    if operate is NULL:
        __import__(_SUPPLIER)
    return operate(operator, operands, 1)


cdef object _call_ternary(Operator operator, object first, object second, object third):
    cdef PyObject* operands[3]
    operands[0] = <PyObject*>first
    operands[1] = <PyObject*>second
    operands[2] = <PyObject*>third
    if operate is NULL:
        __import__(_SUPPLIER)
    return operate(operator, operands, 3)


cdef object _slice(object key):
    """A slice as an operand: one with a lazy result in it is a node, too."""
    if isinstance(key.start, Operable) or isinstance(key.stop, Operable) or isinstance(key.step, Operable):
        return _call_ternary(SLICE, key.start, key.stop, key.step)
    return key


cdef object _refuse(object lazy, str has_no, str use, str instead):
    """The error where Python asks a lazy result for what only its value has."""
    raise TypeError(
        f"a lazy result has no {has_no} before it has run; {lazy.task.name}(...) was {use}: {instead}"
    )


@cython.c_api_binop_methods(True)  # one function for both sides: which operand is the lazy result makes no difference
cdef class Operable:
    """What an operator can be applied to. `LazyResult` is the only one.

    Each operator gives a `LazyResult`: the call of an inline task that is made of the function of the module `operator`
    (or of `divmod`, `pow`). Two equal expressions are two nodes, as with any call. The hash is that of the identity.
    """

    # numpy and pandas leave an operator to its other operand where they find these: else they would apply it to each
    # of their items.
    __array_ufunc__ = None
    __pandas_priority__ = 1_000_000

    def __add__(left, right):
        return _call(ADD, left, right)

    def __sub__(left, right):
        return _call(SUBTRACT, left, right)

    def __mul__(left, right):
        return _call(MULTIPLY, left, right)

    def __matmul__(left, right):
        return _call(MATRIX_MULTIPLY, left, right)

    def __truediv__(left, right):
        return _call(TRUE_DIVIDE, left, right)

    def __floordiv__(left, right):
        return _call(FLOOR_DIVIDE, left, right)

    def __mod__(left, right):
        return _call(MODULO, left, right)

    def __divmod__(left, right):
        return _call(DIVMOD, left, right)

    def __lshift__(left, right):
        return _call(LEFT_SHIFT, left, right)

    def __rshift__(left, right):
        return _call(RIGHT_SHIFT, left, right)

    def __and__(left, right):
        return _call(AND, left, right)

    def __or__(left, right):
        return _call(OR, left, right)

    def __xor__(left, right):
        return _call(XOR, left, right)

    def __pow__(left, right, modulo):
        return _call(POWER, left, right) if modulo is None else _call_ternary(POWER, left, right, modulo)

    def __neg__(self):
        return _call_unary(NEGATIVE, self)

    def __pos__(self):
        return _call_unary(POSITIVE, self)

    def __invert__(self):
        return _call_unary(INVERT, self)

    def __abs__(self):
        return _call_unary(ABSOLUTE, self)

    def __richcmp__(self, other, int op):
        return _call(<Operator>op, self, other)

    def __hash__(self):
        cdef size_t address = <size_t><void*>self
        return <Py_hash_t>(address >> 4)  # the lowest bits are the same in all

    def __getitem__(self, key):
        if type(key) is slice:
            key = _slice(key)
        elif type(key) is tuple:  # of several dimensions: x[0, a:b]
            key = tuple([_slice(each) if type(each) is slice else each for each in key])
        return _call(ITEM, self, key)

    # ------------------------------------------------------------------------- what is asked for now, and is not there

    def __getattr__(self, name):
        if name.startswith("__"):  # what Python and libraries look for, and do without
            raise AttributeError(f"a lazy result has no attribute {name!r}")
        if name == "keys":  # an AttributeError would become one of Python's, which does not say what to write
            _refuse(
                self, "keys", "unpacked with **, or asked for its keys",
                "write x['name'] for an item, or unpack it in a task; for its value now, cs.run(x)"
            )
        raise AttributeError(
            f"a lazy result has no attribute {name!r}: write cs.attr(x, {name!r}) for the attribute of its value; a "
            f"method of its value is called in a task"
        )

    def __setattr__(self, name, value):
        raise AttributeError(f"a lazy result cannot be given the attribute {name!r}: change its value in a task")

    def __setitem__(self, key, value):
        _refuse(self, "items", "given an item", "change its value in a task, which returns it")

    def __delitem__(self, key):
        _refuse(self, "items", "to lose an item", "change its value in a task, which returns it")

    def __bool__(self):
        _refuse(
            self, "truth value", "used as a condition",
            "write x.run_if(condition), cs.Router(...), or decide in a task; for its value now, cs.run(x)"
        )

    def __len__(self):
        _refuse(self, "length", "given to len()", "call a task of len, cs.task(len)(x); for its value now, cs.run(x)")

    def __iter__(self):
        _refuse(
            self, "items", "iterated over or unpacked",
            "write x[0], x[1], map a task over it, f.map(item=x), or loop in a task; for its value now, cs.run(x)"
        )

    def __next__(self):
        _refuse(self, "items", "given to next()", "write x[0], or loop in a task; for its value now, cs.run(x)")

    def __aiter__(self):
        _refuse(self, "items", "iterated over", "loop in an async task that is given it; for its value now, cs.run(x)")

    def __enter__(self):
        _refuse_context(self, "with")

    def __exit__(self, *_):
        _refuse_context(self, "with")

    async def __aenter__(self):
        _refuse_context(self, "async with")

    async def __aexit__(self, *_):
        _refuse_context(self, "async with")

    def __reversed__(self):
        _refuse(self, "items", "given to reversed()", "write x[::-1], or loop in a task; for its value now, cs.run(x)")

    def __contains__(self, item):
        _refuse(
            self, "items", "used with `in`",
            "call a task of operator.contains, cs.task(operator.contains)(x, item); for its value now, cs.run(x)"
        )

    def __format__(self, spec):
        _refuse(
            self, "value", "formatted as text, as in an f-string",
            "format it in a task, cs.task(format)(x, spec); for its value now, cs.run(x); for the node itself, {x!r}"
        )

    def __int__(self):
        _refuse_number(self, "int")

    def __float__(self):
        _refuse_number(self, "float")

    def __complex__(self):
        _refuse_number(self, "complex")

    def __bytes__(self):
        _refuse_number(self, "bytes")

    def __index__(self):
        _refuse(
            self, "value", "used as an integer, as an index is",
            "use it in a task, such as cs.task(operator.getitem)(items, x); for its value now, cs.run(x)"
        )

    def __round__(self, ndigits=None):
        _refuse_number(self, "round")

    def __trunc__(self):
        _refuse_number(self, "math.trunc")

    def __floor__(self):
        _refuse_number(self, "math.floor")

    def __ceil__(self):
        _refuse_number(self, "math.ceil")


cdef object _refuse_context(object lazy, str statement):
    return _refuse(
        lazy, "value", f"used in `{statement}`",
        "enter it in a task that is given it, or make a resource of it, cs.resource; for its value now, cs.run(x)"
    )


cdef object _refuse_number(object lazy, str function):
    return _refuse(
        lazy, "value", f"given to {function}()",
        f"call a task of it, cs.task({function})(x); for its value now, cs.run(x)"
    )


cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        PyObject* tp_dict
    void PyType_Modified(PyTypeObject*)


cdef int _complete_type() except -1:
    """Let `isinstance` tell that it is neither iterable nor sized nor a container, as `None` in a class body does.

    The slots of the type stay, so `iter`, `len` and `in` raise the errors above.
    """
    cdef PyTypeObject* operable = <PyTypeObject*>Operable
    for name in ("__iter__", "__len__", "__contains__"):
        (<dict>operable.tp_dict)[name] = None
    PyType_Modified(operable)
    return 0


_complete_type()
