"""The watch over inline calls: whether one held up the loop, and which.

Reading the clock at every call would cost as much as a quick call does, so it is read once a batch of calls. Only when
a batch was late is the blame found out: a task that surely blocked or computed goes to worker threads for good; where
several might have done it, or the machine was merely busy elsewhere, they go on trial again. As soon as calls are slow
enough for the clock not to matter, a batch is one call.

That the machine was busy elsewhere is seen from two numbers of the thread: the processor time that it has used, and how
many times it gave the processor up of itself. Windows counts the first in steps of 15.6 ms, too coarse to excuse or
blame a call, and the second not at all; macOS lacks the second. What is not known excuses nobody and convicts nobody:
the tasks go on trial again, which costs each a few calls in threads.
"""

import gc as _gc

from cascade._core.time.clock cimport monotonic

cdef extern from *:
    """
    /* Both: -1 where it is not known. */
    #if defined(_WIN32)
    static long long cascade_thread_cpu(void) { return -1; }
    static long long cascade_thread_switches(void) { return -1; }
    #else
    #include <sys/resource.h>
    #include <time.h>
    static long long cascade_thread_cpu(void) {
        struct timespec now;
        if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
            return -1;
        return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
    }
    static long long cascade_thread_switches(void) {
    #ifdef RUSAGE_THREAD
        struct rusage usage;
        return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : -1;
    #else
        return -1;
    #endif
    }
    #endif
    """
    long long cascade_thread_cpu() noexcept
    long long cascade_thread_switches() noexcept

cdef enum:
    BATCH = 16  # calls between two readings of the clock
    LONG_BATCH = 32  # of tasks that were said to be quick, and are
    LATE = 1_000_000  # ns: what holds up the loop
    UNHURRIED = 100_000  # ns: of a batch that takes longer, every call can have its own reading
    QUICK = 250  # ns: a call that takes no time to speak of
    FRESH = 500_000  # ns: how old the basis of a verdict may be

cdef int64_t _collecting = 0  # nanoseconds that this process has spent in garbage collection
cdef int64_t _collection_start = 0
cdef int64_t _batches = 0  # of all watches, so that a number means one batch of one of them


def _collection(phase, info):
    global _collecting, _collection_start
    if phase == "start":
        _collection_start = monotonic()
    else:
        _collecting += monotonic() - _collection_start


cdef class InlineMonitor:
    def __init__(self, callbacks):
        self.callbacks = callbacks
        self.suspects = []
        self.fuel = self.batch = 1
        self.next_batch()
        if _collection not in _gc.callbacks:
            _gc.callbacks.append(_collection)

    cdef int begin(self, int64_t now) except -1:
        """A turn of the loop begins."""
        self.turn_start = self.batch_start = now
        self.batch = self.fuel
        if self.suspects:
            self.next_batch()
        if now - self.base_time > FRESH:
            self.measure(now)
        return 0

    cdef int suspect(self, TaskSpec spec) except -1:
        """A task under the auto rule is called inline, for the first time in this batch."""
        spec.batch = self.number
        self.suspects.append(spec)
        return 0

    cdef int next_batch(self) except -1:
        global _batches
        _batches += 1
        self.number = _batches
        self.suspects.clear()
        return 0

    cdef int64_t read(self) except -1:
        """Read the clock at the end of a batch, and look into it if it was late."""
        cdef int64_t now = monotonic()
        cdef int64_t span = now - self.batch_start
        cdef Py_ssize_t calls
        calls = max(1, self.batch - self.fuel)
        if span > UNHURRIED // BATCH * calls:
            self.batch = 1
        elif span > QUICK * calls:
            self.batch = BATCH
        else:
            self.batch = LONG_BATCH
        if self.suspects:
            if span > LATE:
                self.blame(calls, span)
            self.next_batch()
        self.fuel = self.batch
        self.batch_start = now
        if now - self.base_time > FRESH:
            self.measure(now)
        return now

    cdef int measure(self, int64_t now) except -1:
        self.base_time = now
        self.base_cpu = cascade_thread_cpu()
        self.base_switches = cascade_thread_switches()
        self.base_collecting = _collecting
        return 0

    cdef int blame(self, Py_ssize_t calls, int64_t span) except -1:
        """A batch was late: send its task to worker threads if it surely was the cause, else have all tried again."""
        cdef TaskSpec spec
        cdef int64_t before = self.batch_start - self.base_time  # of the batch, yet after the basis
        cdef int64_t collected = _collecting - self.base_collecting
        cdef int64_t cpu = cascade_thread_cpu()
        cdef int64_t switches = cascade_thread_switches()
        cdef bint computed = cpu >= 0 and cpu - self.base_cpu - before - collected >= LATE
        # Between turns the loop sleeps, so a basis from before this turn tells nothing about giving up the processor.
        cdef bint counted = cpu >= 0 and switches >= 0
        cdef bint known = counted and self.base_time >= self.turn_start
        if not computed and known and switches == self.base_switches:
            return 0  # the machine was busy elsewhere, or memory was being collected
        if not counted and span - collected < LATE:
            return 0  # memory was being collected
        if len(self.suspects) == 1 and (calls == 1 or span > calls * <int64_t>LATE) and (
            computed or (known and self.callbacks.no_other_thread_runs())  # else it may have waited for the interpreter
        ):
            spec = <TaskSpec>self.suspects[0]
            spec.demote()
            self.callbacks.demoted(spec.module, spec.qualname, span * 1e-9)
            return 0
        for spec in self.suspects:
            spec.doubt()
        return 0
