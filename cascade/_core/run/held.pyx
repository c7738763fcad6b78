"""Scopes that only hold amounts of limits: waits, receives, whole expressions with constraints and no other policy.

No asyncio task and no future is made for one, so that it costs little more than what is in it. A `HeldScope` is in
their place: the receiver of the grant, the handle of the scope's waiter, and for the region what is given its result.
"""

from asyncio import CancelledError as _CancelledError

from cascade._core.run.results cimport as_final


cdef class HeldScope:
    """One scope, from the moment that it asks for its amounts to the end of its expression.

    Whatever happens, `end` is called once: it gives the amounts back, then lets the waiter land. So the run, which the
    waiter holds up, has not ended before. The grant comes when the limits are whole, the end when the run is: both may
    run code of others (docs/internals/reentrancy.md).

    Args:
        host: the engine.
        run: the run.
        waiter: of the scope.

    Attributes:
        held: the grant; None: it waits for it.
    """

    def __cinit__(self, host, run, Launched waiter not None):
        self.host = host
        self.run = run
        self.waiter = waiter

    # ------------------------------------------------------------------------------------------ waiting for the grant

    def wait(self, claim):
        """Wait for the grant of a claim."""
        if self.waiter is None:  # the collector has cleared it
            return
        self.claim = claim
        services = self.host.services
        if services.emitter.wants_blocks:
            reason = services.limits.admission.reason(claim)
            self.blocked = reason, self.host.timers.now()
            services.emitter.blocked(self.run, self.waiter, reason)

    def is_awaited(self):
        """Whether the run waits for the scope."""
        return not self.ended and self.waiter is not None and self.waiter.run is not None

    def grant(self, grant):
        """Take the grant, and have the expression evaluated."""
        self.held = grant
        self.claim = None
        if self.waiter is None:
            return
        emitter = self.host.services.emitter
        if self.blocked is not None:
            (reason, since), self.blocked = self.blocked, None
            emitter.unblocked(self.run, self.waiter, reason, self.host.timers.now() - since)
        if emitter.wants_nodes and (place := self.waiter._place()) is not None:
            emitter.started(self.run, place)
        if not self.ended:  # a subscriber of these events may do anything
            self.run._open_scope(self.waiter, self, grant)

    def refuse(self, error):
        """End, as there can be no grant any longer."""
        self.end(None, error, False)

    def drop(self):
        """End, as the limits were cleared."""
        self.end(None, None, True)

    # ------------------------------------------------------------------------------------- the handle of its waiter

    def cancel(self):
        """Stop the expression; end once everything in it has ended."""
        if self.ended:
            return
        if self.held is None:
            claim, self.claim = self.claim, None
            if claim is not None:
                self.host.services.limits.admission.withdraw(claim)
            self.end(None, None, True)
        else:
            self.is_over = True
            self.run._close_region(self, HeldClosing(self))

    # ------------------------------------------------------------------------------------- the future of its region

    def done(self):
        """Whether what becomes of the expression is of no use any longer."""
        return self.is_over

    # ---------------------------------------------------------------------------------------------------------- its end

    cdef int end(self, object value, object error, bint is_cancelled) except -1:
        """Give back what is held, and let the waiter land."""
        if self.ended:
            return 0
        self.ended = self.is_over = True
        try:
            if self.held is not None:
                self.held.release()
        finally:
            if self.waiter is None:
                pass
            elif is_cancelled:
                error = None if self.waiter._stopping else _CancelledError()
                self.waiter.land(None, error)
            elif error is not None:
                self.waiter.land(None, error)
            else:
                self.waiter.land(as_final(value), None)
        return 0


cdef class HeldClosing:
    """For the core, the future that is done once everything in the region of a scope has ended that is being closed."""

    cdef HeldScope scope

    def __cinit__(self, HeldScope scope not None):
        self.scope = scope

    def done(self):
        """Whether the result is of no use any longer: never."""
        return False

    def set_result(self, errors):
        """Take what has failed as the expression was stopped."""
        if self.scope is None:  # the collector has cleared it
            return
        if errors:
            error = errors[0] if len(errors) == 1 else BaseExceptionGroup("several tasks failed", errors)
            self.scope.end(None, error, False)
        else:
            self.scope.end(None, None, True)

    def cancel(self):
        """The run has ended."""
        if self.scope is not None:
            self.scope.end(None, None, True)
