"""What the garbage collector sees of parked runs.

A parked run is a waiter, a frame and its values. The collector tracks none of these, because it would visit those of a
million agents in every collection for nothing. But they can be part of a cycle: an engine holds its runs, and an
argument of a task may hold the engine. So their owner shows the collector what they hold:

- A run shows what its waiters and its frames hold. A waiter that nothing holds but its run, a clock and mailboxes is
  the run's own: a clock and a mailbox only wake, they keep no run alive. Its engine does.
- A waiter that was handed out of the core, to a future or a call of Python code, is tracked (`Launched`).
- A mailbox shows what stands in its line, a clock what is set on it.

What holds a frame holds its run: a waiter of it, or code that the run is executing. So a run may answer for its frames.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from cascade._core.time.clock cimport Clock
from cascade._core.run.stopped cimport Catch
from cascade._core.run.evaluation cimport Evaluation
from cascade._core.run.frame cimport Frame
from cascade._core.run.callback cimport Callback, SendCallback
from cascade._core.run.choice cimport Choice, Seat
from cascade._core.run.mailbox cimport Mailbox, Receiver
from cascade._core.run.waiting cimport Launched, Waiter

cdef extern from "Python.h":
    ctypedef int (*visitproc)(PyObject*, void*) noexcept
    ctypedef struct PyTypeObject:
        unsigned long tp_flags
        void (*tp_dealloc)(PyObject*) noexcept
        int (*tp_traverse)(PyObject*, visitproc, void*) noexcept
        int (*tp_clear)(PyObject*) noexcept
        void (*tp_free)(void*) noexcept
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    Py_ssize_t Py_REFCNT(PyObject*) noexcept
    void PyObject_GC_UnTrack(PyObject*) noexcept
    void PyObject_GC_Del(void*) noexcept
    unsigned long Py_TPFLAGS_HAVE_GC
    PyObject* PyList_GET_ITEM(PyObject*, Py_ssize_t) noexcept
    int PyDict_Next(PyObject*, Py_ssize_t*, PyObject**, PyObject**) noexcept
    void PyType_Modified(PyTypeObject*)

cdef PyObject* Nothing = <PyObject*>None
cdef PyTypeObject _run, _callback, _clock, _mailbox, _launched  # the types as Cython has made them
cdef uint32_t _walks = 0


# ---------------------------------------------------------------------------------------------------------------- runs

cdef int _traverse_run(PyObject* run, visitproc visit, void* arg) noexcept:
    global _walks
    cdef PyObject* each
    cdef PyObject* last = <PyObject*>(<Evaluation>run).last_landed
    cdef int stop = _run.tp_traverse(run, visit, arg)  # visits all fields, so the first of each list as well
    _walks += 1
    each = <PyObject*>(<Evaluation>run).waiters
    while each != Nothing and not stop:
        stop = _visit_waiter(each, 1, visit, arg) or _visit(<PyObject*>(<Waiter>each).next, visit, arg)
        each = <PyObject*>(<Waiter>each).next
    each = <PyObject*>(<Evaluation>run).first_landed
    while each != Nothing and not stop:
        stop = _visit_waiter(each, 1 + (each == last), visit, arg)
        each = <PyObject*>(<Waiter>each).next_landed
        stop = stop or _visit(each, visit, arg)
    each = <PyObject*>(<Evaluation>run).top
    while each != Nothing and not stop:
        stop = _visit_frames(each, visit, arg)
        each = <PyObject*>(<Frame>each).below
    if not stop and (<Evaluation>run).dying is not None:
        stop = _visit_dying(<PyObject*>(<Evaluation>run).dying, visit, arg)
    return stop


cdef int _visit_dying(PyObject* dying, visitproc visit, void* arg) noexcept:
    """Visit what the frames hold that wait for what was stopped: perhaps nothing else refers to them."""
    cdef Py_ssize_t place = 0
    cdef PyObject* waiter
    cdef PyObject* catch
    cdef int stop = 0
    while not stop and PyDict_Next(dying, &place, &waiter, &catch):
        stop = _visit_frames(<PyObject*>(<Catch>catch).frame, visit, arg)
    return stop


cdef int _visit_waiter(PyObject* waiter, Py_ssize_t holders, visitproc visit, void* arg) noexcept:
    """Visit what a waiter in a list of its run holds, if its only references are the `holders` known here."""
    cdef int stop = _visit_frames(<PyObject*>(<Waiter>waiter).frame, visit, arg)
    cdef PyObject* value = <PyObject*>(<Waiter>waiter).value
    cdef bint stands_in_many = Py_TYPE(value) == <PyObject*>Choice
    if stop or Py_TYPE(waiter) == <PyObject*>Launched:  # it is tracked, and visits its own fields
        return stop
    holders += (<Waiter>waiter).place != 0
    holders += (<Waiter>waiter).in_line()
    if stands_in_many:
        holders += _kept(value)
    if Py_REFCNT(waiter) != holders:  # something outside holds it: that keeps the run alive
        return 0
    if stands_in_many:
        stop = _visit_seats(value, visit, arg)
    return stop or _visit_fields(waiter, visit, arg)


cdef int _visit_fields(PyObject* waiter, visitproc visit, void* arg) noexcept:
    return (
        _visit(<PyObject*>(<Waiter>waiter).run, visit, arg)
        or _visit(<PyObject*>(<Waiter>waiter).mailbox, visit, arg)
        or _visit(<PyObject*>(<Waiter>waiter).handle, visit, arg)
        or _visit(<PyObject*>(<Waiter>waiter).value, visit, arg)
        or _visit(<PyObject*>(<Waiter>waiter).error, visit, arg)
        or _visit(<PyObject*>(<Waiter>waiter).completion, visit, arg)
        or _visit(<PyObject*>(<Waiter>waiter).origin, visit, arg)
    )


cdef Py_ssize_t _seats(PyObject* choice) noexcept:
    cdef PyObject* seats = <PyObject*>(<Choice>choice).seats
    return 0 if seats == Nothing else len(<list>seats)


cdef Py_ssize_t _kept(PyObject* choice) noexcept:
    """How many seats still refer to their receiver."""
    cdef Py_ssize_t i, kept = 0
    for i in range(_seats(choice)):
        kept += <PyObject*>(<Seat>PyList_GET_ITEM(<PyObject*>(<Choice>choice).seats, i)).receiver != Nothing
    return kept


cdef int _visit_seats(PyObject* choice, visitproc visit, void* arg) noexcept:
    cdef Py_ssize_t i
    cdef int stop
    for i in range(_seats(choice)):
        stop = _visit(<PyObject*>(<Seat>PyList_GET_ITEM(<PyObject*>(<Choice>choice).seats, i)).mailbox, visit, arg)
        if stop:
            return stop
    return 0


cdef int _visit_frames(PyObject* frame, visitproc visit, void* arg) noexcept:
    """Visit what a frame and its parents hold, each of them once in a traversal."""
    cdef PyObject** values
    cdef PyObject** end
    cdef int stop
    while frame != Nothing and (<Frame>frame).walk != _walks:
        (<Frame>frame).walk = _walks
        values = (<Frame>frame).values
        end = values + (<Frame>frame).count
        while values < end:
            if values[0] is not NULL:
                stop = visit(values[0], arg)
                if stop:
                    return stop
            values += 1
        stop = (
            _visit(<PyObject*>(<Frame>frame).maps, visit, arg)
            or _visit(<PyObject*>(<Frame>frame).completion, visit, arg)
            or _visit(<PyObject*>(<Frame>frame).awaiter, visit, arg)
        )
        if stop:
            return stop
        frame = <PyObject*>(<Frame>frame).parent
    return 0


cdef inline int _visit(PyObject* object, visitproc visit, void* arg) noexcept:
    return 0 if object == Nothing or object is NULL else visit(object, arg)


cdef int _clear_run(PyObject* run) noexcept:
    """Clear a run that only cycles refer to, whether or not its engine has detached it before."""
    (<Evaluation>run).drop()
    return _run.tp_clear(run)


# ------------------------------------------------------------------------------------------------------------- waiters

cdef int _traverse_launched(PyObject* waiter, visitproc visit, void* arg) noexcept:
    return _visit_fields(waiter, visit, arg)


cdef int _clear_launched(PyObject* waiter) noexcept:
    cdef Waiter self = <Waiter>waiter
    if self.run is not None and not self.landed:  # its run may be cleared later, and must not find it in its list
        self.landed = True
        self.run.unlink(self)
    self.clear()
    return 0


cdef void _drop_launched(PyObject* waiter) noexcept:
    PyObject_GC_UnTrack(waiter)
    _launched.tp_dealloc(waiter)


# --------------------------------------------------------------------------------------------------- lines and clocks

cdef int _traverse_mailbox(PyObject* mailbox, visitproc visit, void* arg) noexcept:
    cdef PyObject* each = <PyObject*>(<Mailbox>mailbox).first
    cdef int stop = _mailbox.tp_traverse(mailbox, visit, arg)  # the first in line, too
    while each != Nothing and each is not NULL and not stop:
        each = <PyObject*>(<Receiver>each).behind
        stop = _visit(each, visit, arg)
    return stop


cdef int _traverse_callback(PyObject* callback, visitproc visit, void* arg) noexcept:
    return _callback.tp_traverse(callback, visit, arg) or _visit(<PyObject*>(<Receiver>callback).mailbox, visit, arg)


cdef int _traverse_clock(PyObject* clock, visitproc visit, void* arg) noexcept:
    cdef Py_ssize_t i
    cdef int stop = _clock.tp_traverse(clock, visit, arg)
    if (<Clock>clock).alarms:
        for i in range((<Clock>clock).count):
            if not stop:
                stop = visit(<PyObject*>(<Clock>clock).heap[i].timer, arg)
    return stop


# ---------------------------------------------------------------------------------------------------------------------

cdef int _complete_types() except -1:
    """Replace the slots of types that Cython cannot express."""
    cdef PyTypeObject* kind
    global _run, _callback, _clock, _mailbox, _launched
    _run = (<PyTypeObject*>Evaluation)[0]
    _callback = (<PyTypeObject*>Callback)[0]
    _clock = (<PyTypeObject*>Clock)[0]
    _mailbox = (<PyTypeObject*>Mailbox)[0]
    _launched = (<PyTypeObject*>Launched)[0]
    (<PyTypeObject*>Evaluation).tp_traverse = _traverse_run
    (<PyTypeObject*>Evaluation).tp_clear = _clear_run
    (<PyTypeObject*>Mailbox).tp_traverse = _traverse_mailbox
    (<PyTypeObject*>Callback).tp_traverse = _traverse_callback
    (<PyTypeObject*>SendCallback).tp_traverse = _traverse_callback
    (<PyTypeObject*>Clock).tp_traverse = _traverse_clock
    kind = <PyTypeObject*>Launched
    kind.tp_traverse = _traverse_launched
    kind.tp_clear = _clear_launched
    kind.tp_dealloc = _drop_launched
    kind.tp_free = PyObject_GC_Del
    kind.tp_flags |= Py_TPFLAGS_HAVE_GC
    PyType_Modified(kind)
    return 0


_complete_types()
