"""Policies: how a call is made that is made with care."""

from cascade._core.expr.operators cimport Operable


cdef class Retry:
    cdef readonly long max_attempts  # the first one included
    cdef readonly double delay  # seconds before the second attempt
    cdef readonly double backoff  # by which the delay grows from attempt to attempt
    cdef readonly object max_delay  # seconds, None: it grows for ever
    cdef readonly object jitter  # "full" or None
    cdef readonly tuple on  # exception types that are worth another attempt
    cdef readonly tuple give_up_on  # those of them that are not


cdef class Timeout:
    cdef readonly object seconds  # for one attempt, None: no bound
    cdef readonly object total  # seconds for all attempts and what is between them, None: no bound


cdef class Governable(Operable):  # what can be given policies
    pass


cdef dict check_constraints(dict amounts)
cdef object check_cache(object policy)
cdef int check_cached(object policy, object task) except -1
cdef int check_timed(object task) except -1
