"""Unseen messages: those that a run has received and that no task was given."""

from cascade._core.run.frame cimport Frame

cdef list unseen_in_value(Frame frame, Py_ssize_t at)
cdef list unseen_in_scope(Frame frame, Py_ssize_t at)
cdef int find_unseen(Frame frame, list doomed, list poisoned, Py_ssize_t catcher, list found) except -1
cdef list put_back_unseen(list messages)
