"""Ending: how a run fails, is cancelled, killed or detached, and what it came to.

A run ends in one of four ways:

- it comes to a value (`Evaluation.finish_frame`);
- it stops, after a failure or a request to cancel: `stop` releases what it does not have to await, and the run ends
  once everything that it has started has landed;
- it is killed, because nothing can advance it any longer (`_kill`);
- it is detached, because nothing holds its engine any longer (`detach`), or dropped by the garbage collector (`drop`).

Nothing here starts a node. docs/internals/run-states.md has the diagram.
"""

from types import CoroutineType as _CoroutineType

from cascade._core.run.scheduler cimport ACTIVE, CLOSED, ENDED, STOPPING
from cascade._core.run.place cimport place_of
from cascade._core.run.waiting cimport Waiter
from cascade._core.tracebacks cimport hide

from cascade.exceptions import InternalError


cdef class Ending(Dispatching):
    """The part of a run that ends it."""

    def __dealloc__(self):
        cdef Frame stack = self.top
        cdef Waiter waiter
        while self.waiters is not None:  # one after the other: there may be a million of them
            waiter = self.waiters
            self.waiters = waiter.next
            waiter.next = None
        while self.first_landed is not None:
            self.pop_landed()
        self.top = None
        _clear_stack(stack)

    # ---------------------------------- from outside, for `cascade.engine`: with an underscore, as users have runs too

    def _request_cancel(self):
        """Request that the run stops. It does so in its next turn. May be called from any thread."""
        if self.phase < ENDED and self.scheduler is not None:
            if not self.running:
                self.scheduler.ensure_turn()
                if self.phase >= ENDED:  # in another thread, meanwhile
                    return
            self.interrupted = True
            if not self.running:
                self.scheduler.push(self)

    def _fail_from_outside(self, error):
        """Record an error and request that the run stops. Return False, and do nothing, if it stops or has ended."""
        if self.phase != ACTIVE or self.running or self.scheduler is None:
            return False
        self.scheduler.ensure_turn()
        if self.phase != ACTIVE or self.running:
            return False
        self.record(error, None, 0)
        self._request_cancel()
        return True

    def _kill(self, error):
        """End the run at once, with this error, and await nothing: its event loop or its engine has failed."""
        if self.running:
            raise InternalError("a run was to be abandoned by one of its own tasks")
        cdef Waiter waiter
        if self.phase < ENDED:
            self.fail(error, None, 0)
            self.discard_landed()
            self.enter_phase(ENDED)
            while self.waiters is not None:  # what they wait for may still exist, and would hold them for ever
                waiter = self.waiters
                waiter.landed = True
                self.unlink(waiter)
                waiter.clear()
            self.leave_frames()

    def _fail_ended(self, error):
        """Replace the value of a run that has ended by an error: the teardown of its resources has failed."""
        self.errors = None
        self.value = None
        self.record(error, None, 0)

    def _close(self):
        """Enter the last phase: the run has its outcome, and its resources are torn down."""
        self.enter_phase(CLOSED)

    @property
    def _value(self):
        """The value of the run; None before it has one."""
        return self.value

    @property
    def _errors(self):
        """The errors of the run, in the order in which they were raised; None if there are none."""
        return self.errors

    @property
    def _interrupted(self):
        """Whether cancellation was requested before the run came to a value."""
        return bool(self.interrupted)

    def _take_unseen(self):
        """The messages in its value that the run itself has received and that none of its tasks was given, once.

        Returns:
            A list of `Received`, in the order of the value. It is empty when this is called again.
        """
        found, self.received = self.received or [], None
        return found

    @property
    def _stopping(self):
        """Whether the run starts nothing new, because it has failed or is being cancelled."""
        return self.phase == STOPPING

    @property
    def _ended(self):
        """Whether nothing of the run executes any longer, except for the teardown of its resources."""
        return self.phase >= ENDED

    @property
    def _finished(self):
        """Whether the run has its outcome, and its resources are torn down."""
        return self.phase == CLOSED

    # ------------------------------------------------------------------------------------------- failing and stopping

    cdef int fail(self, object error, Frame frame, Py_ssize_t node) except -1:
        """Record the error of a node, and stop."""
        self.record(error, frame, node)
        return self.stop()

    cdef int record(self, object error, Frame frame, Py_ssize_t node) except -1:
        """Record an error, once, and annotate it with the node that raised it. Without a frame, no node did."""
        error = self.as_raised(error)
        if frame is None:
            self.scheduler.callbacks.annotate(error, self, None, -1, [])
        else:
            self.scheduler.callbacks.annotate(error, self, place_of(frame, node), -1, self.written(frame, node))
        if self.running:
            self.scheduler.extraction.clear()  # the error may have ended an extraction half-way
        if self.errors is None:
            self.errors = []
            self.failed = set()
        if id(error) not in self.failed:
            self.failed.add(id(error))
            self.errors.append(error)
        return 0

    cdef object as_raised(self, object error):
        """An exception as what awaits the run, or catches it, can be given it: without the frames of Cascade."""
        hide(error)
        if not issubclass(type(error), (StopIteration, StopAsyncIteration)):
            return error
        # As in PEP 479: a coroutine that awaits the run could not raise it as it is.
        made = RuntimeError(f"a task raised {type(error).__name__}")
        made.__cause__ = error
        return made

    cdef int stop(self) except -1:
        """Start nothing more. Timers and mailboxes are left at once; futures are for the engine to cancel.

        What has landed and was not looked at yet, perhaps behind the very error that stops the run, does not become a
        value of the run: messages among it go back to their mailboxes.

        The walk over the waiters only moves pointers. After it, what was unlinked goes back to others; last of all the
        values are released. So whatever the destructor of a value does to the run or to its channels, it finds both in
        their final state (docs/internals/reentrancy.md).

        Where something in the run catches failures, frames keep their values until all has ended: `fail_late` needs
        them.
        """
        cdef Waiter waiter = self.waiters
        cdef Waiter next, withdrawn = None
        cdef Frame stack = None
        cdef object _target, _expansion, _launches
        if self.phase != ACTIVE:
            return 0
        self.enter_phase(STOPPING)
        _target, _expansion, _launches = self.target, self.expansion, self.launches  # released when this returns
        self.target = None
        self.expansion = None
        self.launches = None
        while waiter is not None:
            next = waiter.next
            self.push(waiter.frame)
            if waiter.handle is None:  # a timer, a mailbox, or a call that no worker has been given yet
                waiter.withdraw()
                waiter.landed = True
                self.unlink(waiter)
                waiter.next = withdrawn
                withdrawn = waiter
            waiter = next
        if not self.has_catching or (self.waiters is None and self.first_landed is None):
            stack = self.top
            self.top = None
        try:
            self.return_messages()
        finally:
            while withdrawn is not None:
                waiter = withdrawn
                withdrawn = waiter.next
                waiter.next = None
                waiter.clear()
            _clear_stack(stack)
        return 0

    cdef int fail_late(self, object error, Frame frame, Waiter waiter) except -1:
        """A node has failed since the run began to stop."""
        return self.fail(error, frame, waiter.node)

    cdef int discard_landed(self) except -1:
        """Take what has landed since the run began to stop: its errors are recorded, its values are not used."""
        cdef Waiter waiter
        cdef Frame frame
        while self.first_landed is not None:
            waiter = self.pop_landed()
            frame, value, error = waiter.frame, waiter.value, waiter.error
            waiter.clear()
            if error is not None:
                self.fail_late(error, frame, waiter)
            elif type(value) is _CoroutineType:  # made by a worker, and never to be awaited
                value.close()
        return 0

    # ------------------------------------------------------------------------------------------------------ releasing

    cdef int detach(self) except -1:
        """End a run that nothing will advance again: withdraw from clocks and mailboxes, return messages."""
        self.queued = True  # so that nothing pushes it
        self.interrupted = True
        self.value = None
        try:
            if self.scheduler is not None:
                self.stop()
        finally:
            self.enter_phase(ENDED)
            self.drop()
        return 0

    cdef void leave_frames(self) noexcept:
        """Release what frames hold that were kept until all of a run that stopped has ended."""
        cdef Frame stack = self.top
        self.top = None
        _clear_stack(stack)

    cdef void drop(self) noexcept:
        """Release everything that the run holds and waits for, and return no message.

        For the garbage collector, which may have cleared what the run holds already: a message would go back empty.
        """
        cdef Waiter waiter
        cdef Frame stack = self.top
        self.queued = self.interrupted = True
        self.enter_phase(ENDED)
        self.top = None
        while self.waiters is not None:
            waiter = self.waiters
            if waiter.run is not None and self.scheduler is not None:
                waiter.withdraw()
            waiter.landed = True
            self.unlink(waiter)
            waiter.clear()
        while self.first_landed is not None:
            waiter = self.pop_landed()
            waiter.clear()
        self.last_landed = None
        _clear_stack(stack)


cdef void _clear_stack(Frame stack) noexcept:
    """Empty frames and their parents, one after the other: released as a chain they would recurse."""
    cdef Frame frame, parent
    while stack is not None:
        frame = stack
        stack = frame.below
        frame.below = None
        frame.stacked = False
        while frame is not None:
            parent = frame.parent
            frame.parent = None
            frame.clear()
            frame = parent


def detach_all(tuple runs):
    """Detach runs whose engine nothing holds: all of them, whatever one of them raises. The last error is raised."""
    cdef Ending run
    cdef object failure = None
    for run in runs:
        try:
            run.detach()
        except BaseException as error:
            failure = error
    if failure is not None:
        raise failure
