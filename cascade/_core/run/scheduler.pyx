"""The scheduler: which runs are ready, and how long each of their turns is."""

cimport cython

from cascade._core.time.clock cimport monotonic
from cascade._core.time.durations cimport nanoseconds
from cascade._core.run.frame cimport Frame
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.task_spec cimport MODES, mode_of
from cascade._core.shape.template cimport Template

from cascade.exceptions import InternalError

cdef extern from "Python.h":
    int Py_GetRecursionLimit() noexcept
    void Py_SetRecursionLimit(int) noexcept

cdef extern from *:
    """
    #if defined(_MSC_VER)
    #define CASCADE_THREAD_LOCAL __declspec(thread)
    #else
    #define CASCADE_THREAD_LOCAL __thread
    #endif
    static CASCADE_THREAD_LOCAL PyObject *cascade_advancing = NULL;
    #define cascade_advance(scheduler) (cascade_advancing = (scheduler))
    """
    PyObject* cascade_advancing  # the scheduler that is in `advance` in this thread, the innermost; NULL: none is
    void cascade_advance(PyObject*) noexcept

cdef enum:
    ROOM = 30  # frames; Python gives up a thread that is 50 beyond the limit, as another one may be while this lasts
    PATIENCE = 1_000_000  # ns: length of a turn within a frame, if the engine yields at every tail call
    PORTION = 4096  # steps in a turn under a virtual clock: a turn that real time ended would end elsewhere each time
    STANDSTILL = 10_000_000  # steps at one instant of virtual time before the engine is asked


@cython.no_gc_clear  # the scheduler takes its queue apart, run by run: a chain of them would be freed recursively
cdef class Runnable:
    """What stands in the queue of ready runs."""

    cdef int advance(self) except -1:
        raise NotImplementedError


@cython.no_gc_clear
cdef class Scheduler:
    """The compiled part of an engine: the queue of runs that are ready, the clock, and what all runs share.

    Args:
        table: the templates.
        clock: the clock.
        callbacks: what the core calls in the engine: `cascade._core.run.protocol.CoreCallbacks`.
        default_mode: of tasks that name none.
        quantum: seconds; 0: yield at every tail call.
    """

    def __cinit__(
        self, TemplateTable table not None, Clock clock not None, callbacks, str default_mode not None, quantum
    ):
        self.table = table
        self.clock = clock
        self.callbacks = callbacks
        self.default_mode = <Mode>mode_of(default_mode)
        self.quantum = nanoseconds(quantum, "quantum")
        self.yields = self.quantum == 0
        self.virtual = clock.is_virtual
        self.standstill_at = STANDSTILL
        self.calls = 1
        self.monitor = InlineMonitor(callbacks)
        self.extraction = Extraction.__new__(Extraction)

    def __dealloc__(self):
        cdef Runnable run
        while self.first is not None:
            run = self.first
            self.first = run.behind
            run.behind = None

    def configure(self, limits_active, notify_nodes, notify_tail_calls):
        """Set which callbacks the core makes.

        Args:
            limits_active: `request_permit` and its like before each call: there are rules of limits, or a pause.
            notify_nodes: `node_started`, `node_finished` and the others of that kind.
            notify_tail_calls: `tail_call`.
        """
        self.limits_active = limits_active
        self.notify_nodes = notify_nodes
        self.observed = limits_active or notify_nodes
        self.notify_tail_calls = notify_tail_calls or notify_nodes or self.debugging
        self.monitor.fuel = min(self.monitor.fuel, 0)  # so that a frame that is being worked on reads them

    def begin_turn(self):
        """Fire due timers, and begin the quantum."""
        cdef int64_t now
        self.awake = True
        self.spent = False
        if self.virtual:
            self.monitor.fuel = PORTION
            self.left = self.ready
            return
        now = monotonic()
        self.monitor.begin(now)
        self.deadline = now + (PATIENCE if self.yields else self.quantum)
        if self.clock.count:
            self.clock.release(self.clock.now())
        self.left = self.ready

    def advance(self):
        """Advance ready runs in turn. Return one that needs a decision, or None if the turn is over."""
        cdef Runnable run
        cdef int status
        cdef PyObject* outer = cascade_advancing
        if self.advancing:
            raise InternalError("a turn of the engine's loop began inside another; please report this")
        self.advancing = True
        cascade_advance(<PyObject*>self)
        try:
            while not self.spent:
                if self.first is None and not self.advance_time():
                    return None
                if self.yields:
                    if self.left == 0:
                        return None
                    self.left -= 1
                run = self.first
                self.first = run.behind
                if self.first is None:
                    self.last = None
                run.behind = None
                run.queued = False
                self.ready -= 1
                self.advanced = <PyObject*>run
                status = run.advance()
                self.advanced = NULL
                if self.standstill_at and self.counted >= self.standstill_at:
                    self.standstill_at = self.callbacks.stands_still(run, self.counted)
                if status == READY:
                    self.push(run)
                elif status == DECIDE:
                    self.burn(1)  # deciding takes time, too: many runs that end at once must not block the loop
                    return run
                self.burn(1)
            return None
        finally:
            self.advancing = False
            self.advanced = NULL
            cascade_advance(outer)

    def reset(self, loop_ready):
        """Begin on another event loop: a turn that was scheduled on the previous one will not come.

        Args:
            loop_ready: the event loop's queue of callbacks that are due: virtual time does not advance while there are
                any. None under a real clock.
        """
        self.loop_ready = loop_ready
        self.awake = False
        if self.first is not None:
            self.ask_for_turn()

    def renewed(self):
        """Make a scheduler with the same settings and no run."""
        made = Scheduler(self.table, self.clock, self.callbacks, MODES[self.default_mode], self.quantum / 1e9)
        made.debugging = self.debugging
        return made

    def cancel_turn(self):
        """Take note that a turn that was scheduled will not come. The next run that becomes ready asks for one."""
        self.awake = False

    def end_turn(self):
        """End a turn. Return whether another one is due at once."""
        if self.monitor.suspects:
            self.monitor.read()
        self.awake = self.first is not None
        return self.awake

    def rehearse(self, LazyResult target not None, int steps):
        """Do the first steps of a run of ``target`` and drop the results, so that benchmarks can time each step.

        Args:
            target: a lazy result.
            steps: 1: extraction; 2: also the look-up of the template; 3: also the hydration of a frame.
        """
        cdef Template template
        cdef Frame frame
        if self.advancing:
            raise InternalError("rehearse() was called during a turn; please report this")
        self.extraction.run(target)
        if steps >= 2:
            template = self.table.get(self.extraction)
            if steps >= 3:
                frame = Frame.__new__(Frame)
                frame.hydrate(template, self.extraction)
        self.extraction.clear()

    cdef int push(self, Runnable run) except -1:
        """Put a run at the end of the queue, unless it stands in it, and see that a turn comes."""
        if not run.queued:
            run.queued = True
            if self.first is None:
                self.first = run
            else:
                self.last.behind = run
            self.last = run
            self.ready += 1
        if not self.awake:
            self.ask_for_turn()
        return 0

    cdef int ask_for_turn(self) except -1:
        """Ask the engine for a turn. Callers do this last, or first: it calls the event loop, and may raise."""
        self.awake = True
        try:
            self.callbacks.wake()
        except BaseException as error:
            try:
                call_again(self.callbacks.wake, error)
            except BaseException:
                self.awake = False  # else no other call would ask again
                raise error from None
            if not isinstance(error, Exception):  # an interrupt
                raise
        return 0

    cdef bint advance_time(self) except -1:
        """With no ready run: move virtual time on until there is one. False: time is real, or the loop is not idle."""
        if not self.virtual:
            return False
        while self.first is None:
            if len(self.loop_ready) or not self.clock.leap():
                return False
        return not len(self.loop_ready)  # callbacks of the event loop for that instant come first

    cdef int read_clock(self) except -1:
        if self.virtual:
            self.monitor.fuel = PORTION
            self.spent = True
            if self.clock.instant != self.counted_at:
                self.counted_at = self.clock.instant
                self.counted = 0
                self.standstill_at = STANDSTILL
            self.counted += PORTION
            return 0
        if self.monitor.read() >= self.deadline:
            self.spent = True
        return 0


def running():
    """Return the run that is being advanced in this thread; None: none is."""
    cdef PyObject* scheduler = cascade_advancing
    if scheduler is NULL or (<Scheduler>scheduler).advanced is NULL:
        return None
    return <object>(<Scheduler>scheduler).advanced


cdef int _rooms = 0  # how many threads have more room now
cdef int _limit = 0  # the recursion limit without it


cdef object call_again(object function, object error):
    """Call a function that wakes something once more, after it has raised.

    An interrupt or a lack of memory may have passed. If the stack was too deep for it, it has more room this time.

    Args:
        function: called without arguments.
        error: what it has raised.

    Returns:
        Its value.
    """
    global _rooms, _limit
    if not isinstance(error, RecursionError):
        return function()
    if _rooms == 0:
        _limit = Py_GetRecursionLimit()
        Py_SetRecursionLimit(_limit + ROOM)
    _rooms += 1
    try:
        return function()
    finally:
        _rooms -= 1
        if _rooms == 0 and Py_GetRecursionLimit() == _limit + ROOM:  # else user code has set another limit
            Py_SetRecursionLimit(_limit)
