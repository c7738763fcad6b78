"""What Python's syntax means on a lazy result: a call of the task of an operator, or an error."""

from cpython.object cimport PyObject


cdef enum Operator:
    # The comparisons come first, in the order of `Py_LT` and those that follow it.
    LESS
    LESS_EQUAL
    EQUAL
    NOT_EQUAL
    GREATER
    GREATER_EQUAL
    ADD
    SUBTRACT
    MULTIPLY
    MATRIX_MULTIPLY
    TRUE_DIVIDE
    FLOOR_DIVIDE
    MODULO
    DIVMOD
    POWER
    LEFT_SHIFT
    RIGHT_SHIFT
    AND
    OR
    XOR
    NEGATIVE
    POSITIVE
    INVERT
    ABSOLUTE
    ITEM
    ATTRIBUTE
    SLICE
    OPERATOR_COUNT  # no operator: how many there are


cdef class Operable:  # what an operator can be applied to
    pass


ctypedef object (*Operate)(Operator, PyObject**, Py_ssize_t)

cdef Operate operate  # makes the call of so many operands; expr/operator_tasks.pyx supplies it when it is needed
