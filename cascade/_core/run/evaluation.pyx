"""Evaluation: the state of one run between two decisions.

A run is a stack of frames that can go on. The top frame executes its nodes one after the other; a node whose value is
an expression puts that expression's frame on top; a frame whose target has a value hands it to its parent; a target
whose value is an expression has its frame replaced. A node that must be awaited leaves a waiter behind, and a frame
that can start nothing leaves the stack until one of its waiters lands. Nothing here recurses, so depth is limited by
memory only; nothing here awaits: what needs the event loop or a worker is handed to the engine.
"""

from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

from types import CoroutineType as _CoroutineType

from libc.stdint cimport int32_t

from cascade._core.run.branching cimport DEFERRED, MapState
from cascade._core.shape.extract cimport Extraction
from cascade._core.run.scheduler cimport ACTIVE, CLOSED, DECIDE, ENDED, PARKED, READY, STOPPING, Scheduler
from cascade._core.expr.builtin_nodes cimport Skip, skipped_member
from cascade._core.expr.task_spec cimport SYNC
from cascade._core.run.dispatch cimport Starting
from cascade._core.shape.template cimport Node, Template
from cascade._core.run.waiting cimport PENDING, Waiter, new_launched

from cascade.exceptions import InternalError, TaskSkippedError

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept

cdef enum:  # what became of a frame
    HAS_VALUE  # its target has a value
    HAS_TAIL  # its target's value is an expression
    HAS_CHILD  # the value of a node before the target is an expression
    IS_PARKED
    IS_SPENT  # the turn is over

cdef PyObject* Lazy = <PyObject*>LazyResult


cdef class Evaluation(Starting):
    """The compiled part of a run.

    Args:
        scheduler: of the engine that owns the run.
        target: a lazy result.
        context: the context in which its tasks run.
    """

    def __init__(self, Scheduler scheduler not None, LazyResult target not None, context):
        self.scheduler = scheduler
        self.target = target
        self.context = context

    def __dealloc__(self):
        cdef Frame stack = self.top
        cdef Waiter waiter
        while self.waiters is not None:  # one after the other: there may be a million of them
            waiter = self.waiters
            self.waiters = waiter.next
            waiter.next = None
        while self.first_landed is not None:
            waiter = self.first_landed
            self.first_landed = waiter.next_landed
            waiter.next_landed = None
        self.top = None
        _let_go_stack(stack)

    def _begin(self):
        """Stand in the queue."""
        if self.scheduler is not None:
            self.scheduler.push(self)

    def _request_cancel(self):
        """Have it stopped, from outside."""
        if self.phase < ENDED and self.scheduler is not None:
            self.interrupted = True
            if not self.running:
                self.scheduler.push(self)

    def _fail_from_outside(self, error):
        """Have it fail, and stop it as `_request_cancel` does. Return whether it was neither stopping nor over."""
        if self.phase != ACTIVE or self.running or self.scheduler is None:
            return False
        self.record(error, None, 0)
        self._request_cancel()
        return True

    def _kill(self, error):
        """End it at once, with this error, awaiting nothing: its event loop or its engine has failed."""
        if self.running:
            raise InternalError("a run was to be abandoned by one of its own tasks")
        cdef Waiter waiter
        if self.phase < ENDED:
            self.fail(error, None, 0)
            self.settle_landed()
            self.enter_phase(ENDED)
            while self.waiters is not None:  # what they wait for may still be there, and hold them for ever
                waiter = self.waiters
                waiter.landed = True
                self.unlink(waiter)
                waiter.let_go()

    def _fail_ended(self, error):
        """It has ended, but what was set up for it could not be torn down: it has failed, and has no value."""
        self.errors = None
        self.value = None
        self.record(error, None, 0)

    cdef int detach(self) except -1:
        """Nothing will ever let it go on: withdraw from all that would wake it, give messages back, hold nothing."""
        self.queued = True  # nothing is to wake it
        self.interrupted = True
        self.value = None
        try:
            if self.scheduler is not None:
                self.stop()
        finally:
            self.enter_phase(ENDED)
            self.drop()
        return 0

    cdef void drop(self) noexcept:
        """Let go of all that it waits for and holds, and give nothing back.

        For the collector, which may have cleared what it holds already: a message would come back empty.
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
            waiter.let_go()
        while self.first_landed is not None:
            waiter = self.first_landed
            self.first_landed = waiter.next_landed
            waiter.next_landed = None
            waiter.let_go()
        self.last_landed = None
        _let_go_stack(stack)

    # ------------------------------------------- for `cascade.engine.run`: with an underscore, as users have runs too

    @property
    def _is_ready(self):
        """Whether it stands in the queue."""
        return self.queued

    @property
    def _is_running(self):
        """Whether one of its tasks is running in the loop's thread right now."""
        return self.running

    @property
    def _context(self):
        """The context in which its tasks run."""
        return self.context

    @property
    def _value(self):
        """What it came to; None until then."""
        return self.value

    @property
    def _errors(self):
        """What failed, in order; None if nothing has."""
        return self.errors

    @property
    def _ended(self):
        """Whether nothing of it runs any more, but for the teardown of its resources."""
        return self.phase >= ENDED

    @property
    def _finished(self):
        """Whether it has its outcome, and what was set up for it is torn down."""
        return self.phase == CLOSED

    def _close(self):
        """It has its outcome."""
        self.enter_phase(CLOSED)

    @property
    def _interrupted(self):
        """Whether it was cancelled from outside, before it came to a value."""
        return self.interrupted

    @property
    def _stopping(self):
        """Whether nothing new is started, as it was cancelled or has failed."""
        return self.phase == STOPPING

    # ------------------------------------------------------------------------------------------- between decisions

    cdef int advance(self) except -1:
        """Go on until the turn is over, or it must wait, or a decision is due."""
        cdef int status
        if self.phase >= ENDED:
            return PARKED
        PyContext_Enter(self.context)
        self.running = True
        try:
            status = self.go_on()
        finally:
            PyContext_Exit(self.context)
            self.running = False
        # As long as it was running, who had something for it did not wake it.
        if self.phase < ENDED and (self.first_landed is not None or (self.interrupted and self.phase == ACTIVE)):
            self.scheduler.push(self)
        return status

    cdef int go_on(self) except -1:
        cdef int status = READY
        cdef bint was_active = self.phase == ACTIVE
        try:
            if self.target is not None and not self.interrupted:
                target = self.target
                self.target = None
                self.push(self.enter(<LazyResult>target, None, 0))
            while True:
                if self.interrupted and self.phase == ACTIVE:
                    self.stop()
                if self.first_landed is not None:
                    self.settle_landed()
                if self.phase != ACTIVE:
                    break
                status = self.run_frames()
                if self.launches is not None:
                    self.launch()
                if status == READY or self.phase >= ENDED or (self.first_landed is None and not self.interrupted):
                    break
        except BaseException as error:
            self.fail(error, self.top, self.at)
        if self.phase == STOPPING:
            self.settle_landed()  # what has landed meanwhile will not wake the run
            if self.waiters is None:
                self.enter_phase(ENDED)
            elif not was_active:
                return PARKED
        return status if self.phase == ACTIVE else DECIDE

    cdef int settle_landed(self) except -1:
        """Take what has arrived, in the order of arrival."""
        cdef Waiter waiter
        cdef Frame frame
        while self.first_landed is not None:
            waiter = self.first_landed
            self.first_landed = waiter.next_landed
            waiter.next_landed = None
            if self.first_landed is None:
                self.last_landed = None
            frame, value, error, completion = waiter.frame, waiter.value, waiter.error, waiter.completion
            waiter.let_go()
            if error is not None:
                self.fail(error, frame, waiter.node)
            elif self.phase == ACTIVE:
                frame.awaited -= 1
                try:
                    if waiter.again:
                        self.look_again(frame, waiter.node)
                        continue
                    self.settle(frame, waiter.node, value, completion)
                except BaseException as failure:
                    self.fail(failure, frame, waiter.node)
            elif type(value) is _CoroutineType:  # of a worker, and nobody is to await it
                value.close()
        return 0

    cdef int run_frames(self) except -1:
        """Work on the stack of frames. PARKED when it is empty."""
        cdef Frame frame, child
        cdef int outcome
        while self.top is not None:
            frame = self.top
            outcome = self.run_frame(frame)
            if outcome == HAS_TAIL:
                self.replace(frame)
                self.iterations += 1
                if self.scheduler.yields or self.scheduler.burn(1) or self.interrupted:
                    return READY
            elif outcome == HAS_VALUE:
                self.leave(frame)
                if self.phase >= ENDED:
                    return PARKED
            elif outcome == HAS_CHILD:
                frame.awaited += 1
                child = self.enter(self.expansion, frame, self.at)
                child.completion = self.completion
                child.item = self.item
                self.expansion = None
                self.completion = None
                self.item = 0
                self.push(child)
                if self.scheduler.burn(1) or self.interrupted:
                    return READY
            elif outcome == IS_PARKED:
                self.top = frame.below
                frame.below = None
                frame.stacked = False
            else:
                return READY
        return PARKED

    cdef int run_frame(self, Frame frame) except -1:
        """Execute nodes until the frame has a value, or must wait, or another frame comes first."""
        cdef Template template = frame.template
        cdef Py_ssize_t last = template.node_count - 1
        cdef Py_ssize_t at
        cdef Node* node
        cdef PyObject* result
        cdef PyObject* kind
        # Whether a node may need more than to be executed. Who wants to be asked from now on uses up the fuel.
        cdef bint careful = template.careful or frame.skipping or self.scheduler.observed
        self.at = last
        if frame.values[last] is not NULL:
            return HAS_TAIL if Py_TYPE(frame.values[last]) == Lazy else HAS_VALUE
        while True:
            if frame.scattered:
                if frame.ready_count == 0:
                    if frame.awaited == 0:
                        raise InternalError("a frame waits for nothing")
                    return IS_PARKED
                at = frame.pop_ready()
            elif frame.awaited:
                if template.serial:
                    return IS_PARKED
                frame.scatter()
                continue
            else:
                at = frame.next
                frame.next = <int32_t>(at + 1)
            node = &template.nodes[at]
            self.at = at
            result = self.step_aside(frame, node) if careful else self.execute(frame, node)
            if result == PENDING:
                Py_DECREF_(result)
                frame.awaited += 1
                careful |= self.scheduler.observed  # the beginning of a coroutine may have run
                continue
            if careful and result == DEFERRED:
                Py_DECREF_(result)
                continue
            kind = Py_TYPE(result)
            if kind == Lazy:
                if self.is_tail(frame, node, at) if careful else at == last:
                    frame.values[last] = result
                    return HAS_TAIL
                self.expansion = <LazyResult>result
                Py_DECREF_(result)
                return HAS_CHILD
            frame.values[at] = result
            if at == last:
                return HAS_VALUE
            if frame.scattered:
                frame.resolve(at)
            if self.scheduler.watch.fuel <= 0:
                self.scheduler.read_clock()
                if self.scheduler.spent:
                    return IS_SPENT
                careful |= self.scheduler.observed
            if self.interrupted:
                return IS_SPENT

    # ------------------------------------------------------------------------------------------------- the frames

    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node):
        """A frame for an expression."""
        cdef Frame frame = Frame.__new__(Frame)
        self.scheduler.extraction.run(expression)
        frame.hydrate(self.scheduler.table.get(self.scheduler.extraction), self.scheduler.extraction)
        frame.parent = parent
        frame.parent_node = <int32_t>parent_node
        if frame.template.inputs or frame.template.resources or (parent is None and self._extras is not None):
            self.admit(frame)
        return frame

    cdef int admit(self, Frame frame) except -1:
        """Have the engine look at the params, variables and resources of a frame, before any of it starts."""
        cdef Template template = frame.template
        cdef tuple order = template.plan.order
        specs = [
            <object>frame.values[template.operands[template.nodes[at].first_operand]]
            for at in range(template.node_count) if order[at] in template.inputs
        ] if template.inputs else []
        self.scheduler.callbacks.admit(self, template, specs)
        return 0

    cdef int replace(self, Frame frame) except -1:
        """The tail call: the expression that is the target's value takes the frame over."""
        cdef Py_ssize_t last = frame.template.node_count - 1
        cdef PyObject* expression = frame.values[last]
        cdef Template template
        self.scheduler.extraction.run(<LazyResult>expression)
        if self.scheduler.notify_tail_calls:
            return self.tell_tail(frame)
        if frame.template.matches(self.scheduler.extraction):
            self.scheduler.table.hit(frame.template)
            frame.template.recurs = True
            frame.rehydrate(self.scheduler.extraction)
            return 0
        template = self.scheduler.table.get(self.scheduler.extraction)
        frame.template.observe_tail(template)
        frame.hydrate(template, self.scheduler.extraction)
        self.at = template.node_count - 1
        if template.inputs or template.resources:
            self.admit(frame)
        return 0

    cdef int tell_tail(self, Frame frame) except -1:
        """The tail call, with the engine being told what the next expression is."""
        cdef Extraction extraction = self.scheduler.extraction
        cdef Template template
        cdef Py_ssize_t i
        slots = [<object>extraction.slots[i] for i in range(extraction.slot_count)]
        template = self.scheduler.table.get(extraction)
        frame.template.observe_tail(template)
        frame.hydrate(template, extraction)
        self.at = template.node_count - 1
        if template.inputs or template.resources:
            self.admit(frame)
        self.scheduler.callbacks.tail_call(self, template, slots, frame.parent is None)
        return 0

    cdef int leave(self, Frame frame) except -1:
        """The top frame has a value: it goes to the parent's node, or is the run's."""
        cdef Frame parent = frame.parent
        cdef Waiter waiter
        cdef Py_ssize_t last = frame.template.node_count - 1
        value = <object>frame.values[last]
        self.top = frame.below
        frame.below = None
        frame.stacked = False
        if parent is None:
            if type(value) is Skip:
                raise TaskSkippedError(self.scheduler.callbacks.describe_skip(value))
            self.value = value
            self.interrupted = False  # too late
            self.enter_phase(ENDED)
            return 0
        frame.parent = None
        parent.awaited -= 1
        if frame.completion is not None:
            completion = frame.completion
            frame.completion = None
            self.at = frame.parent_node  # where it fails, if it does
            self.push(parent)
            waiter = new_launched(self, parent, frame.parent_node)
            value = completion(waiter, value)
            if value is waiter:
                parent.awaited += 1
                self.link(waiter)
                return 0
        if frame.item:
            return self.settle_item(parent, frame.parent_node, frame.item, value)
        return self.settle(parent, frame.parent_node, value, None)

    cdef int look_again(self, Frame frame, Py_ssize_t node) except -1:
        """A node that had no leave to start may try once more."""
        self.push(frame)
        if not frame.scattered:
            frame.scatter()
        frame.push_ready(<int32_t>node)
        return 0

    cdef int settle_item(self, Frame frame, Py_ssize_t node, Py_ssize_t item, object value) except -1:
        """An item of a map has a value."""
        cdef MapState state = <MapState>frame.maps[node]
        state.results[item - 1] = skipped_member if type(value) is Skip else value
        state.flying -= 1
        self.push(frame)
        if not state.queued:  # it has more items to start, or was only waiting for this one
            state.queued = True
            frame.push_ready(<int32_t>node)
        return 0

    cdef int settle(self, Frame frame, Py_ssize_t node, object value, object completion) except -1:
        """A node that was awaited has a value, which may be an expression in turn, or a coroutine."""
        cdef PyObject* result
        cdef Frame child
        self.at = node
        self.push(frame)
        if type(value) is _CoroutineType and frame.template.nodes[node].kind == SYNC:
            result = self.call_async(frame, value)
            value = <object>result
            Py_DECREF_(result)
            if result == PENDING:
                frame.awaited += 1
                return 0
        if type(value) is LazyResult:
            self.completion = completion
            if self.is_tail(frame, &frame.template.nodes[node], node):
                if self.scheduler.notify_nodes:
                    self.tell_last(frame, node)
                Py_INCREF(value)
                frame.values[frame.template.node_count - 1] = <PyObject*>value
                return 0
            else:
                frame.awaited += 1
                self.completion = None
                child = self.enter(<LazyResult>value, frame, node)
                child.completion = completion
                self.push(child)
                return 0
        Py_INCREF(value)
        frame.values[node] = <PyObject*>value
        if self.scheduler.notify_nodes:
            self.tell_end(frame, node)
        if type(value) is Skip:
            frame.skipping = True
            if not frame.scattered:
                frame.scatter()
                return 0
        frame.resolve(node)
        return 0

    # ----------------------------------------------------------------------------------------------------- the end

    cdef int fail(self, object error, Frame frame, Py_ssize_t node) except -1:
        """A node has failed: note where, and stop."""
        self.record(error, frame, node)
        return self.stop()

    cdef int record(self, object error, Frame frame, Py_ssize_t node) except -1:
        """Note what has failed, and where."""
        if issubclass(type(error), (StopIteration, StopAsyncIteration)):
            # As PEP 479 has it: it could not leave a coroutine as itself.
            made = RuntimeError(f"a task raised {type(error).__name__}")
            made.__cause__ = error
            error = made
        if frame is None:
            self.scheduler.callbacks.annotate(error, self, None, 0)
        else:
            self.scheduler.callbacks.annotate(error, self, frame.template, frame.template.plan.order[node])
        if self.running:
            self.scheduler.extraction.clear()  # where it may have failed, half done
        if self.errors is None:
            self.errors = []
            self.failed = set()
        if id(error) not in self.failed:
            self.failed.add(id(error))
            self.errors.append(error)
        return 0

    cdef int stop(self) except -1:
        """Start nothing more. Timers and mailboxes are left at once; futures are for the engine to cancel.

        What has landed and was not looked at yet, perhaps behind the very error that stops the run, is not a value of
        it any more: messages among that go back.

        The walk over the waiters only moves pointers. What was unlinked goes back to others after it, and is let go of
        last: by then whatever the end of a value does to this run's channels or to the run finds it as it is to be.
        """
        cdef Waiter waiter = self.waiters
        cdef Waiter next, withdrawn = None
        cdef Frame stack
        cdef object _target, _expansion, _launches
        if self.phase != ACTIVE:
            return 0
        self.enter_phase(STOPPING)
        _target, _expansion, _launches = self.target, self.expansion, self.launches  # to be let go of last
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
        stack = self.top
        self.top = None
        try:
            self.return_messages()
        finally:
            while withdrawn is not None:
                waiter = withdrawn
                withdrawn = waiter.next
                waiter.next = None
                waiter.let_go()
            _let_go_stack(stack)
        return 0


cdef void _let_go_stack(Frame stack) noexcept:
    """Empty frames and their parents, one after the other: freed by reference they would recurse."""
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
    """Detach runs whose engine nothing holds: all of them, whatever that raises."""
    cdef Evaluation run
    cdef object failure = None
    for run in runs:
        try:
            run.detach()
        except BaseException as error:
            failure = error
    if failure is not None:
        raise failure
