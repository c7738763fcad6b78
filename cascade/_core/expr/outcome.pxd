"""Outcomes: what became of an expression, as a value."""


cdef class Outcome:
    cdef object _value
    cdef readonly object error  # the failure, None: there was none
    cdef readonly bint skipped


cdef Outcome of_value(object value)
cdef Outcome of_failure(object error)
cdef Outcome of_skip()
