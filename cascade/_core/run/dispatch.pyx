"""Dispatch: how one node is executed, on the fast path or the slow one.

The fast path is `Dispatching.execute`: it calls a function, builds a container, or hands a coroutine or a call for a
worker to the engine. All else that may go with a node (skips, node events, limits, policies) is in
`Dispatching.execute_slow`. An expression that uses none of it pays one comparison a node, `check_each` in `run_frame`.
"""

from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t

from types import CoroutineType as _CoroutineType

from cascade._core.run.branching cimport DEFERRED, Branching
from cascade._core.shape.key cimport CALL
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.operands cimport build, call, keywords, positional
from cascade._core.run.results cimport examine
from cascade._core.expr.builtin_nodes cimport Placeholder, Skip
from cascade._core.expr.task_spec cimport (
    ASYNC, AUTO, DEFAULT, INLINE, MAP, MODES, PROCESS, SCOPE, SYNC, THREAD, calls_function, waits,
)
from cascade._core.expr.task cimport Task
from cascade._core.shape.template cimport FAST, SLOW
from cascade._core.run.frame cimport ANY_CHOSEN, NONE_CHOSEN
from cascade._core.run.waiting cimport PENDING, Launched, Waiter, discard, new_launched

from cascade.exceptions import InternalError

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept

cdef PyObject* Lazy = <PyObject*>LazyResult
cdef PyObject* Coroutine = <PyObject*>_CoroutineType
cdef PyObject* SkipType = <PyObject*>Skip


cdef class Dispatching(Branching):
    """The part of a run that executes nodes."""

    cdef PyObject* execute(self, Frame frame, Node* node) except NULL:
        """Execute a node on the fast path: its value, PENDING or DEFERRED; a new reference in any case."""
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
                    self.note_inline(<Task>task, mode)
                elif mode == AUTO and (<Task>task).spec.runs_inline:
                    self.scheduler.monitor.note((<Task>task).spec)
                else:
                    return self.call_worker(frame, node, mode)
            self.scheduler.monitor.fuel -= 1
            made = call(frame, node, <PyObject*>(<Task>task).fn)
            if Py_TYPE(made) != Coroutine:
                return made
            coroutine = <object>made  # a plain function has returned it
            Py_DECREF_(made)
            return self.call_async(frame, coroutine)
        if node.kind != ASYNC:
            return self.execute_builtin(frame, node, self.at)
        made = call(frame, node, <PyObject*>(<Task>frame.values[node.source]).fn)
        coroutine = <object>made
        Py_DECREF_(made)
        return self.call_async(frame, coroutine)

    cdef PyObject* call_async(self, Frame frame, object coroutine) except NULL:
        cdef Launched waiter = new_launched(self, frame, self.at)
        try:
            value = self.scheduler.callbacks.launch_async(waiter, coroutine)
        except BaseException:
            discard(waiter)
            raise
        self.scheduler.monitor.fuel -= 1
        if self.is_awaited(waiter, value):
            value = <object>PENDING
        Py_INCREF(value)
        return <PyObject*>value

    cdef PyObject* call_worker(self, Frame frame, Node* node, int mode) except NULL:
        """Keep a call for a worker until this advance is over: by then all that can start is known, and is sorted."""
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

    cdef int note_inline(self, Task task, int mode) except -1:
        """Under a virtual clock, calls for workers run inline: the clock could not see time pass in a worker."""
        if mode == THREAD or mode == PROCESS:
            self.scheduler.callbacks.kept_inline(task, MODES[mode])
        return 0

    cdef int launch(self) except -1:
        """Hand the calls that were kept for workers to the engine, those of the highest priority first."""
        cdef Waiter waiter
        launches = self.launches
        self.launches = None
        launches.sort(key=_by_priority)
        for _, waiter, task, arguments, keywords, mode in launches:
            if waiter.landed:  # it was stopped meanwhile
                continue
            try:
                self.scheduler.callbacks.launch_worker(waiter, task, arguments, keywords, mode)
            except BaseException as error:
                waiter.land(None, error)
        return 0

    # ---------------------------------------------------------------------------------------------- the slow path

    cdef PyObject* execute_slow(self, Frame frame, Node* node) except NULL:
        """Execute a node with all that may go with it: skipping, node events, limits and policies.

        The order is part of the semantics:

        1. A node that needs a skipped value is skipped, before anything is asked of the limits or counted as started.
        2. Limits. A call under a rule becomes an invocation, which waits for its permit itself; a node that the engine
           evaluates must ask for one here, and is PENDING until its waiter is released. Then this
           function is called for it again.
        3. Policies. A call with a policy, or with a resource of its own, becomes an invocation too.
        4. Everything else is executed as on the fast path.

        Invariant: where node events are wanted, each call has one event of its start and one of its end or skip, in
        whichever way it comes to its value. An invocation reports its own start, once it has what it needs; the start
        of another node is reported here, once, although routers, conditions and maps come by several times. The end is
        reported here if the value is there at once, else by `Evaluation.settle`. A call whose value is an expression
        ends with that expression, except for a tail call: it replaces the frame, and nothing would report the end.

        This is a function of its own because `execute` is the hot path, and has no branch for any of this.
        """
        cdef Py_ssize_t at = self.at
        cdef PyObject* skip = NULL
        cdef PyObject* made
        cdef bint notified = self.scheduler.notify_nodes and node.op == CALL
        cdef bint slow
        if node.path == FAST and not frame.skipping and not self.scheduler.observed:
            return examine(self.scheduler.extraction, node, self.execute(frame, node))
        slow = node.path == SLOW or (node.path != FAST and self.takes_placeholder(frame, node))
        if frame.skipping:
            skip = self.inherited(frame, node)
            if skip is not NULL:
                if Py_TYPE(skip) != SkipType:
                    self.raise_failed(skip)
                if node.absorbs:
                    return self.build_skipping(frame, node, at, skip)
                if notified:
                    self.scheduler.callbacks.node_skipped(self, frame.template, at, <object>skip, self.trail(frame))
                Py_INCREF_(skip)
                return skip
        if self.scheduler.limits_active and node.op == CALL and not slow:
            if calls_function(node.kind):
                slow = self.scheduler.callbacks.governs(self, <object>frame.values[node.source])
            elif waits(node.kind) and not self.request_permit(frame, node):
                Py_INCREF_(PENDING)
                return PENDING
        if slow and node.kind == SCOPE and frame.chosen[at] <= ANY_CHOSEN:
            return self.report_scope(frame, node, at)
        if slow:  # the invocation reports its start itself, once it has all that it needs
            made = self.call_invocation(frame, node)
        else:
            if notified and not self.has_begun(frame, at):
                self.scheduler.callbacks.node_started(
                    self, frame.template, at, <size_t><PyObject*>frame, self.trail(frame)
                )
            made = self.execute(frame, node)
        made = examine(self.scheduler.extraction, node, made)
        if notified and made != PENDING and made != DEFERRED:
            if Py_TYPE(made) == SkipType:
                self.scheduler.callbacks.node_skipped(self, frame.template, at, <object>made, self.trail(frame))
            elif Py_TYPE(made) != Lazy:
                self.notify_finished(frame, at)
            elif self.is_tail(frame, node, at):
                self.notify_tail_finished(frame, at)
        return made

    cdef bint has_begun(self, Frame frame, Py_ssize_t at) except -1:
        """Whether a node was executed before: a router or condition that has chosen, or a map that has begun."""
        if not frame.template.by_need:
            return False
        return frame.chosen[at] != NONE_CHOSEN or (frame.maps is not None and at in frame.maps)

    cdef PyObject* report_scope(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        raise InternalError("overridden in `Regions`")

    cdef bint request_permit(self, Frame frame, Node* node) except -1:
        """Ask the limits whether a built-in node may start. If not, it has a waiter, and is executed again later."""
        cdef Launched waiter = new_launched(self, frame, self.at)
        try:
            if self.scheduler.callbacks.request_permit(
                waiter, self, frame.template, self.at, <size_t><PyObject*>frame, <object>frame.values[node.source]
            ):
                return True
        except BaseException:
            discard(waiter)
            raise
        self.link(waiter)
        return False

    cdef bint takes_placeholder(self, Frame frame, Node* node) noexcept:
        """Whether an argument of a call is a resource of scope "call"."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef Py_ssize_t i
        for i in range(node.operands):
            if Py_TYPE(frame.values[operands[i]]) == <PyObject*>Placeholder:
                return True
        return False

    cdef PyObject* call_invocation(self, Frame frame, Node* node) except NULL:
        """Have the engine make a call with its policies, limits and resources of its own, as an invocation."""
        cdef Py_ssize_t at = self.at
        cdef int32_t* operands = frame.template.operands + node.first_operand + node.operands
        cdef Launched waiter = new_launched(self, frame, at)
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
                self.note_inline(task, mode)
                mode = INLINE
            elif mode == AUTO and task.spec.runs_inline:
                mode = INLINE
                self.scheduler.monitor.note(task.spec)
            where = MODES[THREAD if mode == AUTO else mode]
        elif node.kind == SCOPE:
            where = "scope"
        self.scheduler.monitor.fuel -= 1
        try:
            value = self.scheduler.callbacks.launch_invocation(
                waiter, self, frame.template, at, <size_t><PyObject*>frame, task,
                () if node.kind == SCOPE else positional(frame, node), keywords(frame, node), policies, where
            )
        except BaseException:
            discard(waiter)
            raise
        completion = waiter.completion
        if self.is_awaited(waiter, value):
            value = <object>PENDING
        elif type(value) is LazyResult:
            self.completion = completion
        Py_INCREF(value)
        return <PyObject*>value

    cdef int notify_finished(self, Frame frame, Py_ssize_t node) except -1:
        """Report that a node has its value, if it is a call."""
        if frame.template.nodes[node].op == CALL:
            self.scheduler.callbacks.node_finished(
                self, frame.template, node, <size_t><PyObject*>frame, self.trail(frame)
            )
        return 0

    cdef int notify_tail_finished(self, Frame frame, Py_ssize_t node) except -1:
        """Report that a tail call ends a node, and with it the routers and conditions that have chosen the node."""
        cdef Py_ssize_t last = frame.template.node_count - 1
        cdef list ended = []
        while last != node:
            ended.append(last)
            last = frame.chosen[last]
        self.notify_finished(frame, node)
        while ended:
            self.notify_finished(frame, ended.pop())
        return 0

    cdef bint is_tail(self, Frame frame, Node* node, Py_ssize_t at) noexcept:
        """Whether the expression that a node has given is the value of its frame: a tail call."""
        cdef Py_ssize_t last = frame.template.node_count - 1
        if node.kind == MAP or self.completion is not None:
            return False
        if frame.template.by_need:  # routers and conditions pass on the value of the node that they have chosen
            while last != at and frame.chosen[last] >= 0:
                last = frame.chosen[last]
        return at == last


def _by_priority(launch):
    return launch[0]
