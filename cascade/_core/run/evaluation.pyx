"""Evaluation: one run, its frames, and what happens between two decisions of the engine.

A run has a stack of frames that can go on. The top frame executes its nodes one after the other. If the value of a node
is an expression, the frame of that expression goes on top. If the target of a frame has a value, the frame hands it to
its parent. If the value of the target is an expression, the frame is rebound to that expression: a tail call. A node
that must be awaited has a waiter, and a frame that can start nothing leaves the stack until one of its waiters lands.

Nothing here recurses, so only memory limits the depth. Nothing here awaits: what needs the event loop or a worker is
handed to the engine.
"""

from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

from types import CoroutineType as _CoroutineType

from libc.limits cimport LLONG_MAX
from libc.stdint cimport int32_t

from cascade._core.run.branching cimport DEFERRED, MapState
from cascade._core.expr.lazy cimport LazyResult, use
from cascade._core.shape.extract cimport Extraction
from cascade._core.run.mailbox cimport Received
from cascade._core.run.scheduler cimport ACTIVE, DECIDE, ENDED, PARKED, READY, STOPPING, Scheduler
from cascade._core.expr.builtin_nodes cimport Skip, skipped_member
from cascade._core.expr.data cimport Data, unwrapped
from cascade._core.expr.task_spec cimport MAP, SYNC
from cascade._core.run.results cimport examine, gives_expressions
from cascade._core.shape.containers cimport may_hold
from cascade._core.shape.template cimport Node, Template
from cascade._core.run.place cimport place_of
from cascade._core.run.unseen cimport unseen_in_value
from cascade._core.run.waiting cimport PENDING, Launched, Waiter, discard, new_launched

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


cdef class Evaluation(Regions):
    """The compiled part of a run.

    Args:
        scheduler: of the engine that owns the run.
        target: a lazy result.
        context: the context in which its tasks run.
    """

    def __init__(self, Scheduler scheduler not None, LazyResult target not None, context):
        self.scheduler = scheduler
        self.target = target
        use(target)
        self.context = context
        self._max_iterations = LLONG_MAX

    # ------------------------------------------------ for `cascade.engine`: with an underscore, as users have runs too

    def _begin(self):
        """Put the run into the queue of ready runs, for its first turn."""
        if self.scheduler is not None:
            self.scheduler.push(self)

    @property
    def _is_ready(self):
        """Whether the run stands in the queue of ready runs."""
        return self.queued

    @property
    def _is_running(self):
        """Whether one of the run's tasks is being executed in the event loop's thread now."""
        return self.running

    def _running_place(self):
        """Return the `Place` of the node that is being executed; None: none is."""
        cdef Frame frame = self.top
        if not self.running or frame is None or frame.count == 0:
            return None
        return place_of(frame, self.at)

    def _next_target(self):
        """Return the target of the frame that it works on next: (template, number of the node); None: there is none."""
        cdef Frame frame = self.top
        if frame is None or frame.count == 0:
            return None
        return frame.template, frame.template.node_count - 1

    @property
    def _context(self):
        """The context in which the run's tasks run."""
        return self.context

    # ------------------------------------------------------------------------------------------- between decisions

    cdef int advance(self) except -1:
        """Advance the run until the turn is over, or the run must wait, or the engine has something to decide."""
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
        # While the run was running, nothing pushed it: not a waiter that landed, not a request to cancel.
        if self.phase < ENDED and (
            self.first_landed is not None or self.requests is not None or (self.interrupted and self.phase == ACTIVE)
        ):
            self.scheduler.push(self)
        return status

    cdef int go_on(self) except -1:
        """Take what has landed and work on the frames, by turns, until neither is left or the turn is over.

        Invariant: a run that is parked is pushed by whatever it waits for. Other code can do two things to a run that
        is running: let a waiter land, and set `interrupted`. Neither pushes the run then, so both are checked after
        each round here, and once more at the end of `advance`. Without one of these checks a wake-up would be lost, and
        the run would wait for ever.

        The phase decides what is returned. ACTIVE: the status of the frames. STOPPING: DECIDE in the advance in which
        the run began to stop, as the engine has to cancel the handles; PARKED in later ones, as cancelling a task twice
        would interrupt its cleanup; but DECIDE if no waiter is left, as then the run has ended.

        All errors come to the one `except`: of tasks, of extraction, of linking a template. `top` and `at` are the
        place of the error: the frame that is being worked on stays on top, and `at` is set before what may raise.
        """
        cdef int status = READY
        cdef bint was_active = self.phase == ACTIVE
        while True:
            failure = None
            try:
                status = self.work()
            except BaseException as error:
                failure = error
            if failure is None:
                break
            # Not while the exception is being handled: what is raised and caught in there would have it as context, and
            # Python walks down the whole chain of its contexts each time.
            self.catch_or_fail(failure, self.top, self.at)
            if self.phase != ACTIVE:
                break
        if self.phase == STOPPING:
            self.discard_landed()  # what has landed meanwhile does not push the run
            if self.waiters is None:
                self.enter_phase(ENDED)
                self.leave_frames()
            elif not was_active:
                return PARKED
        return status if self.phase == ACTIVE else DECIDE

    cdef int work(self) except -1:
        """The rounds of `go_on`."""
        cdef int status = READY
        if self.target is not None and not self.interrupted:
            target = self.target
            self.target = None
            self.push(self.enter(<LazyResult>target, None, 0))
        while True:
            if self.interrupted and self.phase == ACTIVE:
                self.stop()
            if self.requests is not None and self.phase == ACTIVE:
                self.serve_requests()
            if self.first_landed is not None:
                self.settle_landed()
            if self.phase != ACTIVE:
                return status
            status = self.run_frames()
            if self.launches is not None:
                self.launch()
            if status == READY or self.phase >= ENDED or (
                self.first_landed is None and not self.interrupted and self.requests is None
            ):
                return status

    cdef int settle_landed(self) except -1:
        """Take what has landed, in the order in which it did. An error stops the run; the rest is then discarded."""
        cdef Waiter waiter
        cdef Frame frame
        while self.phase == ACTIVE and self.first_landed is not None:
            waiter = self.pop_landed()
            if self.regions is not None and self.holds_back(waiter):
                continue
            frame, value, error, completion = waiter.frame, waiter.value, waiter.error, waiter.completion
            waiter.clear()
            if self.dying is not None and waiter in self.dying:
                self.settle_dying(waiter, frame, value, error, completion)
                continue
            frame.awaited -= 1
            if error is None:
                try:
                    if waiter.permitted:
                        self.make_ready(frame, waiter.node)
                    elif gives_expressions(&frame.template.nodes[waiter.node]):
                        self.settle_returned(frame, waiter.node, value, completion)
                    elif frame.template.nodes[waiter.node].kind == MAP:
                        self.wake_map(frame, waiter.node, True)
                    else:
                        self.settle(frame, waiter.node, value, completion)
                except BaseException as failure:
                    error = failure
            if error is not None:
                self.catch_or_fail(error, frame, waiter.node)
                error = None
        if self.first_landed is not None:
            self.discard_landed()
        return 0

    cdef int run_frames(self) except -1:
        """Work on the stack of frames: PARKED once it is empty, READY if the turn is over before."""
        cdef Frame frame, child
        cdef int outcome
        while self.top is not None:
            frame = self.top
            outcome = self.run_frame(frame)
            if outcome == HAS_TAIL:
                if self.iterations >= self._max_iterations:
                    self.exceed(frame)
                    return READY
                self.replace(frame)
                self.iterations += 1
                if self.scheduler.yields or self.scheduler.burn(1) or self.interrupted:
                    return READY
            elif outcome == HAS_VALUE:
                self.finish_frame(frame)
                if self.phase >= ENDED:
                    return PARKED
            elif outcome == HAS_CHILD:
                child = self.enter(self.expansion, frame, self.at)
                frame.awaited += 1
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
        """Execute nodes until the frame has a value, or must wait, or another frame goes on top."""
        cdef Template template = frame.template
        cdef Py_ssize_t last = template.node_count - 1
        cdef Py_ssize_t at
        cdef Node* node
        cdef PyObject* result
        # Whether nodes take the slow path. `Scheduler.configure` may change `observed` meanwhile: it also uses up the
        # fuel, so that it is read again before the next node.
        cdef bint check_each = template.check_each or frame.skipping or self.scheduler.observed
        self.at = last
        if frame.values[last] is not NULL:
            if frame.tails:
                frame.tails = False
                return HAS_TAIL
            return HAS_VALUE
        while True:
            if frame.scattered:
                if frame.ready_count == 0:
                    if frame.awaited == 0:
                        raise InternalError("a frame has no node to start and none to wait for; please report this")
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
            result = self.execute_slow(frame, node) if check_each else self.execute(frame, node)
            if result == PENDING:
                Py_DECREF_(result)
                frame.awaited += 1
                check_each |= self.scheduler.observed  # the first step of a coroutine may have changed it
                continue
            if check_each and result == DEFERRED:
                Py_DECREF_(result)
                continue
            if may_hold(Py_TYPE(result)):
                if not check_each and Py_TYPE(result) != Lazy:
                    result = examine(self.scheduler.extraction, node, result)
                if Py_TYPE(result) == Lazy:
                    if self.is_tail(frame, node, at) if check_each else at == last:
                        frame.values[last] = result
                        return HAS_TAIL
                    self.expansion = <LazyResult>result
                    Py_DECREF_(result)
                    return HAS_CHILD
                if Py_TYPE(result) == <PyObject*>Data:
                    result = unwrapped(result)
            frame.values[at] = result
            if at == last:
                return HAS_VALUE
            if frame.scattered:
                frame.resolve(at)
            if self.scheduler.monitor.fuel <= 0:
                self.scheduler.read_clock()
                if self.scheduler.spent:
                    return IS_SPENT
                check_each |= self.scheduler.observed
            if self.interrupted:
                return IS_SPENT

    # ----------------------------------------------------------------------------------------------------- frames

    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node):
        """Make a frame for an expression, whose value is that of a node of `parent`, or of the run if that is None."""
        cdef Frame frame = Frame.__new__(Frame)
        self.scheduler.extraction.run(expression)
        frame.hydrate(self.scheduler.table.get(self.scheduler.extraction), self.scheduler.extraction)
        self.number_calls(frame)
        frame.parent = parent
        frame.parent_node = <int32_t>parent_node
        if self.scheduler.debugging:
            self.remember(frame, expression)
        if frame.template.catches:
            self.has_catching = True
        if frame.template.inputs or frame.template.resources or (parent is None and self._extras is not None):
            self.admit(frame)
        return frame

    cdef int remember(self, Frame frame, LazyResult expression) except -1:
        """In debug mode: keep an expression as long as its frame, for errors that say where it was written."""
        if self.expressions is None:
            self.expressions = {}
        self.expressions[<size_t><PyObject*>frame] = expression
        return 0

    cdef int admit(self, Frame frame) except -1:
        """Have the engine check the params, variables and resources of a frame before any node of it starts."""
        cdef Template template = frame.template
        cdef tuple order = template.plan.order
        specs = [
            <object>frame.values[template.operands[template.nodes[at].first_operand]]
            for at in range(template.node_count) if order[at] in template.inputs
        ] if template.inputs else []
        self.scheduler.callbacks.admit(self, template, specs)
        return 0

    cdef int exceed(self, Frame frame) except -1:
        """Fail, as this tail call would be one too many. Nothing in the expression may catch that: it would go on."""
        following = <object>frame.values[frame.template.node_count - 1]
        use(<LazyResult?>following)  # it was returned, as debug mode asks for
        return self.fail(self.scheduler.callbacks.iterations_met(self, following), frame, self.at)

    cdef int replace(self, Frame frame) except -1:
        """Make a tail call: rebind the frame to the expression that its target has returned."""
        cdef Py_ssize_t last = frame.template.node_count - 1
        cdef PyObject* expression = frame.values[last]
        cdef Template template
        self.scheduler.extraction.run(<LazyResult>expression)
        if self.scheduler.notify_tail_calls:
            return self.replace_observed(frame)
        if frame.template.matches(self.scheduler.extraction):
            self.scheduler.table.hit(frame.template)
            frame.template.recurs = True
            frame.rehydrate(self.scheduler.extraction)
            self.number_calls(frame)
            return 0
        template = self.scheduler.table.get(self.scheduler.extraction)
        frame.template.observe_tail(template)
        frame.hydrate(template, self.scheduler.extraction)
        self.number_calls(frame)
        if template.catches:
            self.has_catching = True
        self.at = template.node_count - 1
        if template.inputs or template.resources:
            self.admit(frame)
        return 0

    cdef int replace_observed(self, Frame frame) except -1:
        """Make a tail call, and report the template and slots of the next expression to the engine."""
        cdef Extraction extraction = self.scheduler.extraction
        cdef Template template
        cdef Py_ssize_t i
        slots = [<object>extraction.slots[i] for i in range(extraction.slot_count)]
        if self.scheduler.debugging:
            self.remember(frame, <LazyResult>frame.values[frame.template.node_count - 1])
        template = self.scheduler.table.get(extraction)
        frame.template.observe_tail(template)
        frame.hydrate(template, extraction)
        self.number_calls(frame)
        if template.catches:
            self.has_catching = True
        self.at = template.node_count - 1
        if template.inputs or template.resources:
            self.admit(frame)
        self.scheduler.callbacks.tail_call(self, template, slots, frame.parent is None)
        return 0

    cdef int finish_frame(self, Frame frame) except -1:
        """Take the top frame off the stack. Its value goes to the parent's node, or is the value of the run."""
        cdef Frame parent = frame.parent
        cdef Launched waiter
        cdef Template template = frame.template
        cdef Py_ssize_t last = template.node_count - 1
        if self.scheduler.notify_nodes:
            self.notify_pruned(frame)
        value = <object>frame.values[last]
        self.top = frame.below
        frame.below = None
        frame.stacked = False
        if self.expressions is not None:
            self.expressions.pop(<size_t><PyObject*>frame, None)
        if parent is None:
            if type(value) is Skip:
                raise TaskSkippedError(self.scheduler.callbacks.describe_skip(value))
            self.value = value
            if type(value) is Received or may_hold(Py_TYPE(<PyObject*>value)):
                self.received = unseen_in_value(frame, frame.template.node_count - 1)
            self.interrupted = False  # the request to cancel came too late
            self.enter_phase(ENDED)
            return 0
        frame.parent = None
        parent.awaited -= 1
        if frame.awaiter is not None:
            return self.finish_child(frame, value)
        if frame.completion is not None:
            completion = frame.completion
            frame.completion = None
            self.at = frame.parent_node  # the node to blame if the completion raises
            self.push(parent)
            waiter = new_launched(self, parent, frame.parent_node)
            try:
                value = completion(waiter, value)
            except BaseException:
                discard(waiter)
                raise
            if self.is_awaited(waiter, value):
                parent.awaited += 1
                return 0
            if type(value) is Data:
                value = (<Data>value).value
        if frame.item:
            return self.settle_item(parent, frame.parent_node, frame.item, value)
        if type(value) is LazyResult:  # as data: it is the value of the frame
            value = Data(value)
        return self.settle(parent, frame.parent_node, value, None)

    cdef int make_ready(self, Frame frame, Py_ssize_t node) except -1:
        """Execute a node again that had no permit to start."""
        self.push(frame)
        if not frame.scattered:
            frame.scatter()
        frame.push_ready(<int32_t>node)
        return 0

    cdef int settle_item(self, Frame frame, Py_ssize_t node, Py_ssize_t item, object value) except -1:
        """Store the value of an item of a map."""
        cdef MapState state = <MapState>frame.maps[node]
        state.results[item - 1] = skipped_member if type(value) is Skip else value
        state.in_flight -= 1
        if state.zipped.feed is not None:
            state.zipped.feed.allow()
        return self.wake_map(frame, node, False)  # it has more items to start, or this was the last one

    cdef int wake_map(self, Frame frame, Py_ssize_t node, bint has_landed) except -1:
        """Execute a map again. ``has_landed``: what has fed it has closed its async inputs."""
        cdef MapState state = <MapState>frame.maps[node]
        if has_landed:
            state.is_fed = False
        self.push(frame)
        if not state.queued:
            state.queued = True
            frame.push_ready(<int32_t>node)
        return 0

    cdef int settle_returned(self, Frame frame, Py_ssize_t node, object value, object completion) except -1:
        """Store what a function has returned that was awaited: perhaps a coroutine that a worker has made."""
        cdef PyObject* result = <PyObject*>value
        Py_INCREF(value)
        if type(value) is _CoroutineType and frame.template.nodes[node].kind == SYNC:
            Py_DECREF_(result)
            self.at = node
            self.push(frame)
            result = self.call_async(frame, value)
            if result == PENDING:
                Py_DECREF_(result)
                frame.awaited += 1
                return 0
        result = examine(self.scheduler.extraction, &frame.template.nodes[node], result)
        value = <object>result
        Py_DECREF_(result)
        return self.settle(frame, node, value, completion)

    cdef int settle(self, Frame frame, Py_ssize_t node, object value, object completion) except -1:
        """Store what a node that was awaited has come to: an expression, a value, or a `Data` around one."""
        cdef Frame child
        self.at = node
        self.push(frame)
        if type(value) is LazyResult:
            self.completion = completion
            if self.is_tail(frame, &frame.template.nodes[node], node):
                if self.scheduler.notify_nodes:
                    self.notify_tail_finished(frame, node)
                Py_INCREF(value)
                frame.values[frame.template.node_count - 1] = <PyObject*>value
                frame.tails = True
                return 0
            else:
                child = self.enter(<LazyResult>value, frame, node)
                self.completion = None
                frame.awaited += 1
                child.completion = completion
                self.push(child)
                return 0
        if type(value) is Data:
            value = (<Data>value).value
        Py_INCREF(value)
        frame.values[node] = <PyObject*>value
        if self.scheduler.notify_nodes:
            self.notify_finished(frame, node)
        if type(value) is Skip:
            frame.skipping = True
            if not frame.scattered:
                frame.scatter()
                return 0
        frame.resolve(node)
        return 0
