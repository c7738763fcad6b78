"""The monitor of inline calls: whether one has blocked the event loop, and which.

Reading the clock at every call would cost as much as a quick call does, so it is read once for a batch of calls. Only
if a batch was late is the cause looked for. A task that has certainly blocked or computed runs in worker threads from
then on. If several tasks may be the cause, or the machine was busy with something else, they are measured in threads
again. When calls are slow enough for the cost of the clock not to matter, a batch is one call.

Two numbers of the thread show that the machine was busy with something else: the processor time that it has used, and
its voluntary context switches. Windows counts the first in steps of 15.6 ms, which is too coarse, and the second not at
all; macOS lacks the second. A number that is not known neither excuses a task nor sends it to threads for good: the
task is measured again, which costs a few calls in threads.
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
    LONG_BATCH = 32  # for tasks that have proved quick
    LATE = 1_000_000  # ns: a call that takes longer blocks the loop
    UNHURRIED = 100_000  # ns: if a batch takes longer, the clock is read at every call
    QUICK = 250  # ns: calls that are quicker make long batches
    FRESH = 500_000  # ns: how old the base numbers of a comparison may be

cdef int64_t _collecting = 0  # nanoseconds that this process has spent in garbage collection
cdef int64_t _collection_start = 0
cdef int64_t _batches = 0  # of all monitors, so that a number means one batch of one of them


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
        """Read the clock at the end of a batch, and look for the cause if the batch was late."""
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
        """Find the cause of a late batch: send a task to threads for good if it is certain, else measure all again."""
        cdef TaskSpec spec
        cdef int64_t before = self.batch_start - self.base_time  # part of the batch before the base numbers were read
        cdef int64_t collected = _collecting - self.base_collecting
        cdef int64_t cpu = cascade_thread_cpu()
        cdef int64_t switches = cascade_thread_switches()
        cdef bint computed = cpu >= 0 and cpu - self.base_cpu - before - collected >= LATE
        # Between turns the loop sleeps, so base numbers from before this turn say nothing about context switches.
        cdef bint counted = cpu >= 0 and switches >= 0
        cdef bint known = counted and self.base_time >= self.turn_start
        if not computed and known and switches == self.base_switches:
            return 0  # the machine was busy with something else, or garbage was being collected
        if not counted and span - collected < LATE:
            return 0  # garbage was being collected
        if len(self.suspects) == 1 and (calls == 1 or span > calls * <int64_t>LATE) and (
            computed or (known and self.callbacks.no_other_thread_runs())  # else it may have waited for the GIL
        ):
            spec = <TaskSpec>self.suspects[0]
            spec.demote()
            self.callbacks.demoted(spec.module, spec.qualname, span * 1e-9)
            return 0
        for spec in self.suspects:
            spec.doubt()
        return 0
