"""Starting nodes: where the work of one is done, and what goes with it.

Most nodes stay on the compiled path: `Starting.execute` calls a function, or builds a container, or hands a coroutine
or a call for a worker to the engine. There is one door out of it, `Starting.step_aside`, for all that a node may need
beside that; who uses none of it pays for looking whether the door must be taken.
"""

from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t

from types import CoroutineType as _CoroutineType

from cascade._core.run.branching cimport DEFERRED, Deciding
from cascade._core.shape.key cimport CALL
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.operands cimport build, call, keywords, positional
from cascade._core.expr.builtin_nodes cimport Placeholder, Skip
from cascade._core.expr.task_spec cimport (
    ASYNC, AUTO, DEFAULT, INLINE, MAP, MODES, PROCESS, SYNC, THREAD, calls_function, waits,
)
from cascade._core.expr.task cimport Task
from cascade._core.shape.template cimport LEAVES, STAYS
from cascade._core.run.waiting cimport PENDING, Waiter, new_launched

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept

cdef PyObject* Lazy = <PyObject*>LazyResult
cdef PyObject* Coroutine = <PyObject*>_CoroutineType
cdef PyObject* SkipType = <PyObject*>Skip


cdef class Starting(Deciding):
    """The part of a run that starts nodes."""

    cdef PyObject* execute(self, Frame frame, Node* node) except NULL:
        """Start a node: its value, PENDING or DEFERRED. A new reference in any case."""
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
            if mode != INLINE:
                if self.scheduler.virtual:
                    self.stay(<Task>task, mode)
                elif mode == AUTO and (<Task>task).spec.runs_inline:
                    self.scheduler.watch.note((<Task>task).spec)
                else:
                    return self.call_worker(frame, node, mode)
            self.scheduler.watch.fuel -= 1
            made = call(frame, node, <PyObject*>(<Task>task).fn)
            if Py_TYPE(made) != Coroutine:
                return made
            coroutine = <object>made  # of a plain function around an async one
            Py_DECREF_(made)
            return self.call_async(frame, coroutine)
        if node.kind != ASYNC:
            return self.decide(frame, node, self.at)
        made = call(frame, node, <PyObject*>(<Task>frame.values[node.source]).fn)
        coroutine = <object>made
        Py_DECREF_(made)
        return self.call_async(frame, coroutine)

    cdef PyObject* call_async(self, Frame frame, object coroutine) except NULL:
        cdef Waiter waiter = new_launched(self, frame, self.at)
        value = self.scheduler.callbacks.launch_async(waiter, coroutine)
        self.scheduler.watch.fuel -= 1
        if value is waiter:
            self.link(waiter)
            value = <object>PENDING
        Py_INCREF(value)
        return <PyObject*>value

    cdef PyObject* call_worker(self, Frame frame, Node* node, int mode) except NULL:
        """Have a worker call it, once this advance is over: by then all that can start is known, the urgent first."""
        cdef Waiter waiter = new_launched(self, frame, self.at)
        if self.launches is None:
            self.launches = []
        task = <object>frame.values[node.source]
        self.launches.append(
            (-node.priority, waiter, task, positional(frame, node), keywords(frame, node),
             MODES[THREAD if mode == AUTO else mode])
        )
        self.link(waiter)
        Py_INCREF_(PENDING)
        return PENDING

    cdef int stay(self, Task task, int mode) except -1:
        """A call runs inline, as no time passes in a worker that a virtual clock knew of. Tell it where it matters."""
        if mode == THREAD or mode == PROCESS:
            self.scheduler.callbacks.stays(task, MODES[mode])
        return 0

    cdef int launch(self) except -1:
        """Hand the calls for workers over, the most urgent first."""
        cdef Waiter waiter
        launches = self.launches
        self.launches = None
        launches.sort(key=_urgency)
        for _, waiter, task, arguments, keywords, mode in launches:
            try:
                self.scheduler.callbacks.launch_worker(waiter, task, arguments, keywords, mode)
            except BaseException as error:
                waiter.land(None, error)
        return 0

    # --------------------------------------------------------------------------------------------------- the door

    cdef PyObject* step_aside(self, Frame frame, Node* node) except NULL:
        """The door out of the compiled path, for a node that may be skipped, told of, need leave or have policies."""
        cdef Py_ssize_t at = self.at
        cdef PyObject* skip = NULL
        cdef PyObject* made
        cdef bint told = self.scheduler.notify_nodes and node.op == CALL
        cdef bint leaves
        if node.door == STAYS and not frame.skipping and not self.scheduler.observed:
            return self.execute(frame, node)
        leaves = node.door == LEAVES or (node.door != STAYS and self.takes_placeholder(frame, node))
        if frame.skipping:
            skip = self.skipped(frame, node)
            if skip is not NULL:
                if told:
                    self.scheduler.callbacks.node_skipped(self, frame.template, at, <object>skip)
                Py_INCREF_(skip)
                return skip
        if self.scheduler.limits_active and node.op == CALL and not leaves:
            if calls_function(node.kind):
                leaves = self.scheduler.callbacks.governs(self, <object>frame.values[node.source])
            elif waits(node.kind) and not self.may_start(frame, node):
                Py_INCREF_(PENDING)
                return PENDING
        if leaves:  # a step tells itself when it has all that it needs, and starts
            made = self.call_step(frame, node)
        else:
            if told and not (frame.template.by_need and (frame.chosen[at] >= 0 or (
                frame.maps is not None and at in frame.maps
            ))):
                self.scheduler.callbacks.node_started(self, frame.template, at, <size_t><PyObject*>frame)
            made = self.execute(frame, node)
        if told and made != PENDING and made != DEFERRED:
            if Py_TYPE(made) == SkipType:
                self.scheduler.callbacks.node_skipped(self, frame.template, at, <object>made)
            elif Py_TYPE(made) != Lazy:
                self.tell_end(frame, at)
            elif self.is_tail(frame, node, at):
                self.tell_last(frame, at)
        return made

    cdef bint may_start(self, Frame frame, Node* node) except -1:
        """Ask the engine for leave to start a node that the engine evaluates itself; else it is looked at again."""
        cdef Waiter waiter = new_launched(self, frame, self.at)
        if self.scheduler.callbacks.may_start(
            waiter, self, frame.template, self.at, <size_t><PyObject*>frame, <object>frame.values[node.source]
        ):
            return True
        self.link(waiter)
        return False

    cdef bint takes_placeholder(self, Frame frame, Node* node) noexcept:
        """Whether an argument is a resource that is to be set up for this call alone."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef Py_ssize_t i
        for i in range(node.operands):
            if Py_TYPE(frame.values[operands[i]]) == <PyObject*>Placeholder:
                return True
        return False

    cdef PyObject* call_step(self, Frame frame, Node* node) except NULL:
        """Have the engine evaluate a node with all that goes with it: policies, limits, resources of its own."""
        cdef Py_ssize_t at = self.at
        cdef int32_t* operands = frame.template.operands + node.first_operand + node.operands
        cdef Waiter waiter = new_launched(self, frame, at)
        cdef Task task = <Task>frame.values[node.source]
        cdef dict policies = None
        cdef int mode = node.mode
        cdef str where = "async"
        if node.roles:
            policies = {}
            for i, role in enumerate(<tuple>frame.template.roles[at]):
                if role != "after":
                    policies[role] = <object>frame.values[operands[<Py_ssize_t>i]]
        if node.kind == SYNC:
            if mode == DEFAULT:
                mode = self.scheduler.default_mode
            if self.scheduler.virtual:
                self.stay(task, mode)
                mode = INLINE
            elif mode == AUTO and task.spec.runs_inline:
                mode = INLINE
                self.scheduler.watch.note(task.spec)
            where = MODES[THREAD if mode == AUTO else mode]
        self.scheduler.watch.fuel -= 1
        value = self.scheduler.callbacks.launch_step(
            waiter, self, frame.template, at, <size_t><PyObject*>frame, task, positional(frame, node),
            keywords(frame, node), policies, where
        )
        if value is waiter:
            self.link(waiter)
            value = <object>PENDING
        elif type(value) is LazyResult:
            self.completion = waiter.completion
        Py_INCREF(value)
        return <PyObject*>value

    cdef int tell_end(self, Frame frame, Py_ssize_t node) except -1:
        """Tell that a call has ended well."""
        if frame.template.nodes[node].op == CALL:
            self.scheduler.callbacks.node_finished(self, frame.template, node, <size_t><PyObject*>frame)
        return 0

    cdef int tell_last(self, Frame frame, Py_ssize_t node) except -1:
        """Tell that a call has ended well whose value is the next expression, and what has chosen it."""
        cdef Py_ssize_t last = frame.template.node_count - 1
        cdef list ended = []
        while last != node:
            ended.append(last)
            last = frame.chosen[last]
        self.tell_end(frame, node)
        while ended:
            self.tell_end(frame, ended.pop())
        return 0

    cdef bint is_tail(self, Frame frame, Node* node, Py_ssize_t at) noexcept:
        """Whether the expression that is a node's value is the value of the frame too, and nothing follows it."""
        cdef Py_ssize_t last = frame.template.node_count - 1
        if node.kind == MAP or self.completion is not None:
            return False
        if frame.template.by_need:  # routers and conditions that have chosen pass on what their choice gives
            while last != at and frame.chosen[last] >= 0:
                last = frame.chosen[last]
        return at == last


def _urgency(launch):
    return launch[0]
