"""Catching: failures that become values instead of ending their run.

A node fails. Its frame may have nodes that catch: `recover`, `fallback`, `outcome`, `race`, a scope with policies. The
failure ends the run only if a way leads from the failed node to the run's value on which nothing catches it. Otherwise

1. all nodes on those ways, up to the nodes that catch, have a `Failed` as their value: they are *poisoned*;
2. what nothing demands any longer is stopped: waiters are cancelled, frames are dropped (`abort`);
3. once everything that was stopped has ended, the nodes that catch are executed (`conclude`).

A frame in which nothing catches passes the failure on to the node that it is the value of. The same three steps serve
a race that has its first value, and a scope whose time is over: nothing is poisoned then.

Invariant: from step 2 on, `Frame.awaited` of the frame that goes on counts the whole of what was stopped as one, so
that the frame waits for it; waiters that were cancelled stand in `dying`, and their landing is that of their `Catch`.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t

from types import CoroutineType as _CoroutineType

from cascade._core.expr.builtin_nodes cimport Failed, Skip
from cascade._core.expr.outcome cimport of_failure, of_skip, of_value
from cascade._core.expr.task_spec cimport FALLBACK, OUTCOME, RACE, RECOVER, SCOPE, chooses, may_catch
from cascade._core.run.branching cimport DEFERRED
from cascade._core.run.frame cimport ANY_CHOSEN, NONE_CHOSEN, UNDEMANDED
from cascade._core.run.mailbox cimport Mailbox, Received
from cascade._core.run.scheduler cimport ACTIVE
from cascade._core.shape.key cimport CALL
from cascade._core.shape.template cimport Template

from cascade.exceptions import EngineStateError, InternalError, TaskSkippedError

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept
    void PyException_SetContext(object, PyObject*) noexcept
    object PyException_GetContext(object)

cdef enum:
    ABORTED = 2  # a mark of `Waiter.landed`

cdef object _members = BaseExceptionGroup.exceptions
cdef PyObject* FailedType = <PyObject*>Failed
cdef PyObject* SkipType = <PyObject*>Skip


cdef class Catch:
    """What was stopped because its value is of no use any longer, until all of it has ended."""


cdef class Region:
    """A part of a run whose end an asyncio task of the engine awaits."""


cdef class Catching(Ending):
    """The part of a run that catches failures."""

    # ------------------------------------------------------------------------------------------------------- catching

    cdef int catch_or_fail(self, object error, Frame frame, Py_ssize_t node) except -1:
        """A node has failed. If something catches that, stop what is of no use any longer; else the run fails."""
        cdef Frame at = frame
        cdef Py_ssize_t failed = node
        cdef list poisoned = None
        while at is not None and self.phase == ACTIVE and not self.interrupted:
            if at is frame and failed == node:
                error = self.as_raised(error)
                if not _may_be_caught(error):
                    break
            if at.count and at.template.catches:
                try:
                    poisoned = self.poisoned_by(at, failed, error)
                except BaseException as wrong:  # a node's predicate has failed: this is the failure of that node
                    frame, node, error = at, self.at, wrong
                    failed = node
                    continue
            if poisoned is not None or at.awaiter is not None:
                return self.catch_in(error, frame, node, at, failed, poisoned)
            failed = at.parent_node
            at = at.parent
        return self.fail(error, frame, node)

    cdef int catch_in(
        self, object error, Frame frame, Py_ssize_t node, Frame at, Py_ssize_t failed, list poisoned
    ) except -1:
        """Catch the failure of a node in a frame above it, or its own: at the node `failed` of that."""
        cdef Catch catch = Catch.__new__(Catch)
        cdef bytearray doomed
        number = frame.template.plan.order[node]
        self.scheduler.callbacks.annotate(
            error, self, frame.template, number, True, self.trail(frame), self.written(frame, node)
        )
        if self.running:
            self.scheduler.extraction.clear()  # the error may have ended an extraction half-way
        if self.phase != ACTIVE or self.interrupted or at.count == 0:  # a subscriber has cancelled the run
            return self.fail(error, frame, node)
        catch.frame = at
        catch.node = failed
        catch.failed = Failed.__new__(Failed)
        catch.failed.errors = [error]
        if poisoned is None:
            catch.region = <Region>at.awaiter
            return self.abort(catch, None, frame)
        if not at.scattered:
            at.scatter()
        at.skipping = True
        for each in poisoned:
            Py_INCREF(catch.failed)
            at.values[<Py_ssize_t>each] = <PyObject*>catch.failed
        catch.poisoned = poisoned
        doomed = _undemanded(at)
        doomed[failed] = 1
        return self.abort(catch, doomed, frame)

    cdef list poisoned_by(self, Frame frame, Py_ssize_t node, object error):
        """The nodes that cannot have a value without that of a node which has failed; None if the target is one."""
        cdef Template template = frame.template
        cdef Py_ssize_t last = template.node_count - 1
        cdef list found = [node]
        cdef set seen = {node}
        cdef Py_ssize_t i, each, consumer
        cdef Node* poisoned
        if node == last:
            return None
        for each in found:  # which grows
            poisoned = &template.nodes[each]
            for i in range(poisoned.consumers + (poisoned.choosers if template.by_need else 0)):
                if i < poisoned.consumers:
                    consumer = template.consumers[poisoned.first_consumer + i]
                else:
                    consumer = template.choosers[poisoned.first_chooser + i - poisoned.consumers]
                    if frame.chosen[consumer] != each and frame.chosen[consumer] > ANY_CHOSEN:
                        continue
                if consumer in seen or frame.values[consumer] is not NULL:
                    continue
                if template.by_need and frame.needs[consumer] == UNDEMANDED:
                    continue
                if self.catches_at(frame, consumer, each, error):
                    continue
                if consumer == last:
                    return None
                seen.add(consumer)
                found.append(consumer)
        return found

    cdef bint catches_at(self, Frame frame, Py_ssize_t at, Py_ssize_t operand, object error) except -1:
        """Whether a node catches the failure of an operand."""
        cdef Node* node = &frame.template.nodes[at]
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef PyObject* on
        cdef Py_ssize_t i
        if node.op != CALL or not may_catch(node.kind):
            return False
        for i in range(node.operands, node.operands + node.roles):
            if operands[i] == operand:  # a predecessor: not beneath the node
                return False
        if node.kind == RACE or node.kind == SCOPE:
            return frame.chosen[at] <= ANY_CHOSEN
        if node.kind == OUTCOME:
            return True
        if operands[0] != operand or (node.kind == FALLBACK and frame.chosen[at] != NONE_CHOSEN):
            return False
        on = frame.values[operands[2]]
        if on is NULL:
            return False
        self.at = at  # the node to blame if the predicate raises
        return _matches(<object>on, error)

    cdef int abort(self, Catch catch, bytearray doomed, Frame failing) except -1:
        """Stop everything beneath nodes of a frame; without `doomed`, the frame as a whole.

        What is beneath is found first, which may fail for want of memory and has changed nothing then. Then pointers
        are moved, which cannot fail, until the run is whole without what is stopped. Only then values are released,
        messages returned and futures cancelled, as all of that may run any code (docs/internals/reentrancy.md).

        Args:
            catch: of the frame.
            doomed: of each node of it, whether what is beneath is stopped.
            failing: the frame of the node that has failed: it may be in no list; None: nothing has failed.
        """
        cdef Frame root = catch.frame
        cdef Frame frame, below, kept = None
        cdef Waiter waiter, next, kept_landed = None
        cdef Catch other
        cdef Py_ssize_t i
        cdef Beneath beneath = Beneath.__new__(Beneath)
        cdef list landed = [], waiting = [], adopted = [], released = [], gone = [], futures = []
        cdef dict dying = {} if self.dying is None else dict(self.dying)
        beneath.root = root
        beneath.doomed = doomed
        beneath.known = {}
        beneath.frames = []
        if failing is not None:
            beneath.holds(failing, 0)
        waiter = self.first_landed
        while waiter is not None:
            if waiter not in dying and beneath.holds(waiter.frame, waiter.node):
                landed.append(waiter)
            waiter = waiter.next_landed
        waiter = self.waiters
        while waiter is not None:
            other = <Catch>dying.get(waiter)
            if other is not None:
                if beneath.holds(other.frame, other.node):
                    adopted.append(other)
                    dying[waiter] = catch
                    catch.pending += 1
            elif beneath.holds(waiter.frame, waiter.node):
                waiting.append(waiter)
                if waiter.handle is not None:
                    dying[waiter] = catch
                    catch.pending += 1
            waiter = waiter.next
        waiter = self.first_landed
        while waiter is not None:  # those that were cancelled before, and have landed by now
            other = <Catch>dying.get(waiter)
            if other is not None and beneath.holds(other.frame, other.node):
                adopted.append(other)
                dying[waiter] = catch
                catch.pending += 1
            waiter = waiter.next_landed
        frame = self.top
        while frame is not None:
            if frame is not root:
                beneath.holds(frame, 0)
            frame = frame.below
        handles = [(<Waiter>each).handle for each in waiting if (<Waiter>each).handle is not None]
        maps = [] if root.maps is None or doomed is None else [each for each in root.maps if doomed[each]]
        regions = self.regions
        if regions is not None:
            regions = {}
            for future, region in self.regions.items():
                if beneath.holds((<Region>region).frame, (<Region>region).node):
                    gone.append(region)
                    if region is not catch.region:
                        futures.append(future)
                else:
                    regions[future] = region
        held = self.held
        if held is not None:
            held = {}
            for each, count in self.held.items():
                if beneath.holds((<Waiter>each).frame, (<Waiter>each).node):
                    landed.append(each)
                else:
                    held[each] = count
        released += (self.regions, self.held)
        # All is known: from here on nothing can fail, and no code of others runs.
        for each in gone:
            if (<Region>each).waiter is not None:
                (<Region>each).waiter.children -= 1
        self.regions = regions or None
        self.held = held or None
        self.dying = dying or None
        for each in adopted:
            other = <Catch>each
            other.pending -= 1
            if other.pending == 0 and other.frame is root:
                root.awaited -= 1
        for each in landed:
            waiter = <Waiter>each
            waiter.landed = ABORTED
            if waiter.frame is root:
                root.awaited -= 1
        waiter = self.first_landed
        self.first_landed = self.last_landed = None
        while waiter is not None:
            next = waiter.next_landed
            waiter.next_landed = None
            if waiter.landed != ABORTED:
                if kept_landed is None:
                    self.first_landed = waiter
                else:
                    kept_landed.next_landed = waiter
                kept_landed = self.last_landed = waiter
            waiter = next
        for each in waiting:
            waiter = <Waiter>each
            if waiter.frame is root:
                root.awaited -= 1
            if waiter.handle is None:  # a timer, a mailbox, or a call that no worker has been given yet
                waiter.withdraw()
                waiter.landed = True
                self.unlink(waiter)
        for each in beneath.frames:
            frame = <Frame>each
            frame.stacked = False
            if frame.parent is root:
                root.awaited -= 1
        if doomed is None:
            root.stacked = False
        frame = self.top
        self.top = None
        while frame is not None:
            below = frame.below
            frame.below = None
            if frame.stacked:
                if kept is None:
                    self.top = frame
                else:
                    kept.below = frame
                kept = frame
            frame = below
        if doomed is None:
            beneath.frames.append(root)
            catch.frame = root.parent  # it counts the frame among what it awaits, until `conclude`
            catch.node = root.parent_node
        else:
            root.purge_ready(doomed)
            for i in range(root.template.node_count):
                if doomed[i]:
                    root.needs[i] = UNDEMANDED
                    if root.template.by_need:
                        root.chosen[i] = NONE_CHOSEN
            root.awaited += 1  # for everything that was stopped, until `conclude`
        self.release_aborted(catch, beneath.frames, landed, waiting, adopted, handles, futures)
        for each in maps:
            if root.maps is not None:
                root.maps.pop(each, None)
        if catch.pending == 0:
            self.conclude(catch)
        return 0

    cdef int release_aborted(
        self, Catch catch, list frames, list landed, list waiting, list adopted, list handles, list futures
    ) except -1:
        """Release what was stopped, now that the run is whole without it."""
        cdef Waiter waiter
        cdef Frame frame
        cdef Catch other
        cdef list origins = []
        cdef object _expansion = self.expansion, _completion = self.completion
        self.expansion = None
        self.completion = None
        self.item = 0
        for each in landed:
            waiter = <Waiter>each
            if waiter.origin is not None:
                origins.append(waiter.origin)
                waiter.origin.put_back((<Received>waiter.value).message, waiter.since)
                waiter.origin = None
            if waiter.error is not None and catch.failed is not None:
                catch.failed.errors.append(waiter.error)
        for each in frames:
            frame = <Frame>each
            frame.awaiter = None
            if self.expressions is not None:
                self.expressions.pop(<size_t><PyObject*>frame, None)
            if frame.completion is not None:
                completion, frame.completion = frame.completion, None
                self.scheduler.callbacks.abandon(completion)
        for each in adopted:
            other = <Catch>each
            if other.pending == 0:
                self.close(other)
        for each in origins:
            (<Mailbox>each).serve()
        for each in landed:
            waiter = <Waiter>each
            value = waiter.value
            waiter.clear()
            if type(value) is _CoroutineType:  # made by a worker, and never to be awaited
                value.close()
        for each in waiting:
            waiter = <Waiter>each
            if waiter.handle is None:
                waiter.clear()
        for each in frames:  # one after the other: released as a chain they would recurse
            frame = <Frame>each
            frame.parent = None
            frame.clear()
        if handles:
            self.scheduler.callbacks.cancel(self, handles)
        if futures:  # those that no handle awaits, but an asyncio task that one has made
            self.scheduler.callbacks.cancel(self, futures)
        return 0

    cdef int settle_dying(self, Waiter waiter, Frame frame, object value, object error) except -1:
        """A waiter has landed that was cancelled because of a catch. Once it is the last one, the catch goes on."""
        cdef Catch catch = <Catch>self.dying.pop(waiter)
        if not self.dying:
            self.dying = None
        catch.pending -= 1
        if type(value) is _CoroutineType:
            value.close()
        if error is not None:
            error = self.as_raised(error)
            if not _may_be_caught(error) or catch.failed is None:
                self.fail(error, frame, waiter.node)
                return 0
            number = frame.template.plan.order[waiter.node]
            self.scheduler.callbacks.annotate(
                error, self, frame.template, number, True, self.trail(frame), self.written(frame, waiter.node)
            )
            if error not in catch.failed.errors:
                catch.failed.errors.append(error)
        if catch.pending == 0:
            self.conclude(catch)
        return 0

    cdef int conclude(self, Catch catch) except -1:
        """Go on after everything that was stopped has ended: what the failure has left without a value is resolved."""
        cdef Frame frame = catch.frame
        cdef Region region = catch.region
        if self.closings is not None and catch in self.closings:
            self.closings.remove(catch)
        if self.phase != ACTIVE:
            return 0
        if frame is not None and frame.count:
            frame.awaited -= 1
            if catch.poisoned is not None:
                for each in catch.poisoned:
                    frame.resolve_failed(each)
            if catch.again:
                frame.push_ready(<int32_t>catch.node)
            self.push(frame)
        if region is not None:
            self.end_region(region, None, catch.failed.error())
        if catch.landing is not None:
            self.land_again(catch.landing)
        self.close(catch)
        return 0

    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node):
        raise InternalError("overridden in `Evaluation`")

    cdef int close(self, Catch catch) except -1:
        """Tell the engine's task that awaits the end of what was stopped."""
        closed, catch.closed = catch.closed, None
        if closed is not None:
            _set_result(closed, None)
        return 0

    # ------------------------------------------------------------------------------------------------ nodes that catch

    cdef PyObject* execute_catching(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Evaluate a node of a kind that may catch: its value, PENDING or DEFERRED. A new reference."""
        cdef PyObject* value
        if node.kind == RACE:
            return self.race(frame, node, at)
        value = frame.values[frame.template.operands[node.first_operand]]
        if node.kind == RECOVER:
            if Py_TYPE(value) == FailedType:
                return self.recover(frame, node, (<Failed>value).error())
            Py_INCREF_(value)
            return value
        if Py_TYPE(value) == FailedType:
            outcome = of_failure((<Failed>value).error())
        else:
            outcome = of_skip() if Py_TYPE(value) == SkipType else of_value(<object>value)
        Py_INCREF(outcome)
        return <PyObject*>outcome

    cdef PyObject* recover(self, Frame frame, Node* node, object error) except NULL:
        """What the handler of a `recover` gives for a failure."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        handler = <object>frame.values[operands[1]]
        if not _matches(<object>frame.values[operands[2]], error):  # the group, if several have failed
            raise error
        try:
            value = handler(error)
        except BaseException as wrong:
            if wrong is not error and PyException_GetContext(wrong) is None:
                Py_INCREF(error)
                PyException_SetContext(wrong, <PyObject*>error)
            raise
        if type(value) is _CoroutineType:
            return self.call_async(frame, value)
        Py_INCREF(value)
        return <PyObject*>value

    cdef PyObject* race(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """The first value among the operands of a race. The others are stopped before it is the value of the race."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef PyObject* value = NULL
        cdef PyObject* skip = NULL
        cdef Py_ssize_t i
        cdef bint is_open = False
        cdef Catch catch
        cdef bytearray doomed
        cdef list errors = None
        if frame.chosen[at] >= 0:
            value = frame.values[frame.chosen[at]]
            Py_INCREF_(value)
            return value
        if frame.chosen[at] == NONE_CHOSEN:
            for i in range(node.operands):
                if frame.values[operands[i]] is NULL:
                    frame.demand(operands[i])
        frame.chosen[at] = ANY_CHOSEN
        for i in range(node.operands):
            value = frame.values[operands[i]]
            if value is NULL:
                is_open = True
            elif Py_TYPE(value) == FailedType:
                if errors is None:
                    errors = []
                errors.append((<Failed>value).error())
            elif Py_TYPE(value) == SkipType:
                skip = value
            else:
                frame.chosen[at] = operands[i]
                doomed = _undemanded(frame)
                if 1 not in doomed:
                    Py_INCREF_(value)
                    return value
                catch = Catch.__new__(Catch)
                catch.frame = frame
                catch.node = at
                catch.again = True
                self.abort(catch, doomed, None)
                Py_INCREF_(DEFERRED)
                return DEFERRED
        if is_open:
            Py_INCREF_(DEFERRED)
            return DEFERRED
        if errors is not None:
            if len(errors) == 1:
                raise errors[0]
            raise ExceptionGroup(f"all of {node.operands} expressions of a race failed", errors)
        if skip is NULL:
            raise InternalError("a race has no operand; please report this")
        frame.skipping = True
        Py_INCREF_(skip)
        return skip

    cdef bint catches(self, Frame frame, Node* node, object error) except -1:
        """Whether a fallback catches a failure by now: the group, if something failed as it was stopped."""
        return _matches(<object>frame.values[frame.template.operands[node.first_operand + 2]], error)

    # --------------------------------------------------------------------------------------------------------- regions

    cdef PyObject* report_scope(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Give what a scope has come to, to the invocation that applies its policies."""
        cdef PyObject* value = frame.values[frame.template.operands[node.first_operand]]
        cdef Region region, found = None
        frame.chosen[at] = ANY_CHOSEN
        if value is not NULL:
            for region in (self.regions or {}).values():
                if region.frame is frame and region.node == at:
                    found = region
            frame.chosen[at] = NONE_CHOSEN
            if found is not None:
                if Py_TYPE(value) == FailedType:
                    self.end_region(found, None, (<Failed>value).error())
                else:
                    self.end_region(found, <object>value, None)
        Py_INCREF_(DEFERRED)
        return DEFERRED

    cdef int end_region(self, Region region, object value, object error) except -1:
        """Hand over what became of a region."""
        self.pop_region(region.future)
        _set_result(region.future, (value, error))
        return 0

    cdef Region pop_region(self, object future):
        """Take out a region; None: it has ended, or something else has stopped it."""
        cdef Region region = None if self.regions is None else <Region>self.regions.pop(future, None)
        if region is not None:
            if region.waiter is not None:
                region.waiter.children -= 1
            if not self.regions:
                self.regions = None
        return region

    cdef int request(self, str what, object first, object second, object third) except -1:
        """Keep a request for the next advance of the run."""
        if self.requests is None:
            self.requests = []
        self.requests.append((what, first, second, third))
        if not self.running:
            self.scheduler.push(self)
        return 0

    def _open_scope(self, Waiter waiter not None, future):
        """Evaluate the expression of the scope that a waiter is of. ``future``: its result is (value, error)."""
        if self.phase != ACTIVE:
            future.cancel()  # as the asyncio task that requests it is being cancelled
        else:
            self.request("scope", waiter, None, future)

    def _open_child(self, Waiter waiter not None, LazyResult expression not None, future):
        """Evaluate an expression for the async task that a waiter is of. ``future``: its result is (value, error).

        Raises:
            EngineStateError: the task is being cancelled, or has ended.
        """
        cdef bint stopping = self.phase != ACTIVE or (self.dying is not None and waiter in self.dying)
        if stopping or waiter.run is None or waiter.landed:
            what = "is being cancelled" if stopping and waiter.run is not None and not waiter.landed else "has ended"
            raise EngineStateError(
                f"a lazy result cannot be awaited any longer: the async task that awaits it {what}; what is still to "
                f"be evaluated needs a run of its own: `await engine.run(...)`"
            )
        self.request("child", waiter, expression, future)

    def _close_region(self, future, closed):
        """Stop what was opened with a future. ``closed``: a future that is done once everything of it has ended."""
        if self.phase != ACTIVE:
            _set_result(closed, None)  # the run itself awaits all of it
        else:
            self.request("close", future, closed, None)

    cdef int serve_requests(self) except -1:
        """Do what the engine has requested since the last advance."""
        cdef list requests = self.requests[::-1]
        cdef Waiter waiter
        self.requests = None
        try:
            while requests and self.phase == ACTIVE:
                what, first, second, third = requests.pop()
                if what == "close":
                    self.close_region(first, second)
                    continue
                waiter = <Waiter>first
                if third.done():
                    continue
                if not self.is_linked(waiter) or (self.dying is not None and waiter in self.dying):
                    third.cancel()  # the task has ended meanwhile, or is being cancelled
                elif what == "scope":
                    self.open_scope(waiter, third)
                else:
                    self.open_child(<Launched>waiter, second, third)
        finally:
            if requests and self.phase == ACTIVE:
                self.requests = requests[::-1] + (self.requests or [])
            elif requests:
                self.release_closings(None, requests, None)
        return 0

    cdef bint is_linked(self, Waiter waiter) noexcept:
        """Whether a waiter stands in the run's list: what it was made for has started, and has not ended."""
        return waiter.run is self and not waiter.landed and (waiter is self.waiters or waiter.previous is not NULL)

    cdef int open_scope(self, Waiter waiter, object future) except -1:
        """Demand the expression of a scope, evaluated anew as far as it is of no use to anything else."""
        cdef Frame frame = waiter.frame
        cdef Py_ssize_t at = waiter.node
        cdef int32_t expression = frame.template.operands[frame.template.nodes[at].first_operand]
        cdef list _released = self.reset_exclusive(frame, at)  # released when this returns
        self.add_region(frame, at, future)
        frame.chosen[at] = ANY_CHOSEN
        if frame.values[expression] is NULL:
            frame.demand(expression)
        else:
            frame.push_ready(<int32_t>at)
        self.push(frame)
        return 0

    cdef list reset_exclusive(self, Frame frame, Py_ssize_t at):
        """Undo what was evaluated for a scope alone. Return the values, which are to be released."""
        cdef Template template = frame.template
        cdef bytearray inside = bytearray(template.node_count)
        cdef list released = []
        cdef Node* node
        cdef Py_ssize_t i, j, consumer
        cdef bint all_inside
        inside[at] = 1
        for i in range(at - 1, -1, -1):  # consumers come after what they take
            node = &template.nodes[i]
            all_inside = node.consumers + node.choosers > 0
            for j in range(node.consumers):
                consumer = template.consumers[node.first_consumer + j]
                # What the scope itself needs comes before it: its predecessors, and what its constraints are made of.
                all_inside = all_inside and consumer != at and inside[consumer]
            for j in range(node.choosers):
                all_inside = all_inside and inside[template.choosers[node.first_chooser + j]]
            inside[i] = all_inside
            if all_inside and frame.values[i] is not NULL:
                released.append(<object>frame.values[i])
        inside[at] = 0
        for i in range(at):
            if inside[i]:
                if frame.values[i] is not NULL:
                    Py_DECREF_(frame.values[i])  # `released` holds it
                    frame.values[i] = NULL
                frame.needs[i] = UNDEMANDED
                frame.chosen[i] = NONE_CHOSEN
        if frame.maps is not None:
            for i in [each for each in frame.maps if inside[each]]:
                released.append(frame.maps.pop(i))
        return released

    cdef int open_child(self, Launched waiter, LazyResult expression, object future) except -1:
        """Evaluate an expression beneath the node of an async task that awaits it."""
        cdef Frame child
        cdef Region region
        try:
            child = self.enter(expression, waiter.frame, waiter.node)
        except BaseException as error:
            self.scheduler.extraction.clear()
            _set_result(future, (None, error))
            return 0
        if not self.is_linked(waiter):  # a converter of a param has let it end
            child.parent = None
            future.cancel()
            return 0
        region = self.add_region(child, -1, future)
        region.waiter = waiter
        waiter.children += 1
        child.awaiter = region
        waiter.frame.awaited += 1
        self.push(child)
        return 0

    cdef bint holds_back(self, Waiter waiter) except -1:
        """Whether an async task that has landed left something behind that has to end first: an expression that another
        asyncio task awaits, which it has made and not awaited. That is stopped, and then the waiter lands again.
        """
        cdef Region region
        cdef Catch catch
        cdef list left
        if type(waiter) is not Launched or (<Launched>waiter).children == 0:
            return False
        left = [each for each in self.regions.values() if (<Region>each).waiter is waiter]
        if self.held is None:
            self.held = {}
        self.held[waiter] = len(left)
        for each in left:
            region = <Region>each
            if self.regions is None or self.regions.get(region.future) is not region:
                self.land_again(waiter)
                continue
            catch = Catch.__new__(Catch)
            catch.frame = region.frame
            catch.node = -1
            catch.landing = <Launched>waiter
            self.pop_region(region.future)
            self.abort(catch, None, None)
            region.future.cancel()
        return True

    cdef void land_again(self, Waiter waiter) noexcept:
        """Something that a waiter was held back for has ended. After the last, it stands among the landed again."""
        if self.held is None or waiter not in self.held:
            return  # it was stopped meanwhile
        self.held[waiter] -= 1
        if self.held[waiter]:
            return
        del self.held[waiter]
        if not self.held:
            self.held = None
        self.append_landed(waiter)

    cdef Region add_region(self, Frame frame, Py_ssize_t node, object future):
        cdef Region region = Region.__new__(Region)
        region.frame = frame
        region.node = node
        region.future = future
        if self.regions is None:
            self.regions = {}
        self.regions[future] = region
        return region

    cdef int finish_child(self, Frame frame, object value) except -1:
        """An expression that an async task awaits has its value."""
        cdef Region region = <Region>frame.awaiter
        frame.awaiter = None
        if type(value) is Skip:
            error = TaskSkippedError(self.scheduler.callbacks.describe_skip(value))
            return self.end_region(region, None, error)
        return self.end_region(region, value, None)

    cdef int close_region(self, object future, object closed) except -1:
        """Stop what was opened with a future."""
        cdef Region region = self.pop_region(future)
        cdef Catch catch
        if region is None:  # it has ended, or something else has stopped it and awaits it
            _set_result(closed, None)
            return 0
        catch = Catch.__new__(Catch)
        catch.frame = region.frame
        catch.node = region.node
        catch.closed = closed
        if self.closings is None:
            self.closings = []
        self.closings.append(catch)
        if region.node < 0:
            self.abort(catch, None, None)
        else:
            region.frame.chosen[region.node] = NONE_CHOSEN
            self.abort(catch, _undemanded(region.frame), None)
        return 0

    cdef int stop(self) except -1:
        cdef list closings, requests
        closings, self.closings = self.closings, None
        requests, self.requests = self.requests, None
        regions, self.regions = self.regions, None
        self.release_held()
        _break_cycles(regions)
        try:
            return Ending.stop(self)
        finally:
            self.release_closings(closings, requests, regions)

    cdef void drop(self) noexcept:
        cdef list closings, requests
        closings, self.closings = self.closings, None
        requests, self.requests = self.requests, None
        _regions, self.regions = self.regions, None
        _dying, self.dying = self.dying, None
        self.release_held()
        _break_cycles(_regions)
        Ending.drop(self)
        try:
            self.release_closings(closings, requests, None)
        except BaseException:
            pass

    cdef void release_held(self) noexcept:
        """The run stops: what was held back has landed, and its errors are recorded."""
        held, self.held = self.held, None
        if held is not None:
            for each in held:
                self.append_landed(<Waiter>each)

    cdef int release_closings(self, list closings, list requests, dict regions) except -1:
        """The run stops, and awaits everything itself: so nothing else has to."""
        cdef list futures = list(regions or ())
        for each in closings or ():
            self.close(<Catch>each)
        for what, _, closed, future in requests or ():
            if what == "close":
                _set_result(closed, None)
            else:
                futures.append(future)
        if futures:  # which asyncio tasks may await that the run does not know
            self.scheduler.callbacks.cancel(self, futures)
        return 0


@cython.final
@cython.internal
cdef class Beneath:
    """Which nodes and frames of a run are beneath nodes of one frame."""

    cdef Frame root
    cdef bytearray doomed  # of each node of the root, whether what is beneath is meant; None: all of the root
    cdef dict known  # by address of a frame: whether it is beneath
    cdef list frames  # those that are, and not the root

    cdef bint holds(self, Frame frame, Py_ssize_t node) except -1:
        """Whether a node of a frame is beneath. Frames are looked at once each, however deep they are."""
        cdef list path = None
        cdef bint verdict = False
        while frame is not None:
            if frame is self.root:
                verdict = self.doomed is None or (node >= 0 and self.doomed[node])
                break
            found = self.known.get(<size_t><PyObject*>frame)
            if found is not None:
                verdict = found
                break
            if path is None:
                path = []
            path.append(frame)
            node = frame.parent_node
            frame = frame.parent
        if path is not None:
            for each in path:
                self.known[<size_t><PyObject*>each] = verdict
                if verdict:
                    self.frames.append(each)
        return verdict


cdef void _break_cycles(dict regions) noexcept:
    """Of regions that are given up: a frame and its region refer to each other, and the collector tracks no frame."""
    cdef Region region
    if regions is not None:
        for region in regions.values():
            if region.node < 0:
                region.frame.awaiter = None


cdef bytearray _undemanded(Frame frame):
    """Of each node of a scattered frame, whether it was demanded, has no value, and nothing needs it any longer."""
    cdef Template template = frame.template
    cdef Py_ssize_t count = template.node_count
    cdef bytearray demanded = bytearray(count)
    cdef bytearray found = bytearray(count)
    cdef list stack = [count - 1]
    cdef int32_t* needs
    cdef int32_t* operands
    cdef Node* node
    cdef Py_ssize_t at, i
    if frame.values[count - 1] is NULL:
        demanded[count - 1] = 1
    else:
        stack.pop()
    while stack:
        at = stack.pop()
        node = &template.nodes[at]
        needs = template.needs + node.first_need
        for i in range(node.needs):
            if frame.values[needs[i]] is NULL and not demanded[needs[i]]:
                demanded[needs[i]] = 1
                stack.append(needs[i])
        if not template.by_need or frame.chosen[at] == NONE_CHOSEN or node.op != CALL or not chooses(node.kind):
            continue
        operands = template.operands + node.first_operand
        for i in range(node.operands if frame.chosen[at] <= ANY_CHOSEN else 1):
            chosen = operands[i] if frame.chosen[at] <= ANY_CHOSEN else frame.chosen[at]
            if chosen < count and frame.values[<Py_ssize_t>chosen] is NULL and not demanded[chosen]:
                demanded[chosen] = 1
                stack.append(chosen)
    for at in range(count):
        if not demanded[at] and frame.values[at] is NULL and frame.needs[at] != UNDEMANDED:
            found[at] = 1
    return found


cdef bint _may_be_caught(object error) except -1:
    """Whether an exception is a failure: not what ends the process, a cancellation, or a defect of the engine."""
    kind = type(error)  # an exception may answer anything when it is asked for its class
    return issubclass(kind, Exception) and not issubclass(kind, InternalError)


cdef bint _matches(object on, object error) except -1:
    """Whether a failure is among those that a node catches; of a group, all members must be."""
    if isinstance(on, (tuple, type)):
        kind = type(error)
        if issubclass(kind, on):
            return True
        if not issubclass(kind, BaseExceptionGroup):
            return False
        for member in _members.__get__(error):
            if not _matches(on, member):
                return False
        return True
    return bool(on(error))


cdef int _set_result(object future, object result) except -1:
    """Give an asyncio future its result, if anything still awaits it."""
    try:
        if not future.done():
            future.set_result(result)
    except RuntimeError:  # its event loop is closed
        pass
    return 0
