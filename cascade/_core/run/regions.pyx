"""Regions: parts of a run that an asyncio task of the engine has evaluated, and awaits.

The invocation of a scope has its expression evaluated, once for each attempt; an async task has an expression evaluated
that it awaits. Both open a region with a future, whose result is the value or the failure. If they are cancelled, they
close it, and go on once everything in it has ended: as a call of a coroutine would.

The engine requests all this at any time; it is done in the next advance of the run, when its structures are whole.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t

from cascade._core.expr.builtin_nodes cimport Failed, Skip
from cascade._core.expr.task_spec cimport SCOPE
from cascade._core.run.branching cimport DEFERRED
from cascade._core.run.demand cimport reset_exclusive, undemanded
from cascade._core.run.frame cimport ANY_CHOSEN, ANY_QUEUED, NONE_CHOSEN
from cascade._core.run.scheduler cimport ACTIVE
from cascade._core.run.stopped cimport Catch, cancel_future, set_result
from cascade._core.run.unseen cimport unseen_in_scope, unseen_in_value
from cascade._core.run.waiting cimport PENDING, discard, new_launched
from cascade._core.shape.template cimport Node

from cascade.exceptions import EngineStateError, InternalError, TaskSkippedError

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept

cdef PyObject* FailedType = <PyObject*>Failed


cdef class Regions(Catching):
    """The part of a run that evaluates what asyncio tasks of the engine await."""

    # ------------------------------------------------------------------------------------------------ for the engine

    def _open_scope(self, Waiter waiter not None, future, grant):
        """Evaluate the expression of the scope that a waiter is of.

        Args:
            waiter: of the scope.
            future: of asyncio, or an object with its methods `done`, `cancel` and `set_result`. The result is a tuple:
                the value, the error, the messages in the value that no task was given.
            grant: what the scope holds of the limits; None: nothing.
        """
        self.request("scope", waiter, grant, future)

    def _open_child(self, Launched waiter not None, LazyResult expression not None, future, grant):
        """Evaluate an expression for the async task that a waiter is of.

        Args:
            waiter: of the call of the async task.
            expression: what it awaits.
            future: of asyncio. The result is as that of `_open_scope`.
            grant: what the call holds of the limits; None: nothing.

        Raises:
            EngineStateError: the task is being cancelled, or has ended.
        """
        cdef bint has_ended = waiter.run is None or waiter.landed
        if has_ended or self.phase != ACTIVE or (self.dying is not None and waiter in self.dying):
            what = "has ended" if has_ended else "is being cancelled"
            raise EngineStateError(
                f"a lazy result cannot be awaited any longer: the async task that awaits it {what}; what is still to "
                f"be evaluated needs a run of its own: `await engine.run(...)`"
            )
        self.request("child", waiter, (expression, grant), future)

    def _grants_around(self, Waiter waiter not None):
        """Return what the scopes and async calls hold of the limits that a node is inside of, from the inside out."""
        cdef Frame frame = waiter.frame
        cdef Py_ssize_t node = waiter.node
        cdef list found = None
        if self.regions is None:
            return ()
        while frame is not None:
            if frame.maps is not None:
                for each in frame.template.scopes_above(node):
                    region = frame.maps.get(each)
                    if type(region) is Region and (<Region>region).grant is not None:
                        if found is None:
                            found = []
                        found.append((<Region>region).grant)
            if frame.awaiter is not None and (<Region>frame.awaiter).grant is not None:
                if found is None:
                    found = []
                found.append((<Region>frame.awaiter).grant)
            node = frame.parent_node
            frame = frame.parent
        return () if found is None else tuple(found)

    def _around(self, Waiter waiter not None, dict marked, *, bint itself=False):
        """Return the marks of the calls that a node is evaluated for, from the inside out.

        Args:
            waiter: of the node.
            marked: marks of calls, by the address of the frame and the number of the node in the plan. The walk ends
                at a mark whose attribute `around` is not None: what is around that one is known.
            itself: whether the node's own mark is one of them.
        """
        cdef Frame frame = waiter.frame
        cdef Py_ssize_t node = waiter.node
        cdef list found = []
        while frame is not None:
            marks = marked.get(<size_t><PyObject*>frame)
            if marks is not None:
                for each in (*((node,) if itself else ()), *frame.template.scopes_above(node)):
                    mark = (<dict>marks).get(each)
                    if mark is not None:
                        found.append(mark)
                        if mark.around is not None:
                            return found
            itself = True
            node = frame.parent_node
            frame = frame.parent
        return found

    def _close_region(self, future, closed):
        """Stop what was opened with a future. ``closed``: a future, done once everything of it has ended.

        The result of `closed` is a list of what has failed as it was stopped; None: something else is told of it.
        """
        if self.phase == ACTIVE:
            self.request("close", future, closed, None)
        else:
            self.close_region(future, closed)

    def _feed(self, Launched waiter not None):
        """A map has more items of its async inputs to start. ``waiter``: of what takes them."""
        self.request("feed", waiter, None, None)

    cdef int request(self, str what, object first, object second, object third) except -1:
        """Keep a request for the next advance of the run."""
        if self.phase != ACTIVE:
            return 0  # the asyncio task that requests it is being cancelled
        if self.requests is None:
            self.requests = []
        self.requests.append((what, first, second, third))
        if not self.running:
            self.scheduler.push(self)
        return 0

    cdef int serve_requests(self) except -1:
        """Do what the engine has requested since the last advance."""
        cdef list requests
        cdef Waiter waiter
        requests, self.requests = self.requests, None
        for what, first, second, third in requests:
            if what == "close":
                self.close_region(first, second)
                continue
            waiter = <Waiter>first
            if what == "feed":
                if self.phase == ACTIVE and self.is_waited_for(waiter):
                    self.wake_map(waiter.frame, waiter.node, False)
                continue
            if third.done():
                continue  # it was cancelled meanwhile
            if self.phase != ACTIVE or not self.is_waited_for(waiter):
                cancel_future(third)
            elif what == "scope":
                self.open_scope(waiter, third, second)
            else:
                expression, grant = second
                self.open_child(<Launched>waiter, expression, third, grant)
        return 0

    cdef bint is_waited_for(self, Waiter waiter) noexcept:
        """Whether a waiter stands in the run's list: what it is of has started, and is neither over nor stopped."""
        return (
            waiter.run is self and not waiter.landed and (waiter is self.waiters or waiter.previous is not NULL)
            and (self.dying is None or waiter not in self.dying)
        )

    # -------------------------------------------------------------------------------------------------------- scopes

    cdef int open_scope(self, Waiter waiter, object future, object grant) except -1:
        """Demand the expression of a scope, evaluated anew as far as it is of no use to anything else."""
        cdef Frame frame = waiter.frame
        cdef Py_ssize_t at = waiter.node
        cdef int32_t expression = frame.template.operands[frame.template.nodes[at].first_operand]
        cdef list _released = reset_exclusive(frame, at, self.scheduler.calls)  # released when this returns
        self.scheduler.calls += frame.template.node_count
        if frame.maps is None:
            frame.maps = {}
        frame.maps[at] = self.add_region(frame, at, future, grant)
        frame.chosen[at] = ANY_CHOSEN
        if frame.values[expression] is NULL:
            frame.demand(expression)
        else:
            frame.chosen[at] = ANY_QUEUED
            frame.push_ready(<int32_t>(at - frame.template.node_count))
        self.push(frame)
        return 0

    cdef PyObject* call_invocation(self, Frame frame, Node* node) except NULL:
        """Have the engine make a call, or evaluate a scope, with its policies."""
        return self.call_scope(frame, node) if node.kind == SCOPE else Catching.call_invocation(self, frame, node)

    cdef PyObject* call_scope(self, Frame frame, Node* node) except NULL:
        """Have the engine evaluate a scope with its policies: as an invocation, unless it only holds amounts."""
        cdef Py_ssize_t at = self.at
        cdef int32_t* operands = frame.template.operands + node.first_operand + node.operands
        cdef Launched waiter
        cdef object amounts = None
        for i, role in enumerate(<tuple>frame.template.roles[at]):
            if role == "constraints":
                amounts = <object>frame.values[operands[<Py_ssize_t>i]]
            elif role != "after":
                return Catching.call_invocation(self, frame, node)
        if amounts is None:
            return Catching.call_invocation(self, frame, node)
        waiter = new_launched(self, frame, at)
        self.scheduler.monitor.fuel -= 1
        try:
            value = self.scheduler.callbacks.launch_held_scope(waiter, self, amounts)
        except BaseException:
            discard(waiter)
            raise
        if not self.is_awaited(waiter, value):
            raise InternalError("a scope has ended before it has begun")
        Py_INCREF_(PENDING)
        return PENDING

    cdef PyObject* report_scope(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Give what a scope has come to, to the invocation that applies its policies."""
        cdef PyObject* value = self.part_of_value(frame, frame.template.operands[node.first_operand])
        cdef Region region
        frame.chosen[at] = ANY_CHOSEN
        if value is not NULL:
            frame.chosen[at] = NONE_CHOSEN
            region = <Region>frame.maps.pop(at)
            if Py_TYPE(value) == FailedType:
                self.end_region(region, None, (<Failed>value).error())
            else:
                self.end_region(region, <object>value, None, unseen_in_scope(frame, at))
        Py_INCREF_(DEFERRED)
        return DEFERRED

    # ---------------------------------------------------------------------------------------------- awaited expressions

    cdef int open_child(self, Launched waiter, LazyResult expression, object future, object grant) except -1:
        """Evaluate an expression beneath the node of an async task that awaits it."""
        cdef Frame child
        cdef Region region
        try:
            child = self.enter(expression, waiter.frame, waiter.node)
        except BaseException as error:
            self.scheduler.extraction.clear()
            set_result(future, (None, error, None))
            return 0
        if not self.is_waited_for(waiter):  # a converter of a param has let it end
            child.parent = None
            return cancel_future(future)
        region = self.add_region(child, -1, future, grant)
        region.waiter = waiter
        waiter.children += 1
        child.awaiter = region
        waiter.frame.awaited += 1
        self.push(child)
        return 0

    cdef bint holds_back(self, Waiter waiter) except -1:
        """Whether an async task that has landed has left something behind that must end first.

        That is an expression which an asyncio task awaits that it has made and not awaited. It is stopped, and then the
        waiter lands again: else a frame would go on beneath one that is bound to another expression by then.
        """
        cdef Region region
        if type(waiter) is not Launched or (<Launched>waiter).children == 0:
            return False
        if self.held is None:
            self.held = {}
        self.held[waiter] = None
        for each in [each for each in self.regions.values() if (<Region>each).waiter is waiter]:
            region = <Region>each
            if region.waiter is waiter and not region.aborted and region.failing is None:
                self.stop_region(region)
        return True

    cdef int finish_child(self, Frame frame, object value) except -1:
        """An expression that an async task awaits has its value."""
        cdef Region region = <Region>frame.awaiter
        frame.awaiter = None
        if type(value) is Skip:
            error = TaskSkippedError(self.scheduler.callbacks.describe_skip(value))
            return self.end_region(region, None, error)
        return self.end_region(region, value, None, unseen_in_value(frame, frame.template.node_count - 1))

    cdef int wake_map(self, Frame frame, Py_ssize_t node, bint has_landed) except -1:
        raise InternalError("overridden in `Evaluation`")

    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node):
        raise InternalError("overridden in `Evaluation`")

    # ------------------------------------------------------------------------------------------------------------ both

    cdef Region add_region(self, Frame frame, Py_ssize_t node, object future, object grant):
        cdef Region region = Region.__new__(Region)
        region.frame = frame
        region.node = node
        region.future = future
        region.grant = grant
        if self.regions is None:
            self.regions = {}
        self.regions[future] = region
        return region

    cdef int close_region(self, object future, object closed) except -1:
        """Stop what was opened with a future."""
        cdef Region region = None if self.regions is None else <Region>self.regions.get(future)
        if region is None:  # all of it has ended
            set_result(closed, None)
            return 0
        region.closed = closed
        if region.aborted or self.phase != ACTIVE:  # something else has stopped it, and is told of what fails
            return 0
        if region.failing is not None:  # what has failed by now is of no interest any longer
            region.failing.errors = region.errors = []
            return 0
        return self.stop_region(region)

    cdef int stop_region(self, Region region) except -1:
        """Stop everything in a region, and take what fails by that."""
        cdef Catch catch
        cdef Frame frame
        cdef Py_ssize_t at
        cdef list doomed
        cdef bytearray queued
        frame, at = region.frame, region.node
        catch = Catch.__new__(Catch)
        catch.frame = frame
        catch.node = at
        catch.errors = []
        catch.closing = region
        if at < 0:
            doomed = None
        else:
            doomed = undemanded(frame, [at])
            if frame.chosen[at] == ANY_QUEUED:  # its value came too late
                queued = bytearray(frame.template.node_count)
                queued[at] = 1
                frame.purge_ready(queued)
            frame.chosen[at] = NONE_CHOSEN
            frame.maps.pop(at)
        self.abort(catch, doomed, None)
        return 0

    # ---------------------------------------------------------------------------------------------------------- ending

    cdef int stop(self) except -1:
        cdef list requests
        requests, self.requests = self.requests, None
        try:
            return Catching.stop(self)
        finally:
            for what, first, second, third in requests or ():
                if what == "close":
                    self.close_region(first, second)
                elif third is not None:
                    cancel_future(third)

    cdef void drop(self) noexcept:
        _requests, self.requests = self.requests, None
        Catching.drop(self)
