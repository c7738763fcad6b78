"""Unseen messages: those that a run has received and that no task was given. If nothing uses them, they are put back.

A call that receives has a `Received` as its value. Containers, calls that only combine values, and nodes that choose
pass it on; any other call that has started was given it.
"""

cimport cython
from cpython.object cimport PyObject

from cascade._core.expr.combining cimport combines
from cascade._core.expr.task cimport Task
from cascade._core.expr.task_spec cimport FALLBACK, RECV, SELECT, SYNC, chooses, may_catch
from cascade._core.run.frame cimport POISONED, UNDEMANDED
from cascade._core.run.mailbox cimport Mailbox, Received
from cascade._core.shape.key cimport CALL, DICT
from cascade._core.shape.template cimport Node, Template

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept

cdef PyObject* ReceivedType = <PyObject*>Received


cdef list unseen_in_value(Frame frame, Py_ssize_t at):
    """The messages in the value of a node that no task was given; None: there is none."""
    if not frame.template.receives:
        return None
    return _search(frame, None, -1, [at]).found or None


cdef list unseen_in_scope(Frame frame, Py_ssize_t at):
    """The messages in the value of the expression of a scope that nothing else will be given; None: there is none."""
    if not frame.template.receives:
        return None
    return _search(frame, set(), at, [frame.template.operands[frame.template.nodes[at].first_operand]]).found or None


cdef int find_unseen(Frame frame, list doomed, list poisoned, Py_ssize_t catcher, list found) except -1:
    """Find the messages that nothing will be given, as all that could be is about to be stopped.

    Args:
        frame: the frame.
        doomed: nodes of it that are about to be stopped; None: all.
        poisoned: nodes that are about to fail; None: none.
        catcher: the node for which they are, which goes on with the node that it has chosen, if any; -1: none.
        found: the messages are added.
    """
    cdef Template template = frame.template
    cdef list stack
    cdef Py_ssize_t at
    if not template.receives or frame.count == 0:  # it was cleared
        return 0
    if doomed is None:
        stack = [at for at in range(template.node_count) if _is_received(frame, at)]
        found += _search(frame, None, -1, stack).found
        return 0
    stack = []
    for at in doomed + (poisoned or []) + ([catcher] if catcher >= 0 else []):
        _add_operands(template, at, stack)
    found += _search(frame, set(doomed), catcher, stack).found
    return 0


cdef _Search _search(Frame frame, set doomed, Py_ssize_t catcher, list stack):
    cdef _Search search = _Search.__new__(_Search)
    search.frame = frame
    search.doomed = doomed
    search.catcher = catcher
    search.found = []
    search.look_through(stack)
    return search


@cython.final
cdef class _Search:
    """A search for messages that no task was given, nor will be, among the values of a frame.

    Attributes:
        frame: the frame.
        doomed: nodes that are about to be stopped; None: nothing in the frame goes on.
        catcher: the node for which they are; -1: none.
        found: the messages.
    """

    cdef Frame frame
    cdef set doomed
    cdef Py_ssize_t catcher
    cdef list found

    cdef int look_through(self, list stack) except -1:
        """Look through values that are passed on."""
        cdef Frame frame = self.frame
        cdef Template template = frame.template
        cdef set seen = set()
        cdef Py_ssize_t at, i, operand
        cdef Node* node
        while stack:
            at = stack.pop()
            if at < 0 or at >= template.node_count or frame.values[at] is NULL or at in seen:
                continue
            seen.add(at)
            node = &template.nodes[at]
            if _gathers(frame, node):
                _add_operands(template, at, stack)
            elif _is_received(frame, at):
                if not self.is_used(at):
                    self.found.append(<object>frame.values[at])
            elif _passes_on(frame, node):
                if template.by_need and frame.chosen[at] >= 0:
                    stack.append(frame.chosen[at])
                for i in range(node.operands):
                    operand = template.operands[node.first_operand + i]
                    if 0 <= operand < template.node_count and frame.values[operand] == frame.values[at]:
                        stack.append(operand)
        return 0

    cdef bint is_used(self, Py_ssize_t at) except -1:
        """Whether a task was given a value, or may be; or a node goes on that has chosen it, or may."""
        cdef Frame frame = self.frame
        cdef Template template = frame.template
        cdef list stack = [at]
        cdef set seen = set()
        cdef Py_ssize_t i, taker
        cdef Node* node
        while stack:
            at = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            node = &template.nodes[at]
            for i in range(node.choosers):
                taker = template.choosers[node.first_chooser + i]
                if frame.values[taker] == frame.values[at]:
                    stack.append(taker)
                elif frame.values[taker] is NULL and self.may_choose(taker, at):
                    return True
            for i in range(node.consumers):
                taker = template.consumers[node.first_consumer + i]
                if not _is_operand(template, at, taker):  # it only comes after it
                    continue
                if frame.values[taker] is NULL:
                    if self.may_take(taker):
                        return True
                elif _passes_on(frame, &template.nodes[taker]) and (
                    frame.values[taker] == frame.values[at] or _gathers(frame, &template.nodes[taker])
                ):
                    stack.append(taker)
                else:
                    return True
        return False

    cdef bint may_choose(self, Py_ssize_t chooser, Py_ssize_t at) except -1:
        """Whether a node without a value goes on, or may be demanded, and takes another one, or may take it."""
        cdef Frame frame = self.frame
        cdef Node* node = &frame.template.nodes[chooser]
        if self.doomed is None or frame.needs[chooser] == POISONED:
            return False
        if chooser == self.catcher:
            return frame.chosen[chooser] == at
        if frame.needs[chooser] == UNDEMANDED or chooser in self.doomed:
            return self.may_be_demanded(chooser)
        if node.kind == FALLBACK and frame.template.operands[node.first_operand + 1] == at:
            return True  # once what it has chosen has failed
        return frame.chosen[chooser] == at or frame.chosen[chooser] < 0

    cdef bint may_take(self, Py_ssize_t at) except -1:
        """Whether a node without a value was given its operands, or may be."""
        cdef Frame frame = self.frame
        cdef bint passes_on = _passes_on(frame, &frame.template.nodes[at])
        if not frame.scattered:
            return not passes_on and at < frame.next
        if not passes_on and self.has_started(at):
            return True
        if self.doomed is None or frame.needs[at] == POISONED:
            return False
        if frame.needs[at] == UNDEMANDED or at in self.doomed:
            return self.may_be_demanded(at)
        return True

    cdef bint has_started(self, Py_ssize_t at) noexcept:
        """Whether a node of a scattered frame without a value has begun: it lacks nothing, and is not just ready."""
        cdef Frame frame = self.frame
        cdef Node* node = &frame.template.nodes[at]
        cdef Py_ssize_t i, operand
        if frame.needs[at] == POISONED:  # it has failed, or what it still lacks has
            for i in range(_operand_count(node)):
                operand = frame.template.operands[node.first_operand + i]
                if 0 <= operand < frame.template.node_count and frame.values[operand] is NULL:
                    return False
            return True
        if frame.needs[at] != 0:
            return False
        for i in range(frame.ready_count):
            if frame.ready[i] == at:
                return False
        return True

    cdef bint may_be_demanded(self, Py_ssize_t at) except -1:
        """Whether something that goes on may still come to demand a node, such as a router that has not chosen yet."""
        cdef Frame frame = self.frame
        cdef Template template = frame.template
        cdef list stack = [at]
        cdef set seen = set()
        cdef Py_ssize_t i, taker
        cdef Node* node
        while stack:
            at = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            node = &template.nodes[at]
            for i in range(node.consumers):
                taker = template.consumers[node.first_consumer + i]
                if frame.values[taker] is not NULL or frame.needs[taker] == POISONED:
                    continue
                if frame.needs[taker] != UNDEMANDED and taker not in self.doomed:
                    return True
                stack.append(taker)
            for i in range(node.choosers):
                taker = template.choosers[node.first_chooser + i]
                if frame.values[taker] is not NULL or frame.needs[taker] == POISONED:
                    continue
                if frame.needs[taker] == UNDEMANDED or taker in self.doomed:
                    stack.append(taker)
                elif self.may_choose(taker, at):
                    return True
        return False


cdef Py_ssize_t _operand_count(Node* node) noexcept:
    return node.operands * (2 if node.op == DICT else 1)


cdef int _add_operands(Template template, Py_ssize_t at, list found) except -1:
    cdef Node* node = &template.nodes[at]
    cdef Py_ssize_t i
    for i in range(_operand_count(node) - 1, -1, -1):
        found.append(template.operands[node.first_operand + i])
    return 0


cdef bint _is_operand(Template template, Py_ssize_t at, Py_ssize_t taker) noexcept:
    cdef Node* node = &template.nodes[taker]
    cdef Py_ssize_t i
    for i in range(_operand_count(node)):
        if template.operands[node.first_operand + i] == at:
            return True
    return False


cdef bint _passes_on(Frame frame, Node* node) noexcept:
    """Whether the value of a node may be, or hold, that of another one without a task of a user between them."""
    return _gathers(frame, node) or (node.op == CALL and (chooses(node.kind) or may_catch(node.kind)))


cdef bint _gathers(Frame frame, Node* node) noexcept:
    """Whether a node only makes one value of several: then no task of a user is given them."""
    if node.op != CALL:
        return True
    return node.kind == SYNC and not node.roles and combines(<Task>frame.values[node.source])


cdef bint _is_received(Frame frame, Py_ssize_t at) noexcept:
    """Whether the value of a node is a message that its run has received, and not put back."""
    cdef Node* node = &frame.template.nodes[at]
    return (
        node.op == CALL and (node.kind == RECV or node.kind == SELECT) and frame.values[at] is not NULL
        and Py_TYPE(frame.values[at]) == ReceivedType and (<Received>frame.values[at]).channel is not None
    )


def return_messages(list messages):
    """Put messages back into their mailboxes, once each, and deliver them to those who wait there.

    Args:
        messages: a list of `Received`, or None.
    """
    cdef Mailbox mailbox
    for mailbox in put_back_unseen(messages or []):
        mailbox.serve()


cdef list put_back_unseen(list messages):
    """Put messages back into their mailboxes, once each, and return these. They must be told to `serve`."""
    cdef list mailboxes = []
    cdef Received each
    for each in messages:
        mailbox = each.channel
        if mailbox is not None:
            each.channel = None
            (<Mailbox>mailbox).put_back(each.message, each.delivery)
            mailboxes.append(mailbox)
    return mailboxes
