"""The clock: the engine's time, real or virtual, and its timers.

Timers stand in a binary heap on (deadline, order of setting). A timer knows its place there, so a cancelled one is
removed at once instead of staying until its deadline.

Real time passes by itself. Virtual time is advanced: to the next deadline, once there is nothing left to do at this
instant.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.ref cimport Py_DECREF, Py_INCREF

from cascade._core.public cimport name_type
from cascade._core.time.durations cimport LONGEST, nanoseconds
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

cdef double FASTEST = 1e6  # times as fast as real time


cdef int64_t monotonic() noexcept:
    """Nanoseconds of a clock that never goes back."""
    return cascade_monotonic()


@cython.no_gc
cdef class Timer:
    """Something that a clock fires at a deadline."""

    cdef int fire(self, int64_t now) except -1:
        return 0


cdef class Alarm(Timer):
    """A timer that calls a function once, for code outside the core. It is set when it is made.

    Args:
        clock: the clock on which it is set.
        deadline: when to call, in nanoseconds on the clock; capped at the largest that it can count.
        call: function to call, without arguments.
    """

    def __cinit__(self, Clock clock not None, deadline, call):
        self.clock = clock
        self.call = call
        clock.set(self, INT64_MAX if deadline > INT64_MAX else deadline)
        clock.alarms += 1

    def cancel(self):
        """Do not call the function."""
        if self.clock is not None and self.place:  # None: the collector has cleared it
            self.clock.alarms -= 1
            self.clock.cancel(self)
        self.call = None

    cdef int fire(self, int64_t now) except -1:
        cdef object call = self.call
        self.call = None  # the function may refer to this alarm: do not keep a cycle
        if self.clock is not None:
            self.clock.alarms -= 1
        if call is not None:
            call()
        return 0


cdef class Clock:
    """The time of an engine, real or virtual.

    Made by `Clock.real` or `Clock.virtual` and passed to `Engine`; without one, an engine makes a real clock. A real
    clock belongs to one engine; engines on one event loop may share a virtual one.

    Attributes:
        is_virtual: whether time jumps to the next deadline when all runs wait, instead of passing by itself.
        seed: seed of `Engine.random` under a virtual clock; None under a real one, where each engine has another.
        speed: seconds on this clock for one second of real time.

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
    @cython.binding(True)
    def real(*, speed=1.0):
        """Make a clock of real time, or of real time sped up or slowed down.

        Args:
            speed: seconds on this clock for one second of real time: > 0 and <= 1e6.

        Returns:
            A new `Clock`. It begins at the seconds of the system's monotonic clock.

        Raises:
            TypeError, ValueError: ``speed`` is not a number, or out of its range.

        >>> import cascade as cs
        >>> cs.Clock.real(speed=60.0)
        <Clock: real, 60 times as fast>
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
    @cython.binding(True)
    def virtual(*, seed=0, start=0.0):
        """Make a clock of virtual time: it jumps to the next deadline when all runs wait, and never advances otherwise.

        Args:
            seed: seed of `Engine.random`, an int.
            start: seconds at which it begins, >= 0.

        Returns:
            A new `Clock`.

        Raises:
            TypeError, ValueError: ``seed`` is not an int, or ``start`` is not a number of seconds.

        >>> import cascade as cs
        >>> cs.Clock.virtual(start=10.0).time()
        10.0
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
        """Return the seconds on this clock, a float."""
        return self.now() / 1e9

    def time_ns(self):
        """Return the nanoseconds on this clock, an int. This is exact: the clock counts nanoseconds."""
        return self.now()

    def next_deadline(self):
        """For the engine: return the deadline of the first timer, in nanoseconds on this clock; None: there is none."""
        return None if self.count == 0 else self.heap[0].deadline

    def __len__(self):
        """The number of timers that are set."""
        return self.count

    def delay(self, int64_t deadline):
        """For the engine: return the seconds of real time until a deadline, given in nanoseconds on this clock."""
        return (deadline - self.now()) * 1e-9 / self.speed

    def claim(self):
        """For the engine: become its clock.

        Raises:
            ValueError: the clock is real, and another engine uses it.
        """
        if self.claimed and not self.is_virtual:
            raise ValueError(
                "clock must be used by one engine only, got a real clock that another engine uses: make one for each "
                "engine, or share a virtual one"
            )
        self.claimed = True

    def take(self):
        """For an event loop: become the one loop that advances this clock, until `give_back`.

        Raises:
            EngineStateError: another event loop is running on this clock.
        """
        if self.taken:
            raise EngineStateError("another event loop is running on this virtual clock: one clock, one loop at a time")
        self.taken = True

    def give_back(self):
        """For an event loop: end what `take` began."""
        self.taken = False

    def jump(self):
        """For an event loop: advance to the next deadline, and fire what is due. Return whether there was a deadline.

        Raises:
            ValueError: the clock is real.
        """
        if not self.is_virtual:
            raise ValueError("clock must be virtual to be moved, got a real one")
        return self.leap()

    def forget(self):
        """For the engine, in a child of `os.fork`: forget all timers and the event loop, which are the parent's."""
        cdef Py_ssize_t i
        for i in range(self.count):
            (<Timer>self.heap[i].timer).place = 0  # not released: that would run the parent's destructors here
        self.count = 0
        self.alarms = 0
        self.taken = False

    def __repr__(self):
        if self.is_virtual:
            return f"<Clock: virtual, {self.now() / 1e9:.12g} s>"
        return f"<Clock: real, {self.speed:.12g} times as fast>" if self.scaled else "<Clock: real>"

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
        """Remove a timer, if it is set."""
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
        """Fire the timers that are due, in order."""
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
