"""Catching: failures that become values instead of ending their run."""

from cpython.object cimport PyObject

from cascade._core.run.aborting cimport Aborting
from cascade._core.run.frame cimport Frame
from cascade._core.shape.template cimport Node


cdef class Catching(Aborting):
    cdef int catch_or_fail(self, object error, Frame frame, Py_ssize_t node) except -1
    cdef int catch_in(
        self, object error, Frame frame, Py_ssize_t node, Frame at, Py_ssize_t failed, list poisoned, dict verdicts
    ) except -1
    cdef bint is_caught(self, object error, Frame at, Py_ssize_t failed) except -1
    cdef int tell_caught(self, object error, Frame frame, Py_ssize_t node, Py_ssize_t levels) except -1
    cdef list poisoned_by(self, Frame frame, Py_ssize_t node, object error, dict verdicts)
    cdef bint catches_at(self, Frame frame, Py_ssize_t at, Py_ssize_t operand, object error, dict verdicts) except -1
    cdef bint decide(self, Frame frame, Node* node, Py_ssize_t at, PyObject* value) except -1
    cdef PyObject* recover(self, Frame frame, Node* node, object error) except NULL
    cdef PyObject* race(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef int return_unseen(self, Frame frame, Py_ssize_t at) except -1
    cdef PyObject* end_race(self, Frame frame, Node* node, PyObject* skip) except NULL
