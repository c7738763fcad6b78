"""Policies: retry, timeout, cache, constraints."""

from cascade._core.expr.operators cimport Operable


cdef class Retry:
    cdef readonly long max_attempts  # the first one included
    cdef readonly double delay  # seconds before the second attempt
    cdef readonly double backoff  # factor of the delay from attempt to attempt
    cdef readonly object max_delay  # seconds; None: no bound
    cdef readonly object jitter  # "full" or None
    cdef readonly tuple on  # exception types after which to retry
    cdef readonly tuple give_up_on  # exception types after which not to retry


cdef class Timeout:
    cdef readonly object seconds  # for one attempt, None: no bound
    cdef readonly object total  # seconds for all attempts and the delays between them; None: no bound


cdef class Governable(Operable):  # has the methods that give a call policies
    pass


cdef dict check_constraints(dict amounts)
cdef object check_cache(object policy)
cdef int check_cached(object policy, object task) except -1
cdef int check_timed(object task) except -1
