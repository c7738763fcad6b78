"""Policies: retry, timeout, cache, constraints."""

from cascade._core.expr.operators cimport Operable


cdef class Retry:
    cdef readonly long max_attempts  # the first one included
    cdef readonly object delay  # seconds before the second attempt, a float; or a function
    cdef readonly double backoff  # factor of the delay from attempt to attempt
    cdef readonly object max_delay  # seconds; None: no bound
    cdef readonly object jitter  # "full" or None
    cdef readonly object on  # exception types after which to retry, a tuple; or a predicate
    cdef readonly object give_up_on  # likewise, after which not to retry
    cdef readonly object max_elapsed  # seconds after which no attempt is begun; None: no bound


cdef class Timeout:
    cdef readonly object seconds  # for one attempt, None: no bound
    cdef readonly object total  # seconds for all attempts and the delays between them; None: no bound


cdef class ScopeCache:
    cdef readonly object policy  # a cache policy
    cdef readonly object expression  # a lazy result, for the key: as data, not as a part of the structure


cdef class Governable(Operable):  # has the methods that give a call policies
    pass


cpdef str hint_if_lazy(object value)
cdef object failures_of(object given, str what)
cdef dict check_constraints(dict amounts)
cdef object check_cache(object policy)
cdef int check_policy(str role, object policy) except -1
cdef int check_cached(object policy, object task) except -1
cdef int check_timed(object task) except -1
