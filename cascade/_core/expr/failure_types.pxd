"""Which failures are meant: exception types, or a predicate."""

cdef tuple any_failure

cdef object check_types(object given, str what)
cdef object check_called_at_once(object function, str what)
cdef bint matches(object on, object error) except -1
cdef bint matches_in_part(object on, object error) except -1
