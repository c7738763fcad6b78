"""The scheduler: which runs are ready, and how long each of their turns is."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from cascade._core.time.clock cimport Clock
from cascade._core.shape.extract cimport Extraction
from cascade._core.expr.task_spec cimport Mode
from cascade._core.shape.table cimport TemplateTable
from cascade._core.run.inline_monitor cimport InlineMonitor


cdef enum Status:  # of a run that has just been advanced
    READY  # it could go on
    PARKED  # it waits
    DECIDE  # the engine has something to decide: it has ended, or is to be stopped


cdef enum RunPhase:  # of a run's life, which never goes back: docs/internals/run-states.md
    ACTIVE  # something of it runs, waits, or can start
    STOPPING  # nothing new starts: it has failed or was cancelled, and what runs is awaited
    ENDED  # nothing of it runs; what was set up for it is torn down now
    CLOSED  # it has its outcome


@cython.no_gc_clear
cdef class Runnable:
    cdef Runnable behind  # in the queue
    cdef bint queued

    cdef int advance(self) except -1


@cython.no_gc_clear
cdef class Scheduler:
    cdef readonly TemplateTable table
    cdef readonly Clock clock
    cdef object callbacks  # what is called in the engine: `protocol.CoreCallbacks`
    cdef Mode default_mode
    cdef InlineMonitor monitor
    cdef Extraction extraction
    cdef int64_t quantum  # nanoseconds
    cdef int64_t deadline  # nanoseconds: when the turn is over
    cdef bint yields  # at every tail call
    cdef readonly bint virtual  # its clock is: no task leaves the loop's thread, and real time decides nothing
    cdef object loop_ready  # the event loop's queue of callbacks that are due; None under a real clock
    cdef int64_t counted_at  # nanoseconds: the instant of virtual time at which ...
    cdef Py_ssize_t counted  # ... this number of steps was counted
    cdef Py_ssize_t standstill_at  # steps at one instant after which `stands_still` is called; 0: never again
    cdef readonly bint limits_active  # calls must ask the limits: there are rules, or a pause
    cdef readonly bint notify_nodes  # callbacks are wanted for each node that starts, ends or is skipped
    cdef readonly bint observed  # limits_active or notify_nodes
    cdef readonly bint notify_tail_calls
    cdef public bint debugging  # runs keep the expressions of their frames, and tail calls take the slow path
    cdef long long calls  # numbers of calls that were given so far; see place.pyx
    cdef readonly long long ended_calls  # of async tasks, and with a worker or policies: what the core has launched
    cdef bint spent  # the turn is over
    cdef bint awake  # a turn has begun, or is scheduled
    cdef bint advancing
    cdef PyObject* advanced  # the run that is being advanced; NULL: none is. Borrowed
    cdef Runnable first
    cdef Runnable last
    cdef readonly Py_ssize_t ready  # how many runs are in the queue
    cdef Py_ssize_t left  # how many of them this turn is for, if the engine yields at every tail call

    cdef bint advance_time(self) except -1
    cdef int push(self, Runnable run) except -1
    cdef int ask_for_turn(self) except -1
    cdef int read_clock(self) except -1

    cdef inline int ensure_turn(self) except -1:
        """Before anything changes that a run must take note of: see that a turn comes. Asking for it may raise.

        When this returns, `push` asks for nothing until other code runs. So a change that follows at once happens and
        is taken note of, or neither.
        """
        while not self.awake:  # another thread may be done with the turn by now
            self.ask_for_turn()
        return 0

    cdef inline int burn(self, Py_ssize_t calls) except -1:
        """Count calls, and read the clock every now and then. Return whether the turn is over."""
        self.monitor.fuel -= calls
        if self.monitor.fuel <= 0:
            self.read_clock()
        return self.spent


cdef object call_again(object function, object error)
