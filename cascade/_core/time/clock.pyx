"""The clock: what time it is, and who is to be woken when.

Timers stand in a binary heap on (deadline, order of setting). A timer knows its place there, so one that is no longer
needed leaves at once instead of lying in the heap until it would have fired.

Real time passes by itself, virtual time only when it is moved: to the next deadline, once nobody has anything left to
do at this one.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.math cimport llround

from cascade._core.public cimport name_type
from cascade.exceptions import EngineStateError

cdef extern from *:
    """
    #ifdef _WIN32
    #include <windows.h>
    static long long cascade_monotonic(void) {
        LARGE_INTEGER count, frequency;
        QueryPerformanceCounter(&count);
        QueryPerformanceFrequency(&frequency);
        return (long long)((double)count.QuadPart * 1e9 / (double)frequency.QuadPart);
    }
    #else
    #include <time.h>
    static long long cascade_monotonic(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
    }
    #endif
    """
    long long cascade_monotonic() noexcept

cdef double LONGEST = 9e9  # seconds, some 285 years: what 63 bits of nanoseconds hold
cdef double FASTEST = 1e6  # times as fast as real time


cdef int64_t monotonic() noexcept:
    """Nanoseconds of a clock that never goes back."""
    return cascade_monotonic()


def check_seconds(seconds, str what):
    """Raise if a user's span of time is none: `TypeError` or `ValueError`."""
    nanoseconds(seconds, what)


cdef int64_t nanoseconds(object seconds, str what) except -1:
    """A span of seconds given by a user, in nanoseconds."""
    cdef double span
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{what} must be a number of seconds, got `{type(seconds).__name__}`")
    try:
        span = seconds
    except OverflowError:
        span = float("inf")
    if not 0 <= span <= LONGEST:
        raise ValueError(f"{what} must be from 0 to {LONGEST:.0e} seconds, got {seconds!r}")
    return llround(span * 1e9)  # a sum in its place may be rounded once or twice, as the compiler likes


@cython.no_gc
cdef class Timer:
    """What a clock fires at a deadline."""

    cdef int fire(self, int64_t now) except -1:
        return 0


cdef class Alarm(Timer):
    """A timer that calls a function once, for code outside the core. It is set when it is made.

    Args:
        clock: on which it is set.
        deadline: when to call, in nanoseconds on the clock; the end of time if it lies beyond.
        call: what to call, without arguments.
    """

    def __cinit__(self, Clock clock not None, deadline, call):
        self.clock = clock
        self.call = call
        clock.set(self, INT64_MAX if deadline > INT64_MAX else deadline)
        clock.alarms += 1

    def cancel(self):
        """Have it not called."""
        if self.clock is not None and self.place:  # None: the collector has taken it apart
            self.clock.alarms -= 1
            self.clock.cancel(self)
        self.call = None

    cdef int fire(self, int64_t now) except -1:
        cdef object call = self.call
        self.call = None  # whoever has set it may hold it, and would be held by it
        if self.clock is not None:
            self.clock.alarms -= 1
        if call is not None:
            call()
        return 0


cdef class Clock:
    """The time of an engine: when what waits goes on.

    Made by `Clock.real` or `Clock.virtual`, and given to an `Engine`, which makes a real one for itself if it is given
    none. A real clock belongs to one engine; engines on one event loop may share a virtual one.

    Attributes:
        is_virtual: whether time jumps to the next deadline when everybody waits, instead of passing by itself.
        seed: of `Engine.random`, under a virtual clock; None: another one each time.
        speed: seconds on this clock for one of real time.

    >>> import cascade as cs
    >>> engine = cs.Engine(clock=cs.Clock.virtual())
    >>> cs.run(cs.wait(3600), engine=engine)
    3600.0
    >>> engine.clock.time()
    3600.0
    """

    def __cinit__(self):
        self.speed = 1.0

    def __init__(self):
        raise TypeError("Clock() cannot be called: use Clock.real() or Clock.virtual()")

    @staticmethod
    def real(*, speed=1.0):
        """A clock on which time passes as it does in the world, or so many times as fast.

        Args:
            speed: seconds on this clock for one of real time; above 0, at most 1e6.

        Returns:
            A new `Clock`. It begins at the seconds of the system's monotonic clock.

        Raises:
            TypeError, ValueError: ``speed`` is no number, or out of its range.
        """
        cdef Clock made = Clock.__new__(Clock)
        if isinstance(speed, bool) or not isinstance(speed, (int, float)):
            raise TypeError(f"speed must be a number, got `{type(speed).__name__}`")
        if not 0 < speed <= FASTEST:
            raise ValueError(f"speed must be > 0 and <= {FASTEST:.0e}, got {speed!r}")
        made.speed = speed
        made.origin = monotonic()
        made.scaled = made.speed != 1.0
        return made

    @staticmethod
    def virtual(*, seed=0, start=0.0):
        """A clock on which no time passes but by waiting: it jumps to the next deadline when everybody waits.

        Args:
            seed: of `Engine.random`, an int.
            start: seconds at which it begins, 0 or more.

        Returns:
            A new `Clock`.

        Raises:
            TypeError, ValueError: an argument is not what it should be.
        """
        cdef Clock made = Clock.__new__(Clock)
        if type(seed) is not int:
            raise TypeError(f"seed must be an int, got `{type(seed).__name__}`")
        made.instant = nanoseconds(start, "start")
        made.is_virtual = True
        made.seed = seed
        made.speed = 1.0
        return made

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.count):
            (<Timer>self.heap[i].timer).place = 0
            Py_DECREF(<Timer>self.heap[i].timer)
        PyMem_Free(self.heap)

    def time(self):
        """Seconds on this clock."""
        return self.now() / 1e9

    def time_ns(self):
        """Nanoseconds on this clock, an int: what it counts in."""
        return self.now()

    def next_deadline(self):
        """For the engine: when the first timer is due, in nanoseconds on this clock; None if there is none."""
        return None if self.count == 0 else self.heap[0].deadline

    def __len__(self):
        """How many timers are set."""
        return self.count

    def delay(self, int64_t deadline):
        """For the engine: seconds of real time from now to a deadline, given in nanoseconds on this clock."""
        return (deadline - self.now()) * 1e-9 / self.speed

    def claim(self):
        """For the engine: be the clock of one more.

        Raises:
            ValueError: it is real, and another engine's.
        """
        if self.claimed and not self.is_virtual:
            raise ValueError(
                "clock must be used by one engine only, got a real clock that another engine uses: make one for each "
                "engine, or share a virtual one"
            )
        self.claimed = True

    def take(self):
        """For the event loop: be moved by one, and by no other before `give_back`.

        Raises:
            EngineStateError: another one has it.
        """
        if self.taken:
            raise EngineStateError("another event loop is running on this virtual clock: one clock, one loop at a time")
        self.taken = True

    def give_back(self):
        """The opposite of `take`."""
        self.taken = False

    def jump(self):
        """For the event loop: go to the next deadline of a virtual clock and fire what is due; whether there was one.

        Raises:
            ValueError: the clock is real.
        """
        if not self.is_virtual:
            raise ValueError("clock must be virtual to be moved, got a real one")
        return self.leap()

    def forget(self):
        """For the engine, in a child of `os.fork`: the timers and the loop that took the clock are its parent's."""
        cdef Py_ssize_t i
        for i in range(self.count):
            (<Timer>self.heap[i].timer).place = 0  # and not let go: to free them would run code of the parent's here
        self.count = 0
        self.alarms = 0
        self.taken = False

    def __repr__(self):
        if self.is_virtual:
            return f"<Clock: virtual, {self.now() / 1e9:g} s>"
        return f"<Clock: real, {self.speed:g} times as fast>" if self.scaled else "<Clock: real>"

    cdef int64_t now(self) noexcept:
        cdef double passed
        if self.is_virtual:
            return self.instant
        if self.scaled:
            passed = min(<double>(monotonic() - self.origin) * self.speed, LONGEST * 1e9)
            return after(self.origin, <int64_t>passed)
        return monotonic()

    cdef bint leap(self) except -1:
        if self.count == 0:
            return False
        if self.heap[0].deadline > self.instant:
            self.instant = self.heap[0].deadline
        self.release(self.instant)
        return True

    cdef int set(self, Timer timer, int64_t deadline) except -1:
        cdef Entry entry
        cdef Py_ssize_t room
        cdef void* moved
        if self.count == self.room:
            room = max(16, 2 * self.room)
            moved = PyMem_Realloc(self.heap, room * sizeof(Entry))
            if moved is NULL:
                raise MemoryError()
            self.heap = <Entry*>moved
            self.room = room
        Py_INCREF(timer)
        timer.deadline = deadline
        self.order += 1
        entry.deadline = deadline
        entry.order = self.order
        entry.timer = <void*>timer
        self.count += 1
        self.up(self.count - 1, entry)
        return 0

    cdef void cancel(self, Timer timer) noexcept:
        """Take a timer out; one that is not set is let be."""
        cdef Py_ssize_t at = timer.place - 1
        cdef Entry last
        if at < 0:
            return
        timer.place = 0
        self.count -= 1
        last = self.heap[self.count]
        if at != self.count:
            if at > 0 and before(&last, &self.heap[(at - 1) >> 1]):
                self.up(at, last)
            else:
                self.down(at, last)
        Py_DECREF(timer)

    cdef int release(self, int64_t now) except -1:
        """Fire what is due, in order."""
        cdef Timer timer
        while self.count and self.heap[0].deadline <= now:
            timer = <Timer>self.heap[0].timer
            self.cancel(timer)
            timer.fire(now)
        return 0

    cdef void up(self, Py_ssize_t at, Entry entry) noexcept:
        cdef Py_ssize_t parent
        while at > 0:
            parent = (at - 1) >> 1
            if not before(&entry, &self.heap[parent]):
                break
            self.heap[at] = self.heap[parent]
            (<Timer>self.heap[at].timer).place = at + 1
            at = parent
        self.heap[at] = entry
        (<Timer>entry.timer).place = at + 1

    cdef void down(self, Py_ssize_t at, Entry entry) noexcept:
        cdef Py_ssize_t child = 2 * at + 1
        while child < self.count:
            if child + 1 < self.count and before(&self.heap[child + 1], &self.heap[child]):
                child += 1
            if not before(&self.heap[child], &entry):
                break
            self.heap[at] = self.heap[child]
            (<Timer>self.heap[at].timer).place = at + 1
            at = child
            child = 2 * at + 1
        self.heap[at] = entry
        (<Timer>entry.timer).place = at + 1


cdef inline bint before(Entry* left, Entry* right) noexcept:
    return left.deadline < right.deadline or (left.deadline == right.deadline and left.order < right.order)


name_type(Clock, b"cascade.Clock")
