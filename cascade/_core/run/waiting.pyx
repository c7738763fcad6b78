"""Waiting: nodes that have started and not ended, and the list that a run keeps of them."""

cimport cython
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t

from cascade._core.run.choice cimport Choice, check_channels, new_choice
from cascade._core.run.mailbox cimport Mailbox, Received, next_delivery, nothing, received
from cascade._core.run.place cimport place_of
from cascade._core.run.scheduler cimport STOPPING, Scheduler
from cascade._core.expr.lazy cimport LazyResult, use
from cascade._core.expr.task_spec cimport TICKS, WAIT, WAIT_UNTIL
from cascade._core.time.clock cimport Clock, after
from cascade._core.time.durations cimport instant_of, nanoseconds, period_of

from cascade.exceptions import ChannelClosedError

cdef enum:
    SHOWN = 16  # frames in which to look for where a node was written

cdef object _nothing = object()
cdef PyObject* PENDING = <PyObject*>_nothing


cdef inline PyObject* pending() noexcept:
    Py_INCREF(_nothing)
    return PENDING


@cython.no_gc
cdef class Waiter(Receiver):
    """A node that has started and not ended. A future, a timer or a mailbox lets it land, and that wakes its run."""

    def follow(self, future):
        """Land with the outcome of a future that is done."""
        if future.cancelled():
            if self._stopping:
                self.land(None, None)
                return
            try:
                future.result()
            except BaseException as error:
                self.land(None, error)
        else:
            error = future.exception()
            self.land(None if error is not None else future.result(), error)

    @property
    def _stopping(self):
        """Whether the value of the node is of no use any longer: the run stops, or a caught failure stops the node."""
        cdef Waiting run = self.run
        return run is None or run.phase >= STOPPING or (run.dying is not None and self in run.dying)

    def _place(self):
        """Return the `Place` of the node; None if it has landed."""
        if self.run is None or self.landed:
            return None
        return place_of(self.frame, self.node)

    def release(self):
        """Land with a permit to start: the node is executed again."""
        self.permitted = True
        self.land(None, None)

    cdef int land(self, object value, object error) except -1:
        """Land with a value or an error, and wake the run. May be called in any thread, and more than once."""
        if not self.landed and self.run is not None:
            self.arrive(value, error)
            self.notify()
        return 0

    cdef void arrive(self, object value, object error) noexcept:
        """Move from the run's list of waiters to that of the landed, and wake nothing. Only if it has not landed."""
        cdef Waiting run = self.run
        cdef object _handle = self.handle  # released when this returns: by then all pointers are in place
        cdef object _waited_with = self.value
        self.landed = True
        self.handle = None  # a future may hold the waiter for ever
        self.value = value
        self.error = error
        run.unlink(self)
        run.append_landed(self)

    cdef bint notify(self) except -1:
        cdef Waiting run = self.run
        if run is not None and not run.running:
            run.scheduler.push(run)
        return True

    cdef void clear(self) noexcept:
        """Release everything the waiter holds: its run has taken its outcome, or never will."""
        self.run = None  # first: without a run it does nothing, whatever the destructors of the others call
        self.frame = None
        self.handle = None
        self.mailbox = None
        self.value = None
        self.error = None
        self.completion = None
        self.origin = None

    cdef int fire(self, int64_t now) except -1:
        cdef int64_t elapsed = now - self.since
        cdef Received made
        cdef int kind
        if self.run is None:  # it was cleared
            return 0
        kind = self.frame.template.nodes[self.node].kind
        if kind == WAIT:
            return self.land(elapsed / 1e9, None)
        if kind == WAIT_UNTIL or kind == TICKS:
            return self.land((now if kind == WAIT_UNTIL else self.deadline) / 1e9, None)
        made = received(None, True, elapsed, None)
        if not self.landed and self.run is not None:  # allocating may have run code that let a message arrive
            self.withdraw()
            self.land(made, None)
        return 0

    cdef int ensure_turn(self) except -1:
        if self.run is not None and not self.run.running:
            self.run.scheduler.ensure_turn()
        return 0

    cdef Received prepare(self):
        cdef Received made = Received.__new__(Received)
        self.ensure_turn()
        return made

    cdef void deliver(self, Mailbox mailbox, object message, Received made) noexcept:
        made.message = message
        made.channel = mailbox
        made.elapsed = (self.run.scheduler.clock.now() - self.since) / 1e9
        self.withdraw()
        self.origin = mailbox
        self.since = made.delivery = next_delivery()
        self.arrive(made, None)

    cdef object refusal(self, Mailbox mailbox):
        return mailbox.refusal("sent to" if mailbox.sending else "received from")

    cdef void refuse(self, object error) noexcept:
        self.withdraw()
        self.arrive(None, error)

    cdef object outgoing(self):
        return self.value

    cdef void sent(self) noexcept:
        self.arrive(None, None)

    cdef void withdraw(self) noexcept:
        """Leave the clock and the lines of mailboxes."""
        self.run.scheduler.clock.cancel(self)
        if self.mailbox is not None:
            self.mailbox.leave(self)
        elif type(self.value) is Choice:
            (<Choice>self.value).leave()

    cdef object waited_mailboxes(self):
        """The mailboxes in whose lines it stands; None if it waits for something outside the engine."""
        if self.handle is not None:
            return None
        if self.mailbox is not None:
            return (self.mailbox,)
        return (<Choice>self.value).mailboxes() if type(self.value) is Choice else ()


@cython.no_gc
cdef class Launched(Waiter):
    """A waiter that is given to the engine. The garbage collector tracks it, because any object may refer to it.

    The callback of a future does, or the traceback of an exception.
    """

    cdef void arrive(self, object value, object error) noexcept:
        cdef Scheduler scheduler = (<Waiting>self.run).scheduler
        scheduler.ended_calls += not self.permitted and self.is_call()
        if scheduler.debugging and type(value) is LazyResult:
            use(<LazyResult>value)  # it was returned, even if the run stops and evaluates it no longer
        Waiter.arrive(self, value, error)


cdef Waiter new_waiter(Waiting run, Frame frame, Py_ssize_t node):
    """Make a waiter for a node, not in its run's list yet."""
    cdef Waiter waiter = Waiter.__new__(Waiter)
    waiter.run = run
    waiter.frame = frame
    waiter.node = <int32_t>node
    return waiter


cdef Launched new_launched(Waiting run, Frame frame, Py_ssize_t node):
    """Make a waiter that is given to the engine's callbacks, not in its run's list yet."""
    cdef Launched waiter = Launched.__new__(Launched)
    waiter.run = run
    waiter.frame = frame
    waiter.node = <int32_t>node
    waiter.iteration = run.iterations
    return waiter


cdef void discard(Launched waiter) noexcept:
    """Let a waiter go that waits for nothing: what it was made for has a value, or has failed, at once.

    What refers to it may live on: an asyncio task that was left behind, an invocation, the traceback of a failure.
    Where that failure is caught, it is a value of the frame, which the waiter would hold: a cycle that the garbage
    collector does not see whole.
    """
    waiter.landed = True
    waiter.clear()


cdef class Waiting(Runnable):
    """The part of a run that waits: for time, for messages, for room in a channel."""

    def _handles(self):
        """The futures and asyncio tasks that the run waits for, a list."""
        cdef Waiter waiter = self.waiters
        found = []
        while waiter is not None:
            if waiter.handle is not None:
                found.append(waiter.handle)
            waiter = waiter.next
        return found

    def _awaits(self):
        """What the run waits for, of each node: (template, number of the node in its graph, mailboxes or None, waiter).

        None: the node waits for something outside the engine.
        """
        cdef Waiter waiter = self.waiters
        cdef list found = []
        cdef list waiting = []
        while waiter is not None:  # first all of them: making tuples may run the collector, and let some land
            waiting.append(waiter)
            waiter = waiter.next
        for waiter in waiting:
            if not waiter.landed:
                template = waiter.frame.template
                found.append((template, template.plan.order[waiter.node], waiter.waited_mailboxes(), waiter))
        return found

    cdef PyObject* wait(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Park a node until some time has passed."""
        if node.operands != 1:
            raise TypeError(f"wait() takes 1 argument but {node.operands} were given")
        seconds = <object>frame.values[frame.template.operands[node.first_operand]]
        self.park_node(frame, at, nanoseconds(seconds, "seconds"))
        return pending()

    cdef PyObject* wait_until(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Park a node until an instant, unless that has come."""
        cdef Clock clock = self.scheduler.clock
        cdef int64_t now = clock.now()
        cdef int64_t deadline
        cdef object value
        if node.operands != 1:
            raise TypeError(f"wait_until() takes 1 argument but {node.operands} were given")
        instant = <object>frame.values[frame.template.operands[node.first_operand]]
        deadline = instant_of(instant, "instant", now, clock.is_virtual, clock.speed)
        if deadline <= now:
            value = now / 1e9
            Py_INCREF(value)
            return <PyObject*>value
        self.park_until(frame, at, deadline)
        return pending()

    cdef PyObject* tick(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Park a node until the next multiple of a period."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef int64_t now = self.scheduler.clock.now()
        cdef int64_t period, phase, passed
        if node.operands != 2:
            raise TypeError(f"ticks() takes 2 arguments but {node.operands} were given")
        period = period_of(<object>frame.values[operands[0]], "period")
        phase = nanoseconds(<object>frame.values[operands[1]], "offset") % period
        passed = now % period - phase  # since the last tick
        self.park_until(frame, at, after(now, -passed if passed < 0 else period - passed))
        return pending()

    cdef PyObject* receive(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Receive a message from a node's mailbox, or park the node until one comes."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef Mailbox mailbox
        cdef Waiter waiter
        cdef int64_t span = -1
        if node.operands != 2 or not isinstance(<object>frame.values[operands[0]], Mailbox):
            raise TypeError("recv() takes a channel and a timeout")
        mailbox = <Mailbox>frame.values[operands[0]]
        timeout = <object>frame.values[operands[1]]
        if timeout is not None:
            span = nanoseconds(timeout, "timeout")
        mailbox.ensure_sender()
        message = mailbox.poll()
        if message is not None:
            Py_INCREF(message)
            return <PyObject*>message
        if mailbox.closed:
            raise mailbox.refusal("received from")
        if mailbox.without_senders:
            message = nothing(span)
            Py_INCREF(message)
            return <PyObject*>message
        waiter = self.park_node(frame, at, span)
        mailbox.join(waiter)
        return pending()

    cdef PyObject* select(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Receive the first message of several mailboxes, or park the node until one comes."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef Mailbox mailbox
        cdef Waiter waiter = None
        cdef Choice choice = None
        cdef int64_t span = -1
        cdef bint is_open, may_come
        if node.operands != 2:
            raise TypeError("select() takes channels and a timeout")
        channels = <object>frame.values[operands[0]]
        timeout = <object>frame.values[operands[1]]
        if type(channels) is list:
            channels = tuple(channels)  # the user may change a list meanwhile
        check_channels(channels, False)
        if timeout is not None:
            span = nanoseconds(timeout, "timeout")
        while True:
            is_open = may_come = False
            for mailbox in <tuple>channels:  # first all of them: other code may run, and send to those that were polled
                mailbox.ensure_sender()
            for mailbox in <tuple>channels:
                message = mailbox.poll()
                if message is not None:
                    Py_INCREF(message)
                    return <PyObject*>message
                is_open |= not mailbox.closed
                may_come |= mailbox.may_deliver()
            for mailbox in <tuple>channels:
                if mailbox.closer is not None:
                    raise mailbox.refusal("received from")
            if not is_open:
                raise ChannelClosedError("received from a closed channel")
            if not may_come:
                message = nothing(span)
                Py_INCREF(message)
                return <PyObject*>message
            if choice is not None:
                break
            waiter = new_waiter(self, frame, at)
            choice = new_choice(waiter, <tuple>channels)  # allocating may run code that sends: poll again
        waiter.value = choice
        self.park(waiter, span)
        choice.join()
        return pending()

    cdef int park(self, Waiter waiter, int64_t span) except -1:
        """Put a waiter into the run's list, and on the clock if `span` (nanoseconds) is >= 0; -1: no deadline."""
        waiter.since = self.scheduler.clock.now()
        if span >= 0:
            self.scheduler.clock.set(waiter, after(waiter.since, span))
        self.link(waiter)
        return 0

    cdef Waiter park_node(self, Frame frame, Py_ssize_t at, int64_t span):
        """Make a waiter for a node and park it."""
        cdef Waiter waiter = new_waiter(self, frame, at)
        self.park(waiter, span)
        return waiter

    cdef int park_until(self, Frame frame, Py_ssize_t at, int64_t deadline) except -1:
        """Make a waiter for a node and park it until an instant, in nanoseconds on the clock."""
        cdef Waiter waiter = new_waiter(self, frame, at)
        waiter.since = self.scheduler.clock.now()
        self.scheduler.clock.set(waiter, deadline)
        self.link(waiter)
        return 0

    cdef PyObject* send(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Send a message, or park the node until there is room for it."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef Mailbox mailbox
        cdef Waiter waiter
        if node.operands != 2 or not isinstance(<object>frame.values[operands[0]], Mailbox):
            raise TypeError("send() takes a channel and a message")
        mailbox = <Mailbox>frame.values[operands[0]]
        message = <object>frame.values[operands[1]]
        if mailbox.offer(message):
            Py_INCREF(None)
            return <PyObject*>None
        waiter = new_waiter(self, frame, at)
        waiter.value = message
        mailbox.sending = True
        mailbox.join(waiter)
        self.link(waiter)
        return pending()

    cdef void link(self, Waiter waiter) noexcept:
        if waiter.landed:  # it landed while it was being launched
            return
        waiter.next = self.waiters
        waiter.previous = NULL
        if self.waiters is not None:
            self.waiters.previous = <PyObject*>waiter
        self.waiters = waiter

    cdef void unlink(self, Waiter waiter) noexcept:
        if waiter.next is not None:
            waiter.next.previous = waiter.previous
        if waiter.previous is not NULL:
            (<Waiter>waiter.previous).next = waiter.next
        elif self.waiters is waiter:
            self.waiters = waiter.next
        waiter.next = None
        waiter.previous = NULL

    cdef list written(self, Frame frame, Py_ssize_t node):
        """In debug mode, a node and those that it is beneath: (expression, template, number of the node)."""
        cdef list found = []
        if self.expressions is None:
            return found
        while frame is not None and len(found) < SHOWN:
            expression = self.expressions.get(<size_t><PyObject*>frame)
            if expression is not None:
                found.append((expression, frame.template, frame.template.plan.order[node]))
            node = frame.parent_node
            frame = frame.parent
        return found

    cdef int return_messages(self) except -1:
        """Put delivered messages that the run will not take back: all of them, before any receiver is served."""
        cdef Waiter waiter = self.first_landed
        cdef Mailbox origin
        cdef list origins = None
        while waiter is not None:
            if waiter.origin is not None:
                if origins is None:
                    origins = []
                origin = waiter.origin
                origins.append(origin)
                origin.put_back((<Received>waiter.value).message, waiter.since)
                waiter.origin = None
            waiter = waiter.next_landed
        if origins is not None:
            for origin in origins:
                origin.serve()
        return 0
