"""Catching: failures that become values instead of ending their run.

A node fails. Its frame may have nodes that catch: `recover`, `fallback`, `outcome`, `race`, a scope with policies. The
failure ends the run only if a way leads from the failed node to the run's value on which nothing catches it. Otherwise

1. all nodes on those ways, up to the nodes that catch, are *poisoned*: they will have a `Failed` as their value;
2. what nothing demands any longer is stopped (`abort`);
3. once everything that was stopped has ended, the poisoned nodes have that value, and the nodes that catch are executed
   (`conclude`).

A frame in which nothing catches passes the failure on to the node whose value it is.

Until step 3, a poisoned node has no value and is POISONED in `Frame.needs`. So what comes to demand it meanwhile waits
for it as for any other node.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t

from types import CoroutineType as _CoroutineType

from cascade._core.expr.builtin_nodes cimport Failed, Skip
from cascade._core.expr.data cimport new_data
from cascade._core.expr.failure_types cimport matches
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.policy cimport Retry
from cascade._core.expr.outcome cimport of_failure, of_skip, of_value
from cascade._core.expr.task_spec cimport FALLBACK, OUTCOME, RACE, RECOVER, SCOPE, may_catch
from cascade._core.run.branching cimport DEFERRED
from cascade._core.run.demand cimport undemanded
from cascade._core.run.mailbox cimport Mailbox
from cascade._core.run.place cimport place_of
from cascade._core.run.results cimport as_final
from cascade._core.run.frame cimport ANY_CHOSEN, NONE_CHOSEN, POISONED, UNDEMANDED
from cascade._core.run.scheduler cimport ACTIVE
from cascade._core.run.stopped cimport Catch, Region, may_be_caught
from cascade._core.run.unseen cimport find_unseen, put_back_unseen
from cascade._core.run.waiting cimport Waiter
from cascade._core.shape.key cimport CALL
from cascade._core.shape.template cimport Template

from cascade.exceptions import InternalError

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void PyException_SetContext(object, PyObject*) noexcept
    PyObject* PyException_GetContext(object) noexcept  # a new reference; NULL: it has none
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept

cdef PyObject* FailedType = <PyObject*>Failed
cdef PyObject* SkipType = <PyObject*>Skip
cdef PyObject* Lazy = <PyObject*>LazyResult


cdef class Catching(Aborting):
    """The part of a run that catches failures."""

    cdef int catch_or_fail(self, object error, Frame frame, Py_ssize_t node) except -1:
        """A node has failed. If something catches that, stop what is of no use any longer; else the run fails."""
        cdef Frame at = frame
        cdef Py_ssize_t failed = node
        cdef list poisoned = None
        cdef dict verdicts = {}
        error = self.as_raised(error)
        if frame is not None and frame.count:
            chain_handled(error, frame, node)
        if not may_be_caught(error):
            at = None
        while at is not None and self.phase == ACTIVE and not self.interrupted:
            if at.count and at.template.catches:
                poisoned = self.poisoned_by(at, failed, error, verdicts)
            if poisoned is not None or at.awaiter is not None:
                return self.catch_in(error, frame, node, at, failed, poisoned, verdicts)
            failed = at.parent_node
            at = at.parent
        if self.interrupted and self.phase == ACTIVE and self.is_caught(error, frame, node):
            self.tell_caught(error, frame, node, 0)
            return self.stop()
        return self.fail(error, frame, node)

    cdef bint is_caught(self, object error, Frame at, Py_ssize_t failed) except -1:
        """Whether something in the run catches a failure, in its frame or above it."""
        if not may_be_caught(error):
            return False
        while at is not None:
            if at.count and at.template.catches and self.poisoned_by(at, failed, error, {}) is not None:
                return True
            failed = at.parent_node
            at = at.parent
        return False

    cdef int tell_caught(self, object error, Frame frame, Py_ssize_t node, Py_ssize_t levels) except -1:
        self.scheduler.callbacks.annotate(error, self, place_of(frame, node), levels, self.written(frame, node))
        return 0

    cdef int fail_late(self, object error, Frame frame, Waiter waiter) except -1:
        """It is the run's failure, too, unless something would have caught it: which of both came first is chance.

        What was stopped before the run has failed where the catch is that has stopped it. What is beneath an `await` is
        beneath the async task. A scope without a retry has nothing to catch for.
        """
        cdef Frame at = frame
        cdef Py_ssize_t failed = waiter.node
        cdef Catch catch = None if self.dying is None else <Catch>self.dying.get(waiter)
        cdef bint is_of_no_interest = False
        if catch is not None and may_be_caught(error):
            at, failed, is_of_no_interest = catch.frame, catch.node, catch.errors is None
        if not is_of_no_interest and not self.is_caught(error, at, failed):
            return self.fail(error, frame, waiter.node)
        return self.tell_caught(error, frame, waiter.node, 0)

    cdef int catch_in(
        self, object error, Frame frame, Py_ssize_t node, Frame at, Py_ssize_t failed, list poisoned, dict verdicts
    ) except -1:
        """Catch the failure of a node in a frame above it, or its own: at the node `failed` of that."""
        cdef Catch catch = Catch.__new__(Catch)
        cdef list doomed = None
        cdef Py_ssize_t each, levels = 0
        cdef Frame caller = frame
        while caller is not at:
            caller = caller.parent
            levels += 1
        self.tell_caught(error, frame, node, levels)
        if self.running:
            self.scheduler.extraction.clear()  # the error may have ended an extraction half-way
        if self.phase != ACTIVE:
            return 0
        if self.interrupted:  # a predicate or a subscriber has cancelled the run
            return self.stop()
        catch.frame = at
        catch.node = failed
        catch.failed = Failed.__new__(Failed)
        catch.failed.errors = catch.errors = [error]
        catch.failed.verdicts = verdicts or None
        if poisoned is None:
            catch.region = <Region>at.awaiter
            catch.region.failing = catch
        else:
            if not at.scattered:
                at.scatter()
            catch.poisoned = poisoned
            doomed = undemanded(at, poisoned)
            doomed.append(failed)  # for what else is beneath it: the items of a map
            for each in poisoned:
                at.needs[each] = POISONED
        return self.abort(catch, doomed, frame)

    cdef list poisoned_by(self, Frame frame, Py_ssize_t node, object error, dict verdicts):
        """The nodes that cannot have a value without that of a node which has failed; None if the target is one.

        Once the run stops, what was demanded before is no longer known of nodes that were stopped: all ways count.
        """
        cdef Template template = frame.template
        cdef Py_ssize_t last = template.node_count - 1
        cdef list found = [node]
        cdef set seen = {node}
        cdef Py_ssize_t i, each, consumer
        cdef Node* poisoned
        cdef bint goes_on = self.phase == ACTIVE
        verdicts.clear()
        if node == last:
            return None
        for each in found:  # which grows
            poisoned = &template.nodes[each]
            for i in range(poisoned.consumers + (poisoned.choosers if template.by_need else 0)):
                if i < poisoned.consumers:
                    consumer = template.consumers[poisoned.first_consumer + i]
                else:
                    consumer = template.choosers[poisoned.first_chooser + i - poisoned.consumers]
                    if goes_on and frame.chosen[consumer] != each and frame.chosen[consumer] > ANY_CHOSEN:
                        continue
                if consumer in seen or frame.values[consumer] is not NULL:
                    continue
                if goes_on and frame.scattered and frame.needs[consumer] <= UNDEMANDED:  # or it is POISONED already
                    continue
                if self.catches_at(frame, consumer, each, error, verdicts):
                    continue
                if consumer == last:
                    return None
                seen.add(consumer)
                found.append(consumer)
        return found

    cdef bint catches_at(
        self, Frame frame, Py_ssize_t at, Py_ssize_t operand, object error, dict verdicts
    ) except -1:
        """Whether a node catches the failure of an operand. What a predicate says, or raises, is kept for later."""
        cdef Node* node = &frame.template.nodes[at]
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef PyObject* on
        if node.op != CALL or not may_catch(node.kind) or self.is_predecessor(frame, node, <int32_t>operand):
            return False
        if node.kind == RACE or node.kind == SCOPE:
            return frame.chosen[at] <= ANY_CHOSEN if self.phase == ACTIVE else goes_on_after(frame, node, error)
        if node.kind == OUTCOME:
            return True
        if operands[0] != operand or (node.kind == FALLBACK and frame.chosen[at] != NONE_CHOSEN):
            return False
        on = frame.values[operands[2]]
        if on is NULL:
            return False
        try:
            verdicts[at] = matches(<object>on, error)
        except BaseException as wrong:
            verdicts[at] = _during(wrong, error)  # raised once the node is executed
            return True
        return verdicts[at]

    # ------------------------------------------------------------------------------------------------ nodes that catch

    cdef PyObject* execute_catching(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Evaluate a node of a kind that may catch: its value, PENDING or DEFERRED. A new reference."""
        cdef PyObject* value
        if node.kind == RACE:
            return self.race(frame, node, at)
        value = frame.values[frame.template.operands[node.first_operand]]
        if node.kind == RECOVER:
            if Py_TYPE(value) != FailedType:
                found = as_final(<object>value)
                Py_INCREF(found)
                return <PyObject*>found
            if not self.decide(frame, node, at, value):
                self.raise_failed(value)
            return self.recover(frame, node, (<Failed>value).error())
        if Py_TYPE(value) == FailedType:
            outcome = of_failure((<Failed>value).error())
        else:
            value = self.part_of_value(frame, frame.template.operands[node.first_operand])
            outcome = of_skip() if Py_TYPE(value) == SkipType else of_value(<object>value)
        Py_INCREF(outcome)
        return <PyObject*>outcome

    cdef bint decide(self, Frame frame, Node* node, Py_ssize_t at, PyObject* value) except -1:
        """Whether a recover or fallback catches the failure that its operand has as value.

        What it has said of it before holds, unless the failure is a group by now, as something failed as it was
        stopped.
        """
        cdef Failed failed = <Failed>value
        if failed.verdicts is not None and at in failed.verdicts:
            verdict = failed.verdicts[at]
            if type(verdict) is not bool:
                raise verdict
            if len(failed.errors) == 1:
                return verdict
        error = failed.error()
        try:
            return matches(<object>frame.values[frame.template.operands[node.first_operand + 2]], error)
        except BaseException as wrong:
            raise _during(wrong, error)

    cdef PyObject* recover(self, Frame frame, Node* node, object error) except NULL:
        """What the handler of a `recover` gives for a failure."""
        handler = <object>frame.values[frame.template.operands[node.first_operand + 1]]
        self.scheduler.monitor.fuel -= 1
        try:
            value = handler(error)
        except BaseException as wrong:
            raise _during(wrong, error)
        if type(value) is _CoroutineType:
            return self.call_async(frame, value)
        Py_INCREF(value)
        return <PyObject*>value

    cdef PyObject* race(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """The first value among the operands of a race. The others are stopped before it is the value of the race."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef PyObject* value = NULL
        cdef PyObject* skip = NULL
        cdef PyObject* found
        cdef Py_ssize_t i
        cdef bint is_open = False
        cdef Catch catch
        cdef list doomed
        if frame.chosen[at] >= 0:  # it is decided, and the others have ended
            return as_value(frame.values[frame.chosen[at]])
        if frame.chosen[at] == NONE_CHOSEN:
            for i in range(node.operands):
                if frame.values[operands[i]] is NULL:
                    frame.demand(operands[i])
        frame.chosen[at] = ANY_CHOSEN
        for i in range(node.operands):
            value = self.part_of_value(frame, operands[i])
            if value is NULL:
                is_open = True
            elif Py_TYPE(value) == SkipType:
                skip = value
            elif Py_TYPE(value) != FailedType:
                doomed = undemanded(frame, [at])
                frame.chosen[at] = operands[i]
                if not doomed:
                    found = as_value(value)
                    self.return_unseen(frame, at)
                    return found
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
        return self.end_race(frame, node, skip)

    cdef int return_unseen(self, Frame frame, Py_ssize_t at) except -1:
        """Put back the messages that a race is not decided for, where nothing has to be stopped."""
        cdef list found = []
        find_unseen(frame, [], None, at, found)
        for each in put_back_unseen(found):
            (<Mailbox>each).serve()
        return 0

    cdef PyObject* end_race(self, Frame frame, Node* node, PyObject* skip) except NULL:
        """Fail as the operands of a race have failed; if all were skipped, so is the race."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef PyObject* value
        cdef Py_ssize_t i
        cdef list errors = []
        for i in range(node.operands):
            value = frame.values[operands[i]]
            if Py_TYPE(value) == FailedType:
                errors.append((<Failed>value).error())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup(f"all {len(errors)} expressions of a race failed", errors)
        if skip is NULL:
            raise InternalError("a race has no operand; please report this")
        frame.skipping = True
        Py_INCREF_(skip)
        return skip


cdef PyObject* as_value(PyObject* value) except NULL:
    """A value as that of a node which chooses it: one that is a lazy result, as `cascade.data` said so, stays one."""
    if Py_TYPE(value) == Lazy:
        return new_data(value)
    Py_INCREF_(value)
    return value


cdef bint goes_on_after(Frame frame, Node* node, object error) except -1:
    """Whether a failure beneath a race or a scope would have been followed by another value or another attempt."""
    cdef int32_t* operands = frame.template.operands + node.first_operand
    cdef PyObject* policy
    cdef Py_ssize_t i
    if node.kind == RACE:
        return True
    for i in range(node.operands, node.operands + node.roles):
        policy = frame.values[operands[i]]
        if policy is not NULL and type(<object>policy) is Retry:
            try:
                return (<object>policy).wants(error)
            except BaseException:  # of a predicate: the failure is told of, and the run has failed anyway
                return False
    return False


cdef int chain_handled(object error, Frame frame, Py_ssize_t node) except -1:
    """An exception of a node whose handler was called, and may have been awaited, was raised during its handling."""
    cdef Node* failed = &frame.template.nodes[node]
    cdef PyObject* value
    if failed.op == CALL and failed.kind == RECOVER:
        value = frame.values[frame.template.operands[failed.first_operand]]
        if value is not NULL and Py_TYPE(value) == FailedType:
            _during(error, (<Failed>value).error())
    return 0


cdef object _during(object wrong, object error):
    """An exception that was raised while a failure was being handled: as in Python, no chain of contexts is closed."""
    cdef set seen = set()
    cdef PyObject* context = PyException_GetContext(wrong)
    if context is not NULL:
        Py_DECREF_(context)
        return wrong
    if wrong is error:
        return wrong
    link = error
    while id(link) not in seen:
        seen.add(id(link))
        context = PyException_GetContext(link)
        if context is NULL:
            break
        following = <object>context
        Py_DECREF_(context)
        if following is wrong:
            PyException_SetContext(link, NULL)
            break
        link = following
    Py_INCREF(error)
    PyException_SetContext(wrong, <PyObject*>error)
    return wrong
