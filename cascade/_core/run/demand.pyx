"""Demand: which nodes of a frame are of use, and to what.

A frame of a template with nodes that choose, or one in which something was stopped, is *scattered*: it records for each
node whether it is demanded (`Frame.needs`).
"""

from cpython.bytearray cimport PyByteArray_AsString
from cpython.object cimport PyObject
from libc.stdint cimport int32_t

from cascade._core.expr.task_spec cimport chooses
from cascade._core.run.frame cimport ANY_CHOSEN, NONE_CHOSEN, UNDEMANDED
from cascade._core.shape.key cimport CALL
from cascade._core.shape.template cimport Node, Template

cdef extern from "Python.h":
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept


cdef bint may_be_ready(Frame frame, list nodes) except -1:
    """Whether one of some nodes may stand among those that are ready: one that lacks nothing."""
    for each in nodes:
        if frame.needs[<Py_ssize_t>each] == 0:
            return True
    return False


cdef list undemanded(Frame frame, list seeds):
    """The nodes of a scattered frame that nothing needs any longer once these nodes, the seeds, demand nothing.

    Only what the seeds have demanded can be among them. Of that, a node is of use as long as another one takes it that
    is demanded, has no value and is of use itself; those come later in the order of the plan.
    """
    cdef Template template = frame.template
    cdef list stack = list(seeds)
    cdef list found = []
    cdef list useless = []
    cdef set seen = set(seeds)
    cdef set dead = set(seeds)
    cdef Py_ssize_t at
    while stack:
        for each in _demands(frame, stack.pop()):
            at = each
            if at < template.node_count and frame.values[at] is NULL and frame.needs[at] != UNDEMANDED and (
                each not in seen
            ):
                seen.add(each)
                found.append(each)
                stack.append(each)
    found.sort(reverse=True)
    for each in found:
        if not _is_of_use(frame, each, dead):
            dead.add(each)
            useless.append(each)
    return useless


cdef list _demands(Frame frame, Py_ssize_t at):
    """What a node has demanded: nodes and slots."""
    cdef Template template = frame.template
    cdef Node* node = &template.nodes[at]
    cdef int32_t* operands = template.operands + node.first_operand
    cdef Py_ssize_t i
    cdef list found = [template.needs[node.first_need + i] for i in range(node.needs)]
    if template.by_need and node.op == CALL and chooses(node.kind):
        if frame.chosen[at] >= 0:
            found.append(frame.chosen[at])
        elif frame.chosen[at] <= ANY_CHOSEN:
            found += [operands[i] for i in range(node.operands)]
    return found


cdef bint _is_of_use(Frame frame, Py_ssize_t at, set dead) except -1:
    """Whether something takes a node that is demanded and has no value, other than what is of no use itself."""
    cdef Template template = frame.template
    cdef Node* node = &template.nodes[at]
    cdef Py_ssize_t i, taker
    for i in range(node.consumers):
        taker = template.consumers[node.first_consumer + i]
        if frame.values[taker] is NULL and frame.needs[taker] != UNDEMANDED and taker not in dead:
            return True
    if not template.by_need:
        return at == template.node_count - 1
    for i in range(node.choosers):
        taker = template.choosers[node.first_chooser + i]
        if frame.chosen[taker] != at and frame.chosen[taker] > ANY_CHOSEN:
            continue
        if frame.values[taker] is NULL and frame.needs[taker] != UNDEMANDED and taker not in dead:
            return True
    return at == template.node_count - 1


cdef list reset_exclusive(Frame frame, Py_ssize_t at, long long first_call):
    """Undo what was evaluated for a scope alone; its calls have new numbers. Return the values, to be released."""
    cdef Template template = frame.template
    cdef bytearray room = bytearray(template.node_count)
    cdef char* inside = PyByteArray_AsString(room)  # whether the scope alone needs a node; `room` keeps its size
    cdef list released = []
    cdef Node* node
    cdef Py_ssize_t i, j, consumer
    cdef bint all_inside
    inside[at] = 1
    for i in range(at - 1, -1, -1):  # consumers come after what they take
        node = &template.nodes[i]
        all_inside = True  # also of a router's routes: nothing takes the dict, and its nodes have the router as chooser
        for j in range(node.consumers):
            consumer = template.consumers[node.first_consumer + j]
            # What the scope itself needs comes before it: its predecessors, and what its constraints are made of.
            all_inside = all_inside and consumer != at and inside[consumer] != 0
        for j in range(node.choosers):
            all_inside = all_inside and inside[template.choosers[node.first_chooser + j]] != 0
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
            if frame.maps is None:
                frame.maps = {}
            released.append(frame.maps.pop(i, None))
            frame.maps[~i] = first_call + i
    return released
