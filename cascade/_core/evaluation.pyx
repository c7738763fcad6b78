"""Evaluation: the state of one run between two decisions.

A run is a stack of frames that can go on. The top frame executes its nodes one after the other; a node whose value is
an expression puts that expression's frame on top; a frame whose target has a value hands it to its parent; a target
whose value is an expression has its frame replaced. A node that must be awaited leaves a waiter behind, and a frame
that can start nothing leaves the stack until one of its waiters lands. Nothing here recurses, so depth is limited by
memory only; nothing here awaits: what needs the event loop or a worker is handed to the launcher.
"""

from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from cpython.ref cimport Py_INCREF

from types import CoroutineType as _CoroutineType

from cascade._core.key cimport CALL
from cascade._core.lazy cimport Task
from cascade._core.operands cimport build, call, keywords, positional
from cascade._core.scheduler cimport DECIDE, PARKED, READY, Scheduler
from cascade._core.spec cimport AUTO, DEFAULT, INLINE, MODES, RECV, SYNC, WAIT
from cascade._core.template cimport Template
from cascade._core.waiter cimport PENDING, Awaiting, Waiter, new_waiter

from cascade.exceptions import InternalError

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
cdef PyObject* Coroutine = <PyObject*>_CoroutineType


cdef class Evaluation(Awaiting):
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
        cdef Frame frame
        while self.top is not None:
            frame = self.top
            self.top = frame.below
            frame.below = None
            _let_go(frame)

    def begin(self):
        """Stand in the queue."""
        if self.scheduler is not None:
            self.scheduler.push(self)

    def interrupt(self):
        """Have it stopped, from outside."""
        if not self.ended and self.scheduler is not None:
            self.interrupted = True
            if not self.running:
                self.scheduler.push(self)

    def abandon(self, error):
        """End it at once, with this error, awaiting nothing: its event loop or its engine has failed."""
        if self.running:
            raise InternalError("a run was to be abandoned by one of its own tasks")
        if not self.ended:
            self.fail(error, None, 0)
            self.settle_landed()
            self.ended = True

    @property
    def is_ready(self):
        """Whether it stands in the queue."""
        return self.queued

    @property
    def is_running(self):
        """Whether one of its tasks is running in the loop's thread right now."""
        return self.running

    # ------------------------------------------------------------------------------------------- between decisions

    cdef int advance(self) except -1:
        """Go on until the turn is over, or it must wait, or a decision is due."""
        cdef int status
        if self.ended:
            return PARKED
        self.running = True
        PyContext_Enter(self.context)
        try:
            status = self.go_on()
        finally:
            PyContext_Exit(self.context)
            self.running = False
        # As long as it was running, who had something for it did not wake it.
        if not self.ended and (self.first_landed is not None or (self.interrupted and not self.stopping)):
            self.scheduler.push(self)
        return status

    cdef int go_on(self) except -1:
        cdef int status = READY
        cdef bint was_stopping = self.stopping
        try:
            if self.target is not None and not self.interrupted:
                target = self.target
                self.target = None
                self.push(self.enter(<LazyResult>target, None, 0))
            while True:
                if self.interrupted and not self.stopping:
                    self.stop()
                if self.first_landed is not None:
                    self.settle_landed()
                if self.stopping or self.ended:
                    break
                status = self.run_frames()
                if self.launches is not None:
                    self.launch()
                if status == READY or self.ended or (self.first_landed is None and not self.interrupted):
                    break
        except BaseException as error:
            self.fail(error, self.top, self.at)
        if self.stopping:
            self.settle_landed()  # what has landed meanwhile will not wake the run
            if self.waiters is None:
                self.ended = True
        if self.ended or (self.stopping and not was_stopping):
            return DECIDE
        return PARKED if self.stopping else status

    cdef int settle_landed(self) except -1:
        """Take what has arrived, in the order of arrival."""
        cdef Waiter waiter
        cdef Frame frame
        if self.stopping:
            self.return_messages()
        while self.first_landed is not None:
            waiter = self.first_landed
            self.first_landed = waiter.next_landed
            waiter.next_landed = None
            frame, value, error = waiter.frame, waiter.value, waiter.error
            waiter.let_go()
            if error is not None:
                self.fail(error, frame, waiter.node)
            elif not self.stopping:
                frame.awaited -= 1
                try:
                    self.settle(frame, waiter.node, value)
                except BaseException as failure:
                    self.fail(failure, frame, waiter.node)
        return 0

    cdef int run_frames(self) except -1:
        """Work on the stack of frames. PARKED when it is empty."""
        cdef Frame frame
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
                if self.ended:
                    return PARKED
            elif outcome == HAS_CHILD:
                frame.awaited += 1
                expression = self.expansion
                self.expansion = None
                self.push(self.enter(expression, frame, self.at))
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
        self.at = last
        if frame.values[last] is not NULL:
            return HAS_TAIL if Py_TYPE(frame.values[last]) == Lazy else HAS_VALUE
        while True:
            if frame.scattered:
                if frame.ready_count == 0:
                    return IS_PARKED
                at = frame.pop_ready()
            elif frame.awaited:
                if template.serial:
                    return IS_PARKED
                frame.scatter()
                continue
            else:
                at = frame.next
                frame.next = at + 1
            node = &template.nodes[at]
            self.at = at
            result = self.execute(frame, node)
            if result == PENDING:
                Py_DECREF_(result)
                frame.awaited += 1
                continue
            kind = Py_TYPE(result)
            if kind == Lazy:
                if at == last:
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
            if self.interrupted:
                return IS_SPENT

    # -------------------------------------------------------------------------------------------------- one node

    cdef PyObject* execute(self, Frame frame, Node* node) except NULL:
        """Start a node: its value, or PENDING. A new reference either way."""
        cdef PyObject* made
        cdef PyObject* task
        cdef int mode
        if node.op != CALL:
            return build(frame, node)
        if node.kind == SYNC:
            task = frame.values[node.source]
            mode = node.mode
            if mode == DEFAULT:
                mode = self.scheduler.default_mode
            if mode == AUTO and (<Task>task).spec.runs_inline:
                self.scheduler.watch.note((<Task>task).spec)
            elif mode != INLINE:
                return self.call_worker(frame, node, mode)
            self.scheduler.watch.fuel -= 1
            made = call(frame, node, <PyObject*>(<Task>task).fn)
            if Py_TYPE(made) != Coroutine:
                return made
            coroutine = <object>made  # of a plain function around an async one
            Py_DECREF_(made)
            return self.call_async(frame, coroutine)
        if node.kind == RECV:
            return self.receive(frame, node, self.at)
        if node.kind == WAIT:
            return self.wait(frame, node, self.at)
        made = call(frame, node, <PyObject*>(<Task>frame.values[node.source]).fn)
        coroutine = <object>made
        Py_DECREF_(made)
        return self.call_async(frame, coroutine)

    cdef PyObject* call_async(self, Frame frame, object coroutine) except NULL:
        cdef Waiter waiter = new_waiter(self, frame, self.at)
        value = self.scheduler.launcher.launch_async(waiter, coroutine)
        self.scheduler.watch.fuel -= 1
        if value is waiter:
            self.link(waiter)
            value = <object>PENDING
        Py_INCREF(value)
        return <PyObject*>value

    cdef PyObject* call_worker(self, Frame frame, Node* node, int mode) except NULL:
        """Have a worker call it, once this advance is over: by then all that can start is known, the urgent first."""
        cdef Waiter waiter = new_waiter(self, frame, self.at)
        if self.launches is None:
            self.launches = []
        task = <object>frame.values[node.source]
        self.launches.append(
            (-node.priority, waiter, task, positional(frame, node), keywords(frame, node), MODES[mode])
        )
        self.link(waiter)
        Py_INCREF_(PENDING)
        return PENDING

    # ------------------------------------------------------------------------------------------------- the frames

    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node):
        """A frame for an expression."""
        cdef Frame frame = Frame.__new__(Frame)
        self.scheduler.extraction.run(expression)
        frame.hydrate(self.scheduler.table.get(self.scheduler.extraction), self.scheduler.extraction)
        frame.parent = parent
        frame.parent_node = parent_node
        return frame

    cdef int replace(self, Frame frame) except -1:
        """The tail call: the expression that is the target's value takes the frame over."""
        cdef Py_ssize_t last = frame.template.node_count - 1
        cdef PyObject* expression = frame.values[last]
        cdef Template template
        self.scheduler.extraction.run(<LazyResult>expression)
        if frame.template.matches(self.scheduler.extraction):
            self.scheduler.table.hit(frame.template)
            frame.template.recurs = True
            frame.rehydrate(self.scheduler.extraction)
            return 0
        template = self.scheduler.table.get(self.scheduler.extraction)
        frame.template.observe_tail(template)
        frame.hydrate(template, self.scheduler.extraction)
        return 0

    cdef int leave(self, Frame frame) except -1:
        """The top frame has a value: it goes to the parent's node, or is the run's."""
        cdef Frame parent = frame.parent
        cdef Py_ssize_t last = frame.template.node_count - 1
        value = <object>frame.values[last]
        self.top = frame.below
        frame.below = None
        frame.stacked = False
        if parent is None:
            self.value = value
            self.ended = True
            return 0
        frame.parent = None
        parent.awaited -= 1
        return self.settle(parent, frame.parent_node, value)

    cdef int settle(self, Frame frame, Py_ssize_t node, object value) except -1:
        """A node that was awaited has a value, which may be an expression in turn, or a coroutine."""
        cdef PyObject* result
        self.at = node
        self.push(frame)
        if type(value) is _CoroutineType and frame.template.nodes[node].kind == SYNC:
            result = self.call_async(frame, value)
            value = <object>result
            Py_DECREF_(result)
            if result == PENDING:
                frame.awaited += 1
                return 0
        if type(value) is LazyResult and node != frame.template.node_count - 1:
            frame.awaited += 1
            self.push(self.enter(<LazyResult>value, frame, node))
            return 0
        Py_INCREF(value)
        frame.values[node] = <PyObject*>value
        frame.resolve(node)
        return 0

    # -------------------------------------------------------------------------------------- what has to be awaited

    cdef int launch(self) except -1:
        """Hand the calls for workers over, the most urgent first."""
        cdef Waiter waiter
        launches = self.launches
        self.launches = None
        launches.sort(key=_urgency)
        for _, waiter, task, arguments, keywords, mode in launches:
            if self.stopping:
                waiter.land(None, None)
                continue
            try:
                self.scheduler.launcher.launch_worker(waiter, task, arguments, keywords, mode)
            except BaseException as error:
                waiter.land(None, error)
        return 0

    # ----------------------------------------------------------------------------------------------------- the end

    cdef int fail(self, object error, Frame frame, Py_ssize_t node) except -1:
        """A node has failed: note where, and stop."""
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            # As PEP 479 has it: it could not leave a coroutine as itself.
            made = RuntimeError(f"a task raised {type(error).__name__}")
            made.__cause__ = error
            error = made
        if frame is None:
            self.scheduler.launcher.annotate(error, self, None, 0)
        else:
            self.scheduler.launcher.annotate(error, self, frame.template, frame.template.plan.order[node])
        self.scheduler.extraction.clear()  # where it may have failed, half done
        if self.errors is None:
            self.errors = []
            self.failed = set()
        if id(error) not in self.failed:
            self.failed.add(id(error))
            self.errors.append(error)
        self.stop()
        return 0

    cdef int stop(self) except -1:
        """Start nothing more. Timers and mailboxes are left at once; futures are for the launcher to cancel."""
        cdef Waiter waiter = self.waiters
        cdef Waiter next
        cdef Frame frame
        if self.stopping:
            return 0
        self.stopping = True
        self.target = None
        self.expansion = None
        if self.launches is not None:
            self.launch()
            waiter = self.waiters
        while waiter is not None:
            next = waiter.next
            if waiter.handle is None:
                self.scheduler.clock.cancel(waiter)
                if waiter.mailbox is not None:
                    waiter.mailbox.leave(waiter)
                waiter.landed = True
                self.unlink(waiter)
            frame = waiter.frame
            waiter = next
            _let_go(frame)
        while self.top is not None:
            frame = self.top
            self.top = frame.below
            frame.below = None
            frame.stacked = False
            _let_go(frame)
        return 0


def _urgency(launch):
    return launch[0]


cdef int _let_go(Frame frame) except -1:
    """Empty a frame and its parents, one after the other: freed by reference they would recurse."""
    cdef Frame parent
    while frame is not None:
        parent = frame.parent
        frame.parent = None
        frame.clear()
        frame = parent
    return 0
