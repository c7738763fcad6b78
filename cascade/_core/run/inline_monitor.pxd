"""The monitor of inline calls: whether one has blocked the event loop, and which."""

from libc.stdint cimport int64_t

from cascade._core.expr.task_spec cimport TaskSpec


cdef class InlineMonitor:
    cdef Py_ssize_t fuel  # calls until the clock is read again
    cdef Py_ssize_t batch  # calls between the last two readings
    cdef int64_t batch_start  # nanoseconds
    cdef int64_t turn_start  # nanoseconds
    cdef list suspects  # specs of tasks under the auto rule called in this batch
    cdef int64_t number  # of this batch
    cdef int64_t base_time  # nanoseconds: when the next two were read
    cdef int64_t base_cpu  # nanoseconds of this thread
    cdef int64_t base_switches  # voluntary context switches of this thread
    cdef int64_t base_collecting  # nanoseconds spent in garbage collection
    cdef object callbacks

    cdef int begin(self, int64_t now) except -1
    cdef int suspect(self, TaskSpec spec) except -1

    cdef inline int note(self, TaskSpec spec) except -1:
        """A task under the auto rule is called inline."""
        if spec.batch != self.number:
            self.suspect(spec)
        return 0

    cdef int next_batch(self) except -1
    cdef int64_t read(self) except -1
    cdef int blame(self, Py_ssize_t calls, int64_t span) except -1
    cdef int measure(self, int64_t now) except -1
