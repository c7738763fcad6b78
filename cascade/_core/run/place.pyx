"""Places: where in a run a node is, and which call of the engine it is.

A call has a number. The nodes of a frame have consecutive ones, from `Frame.first_call` on, and a frame has new ones
whenever it is bound to an expression. So a number takes no memory beside the frame, and nothing need be kept of a call
to find that of its parent. What a scope evaluates anew has other numbers: `renumber`.
"""

cimport cython
from cpython.object cimport PyObject

from cascade._core.shape.key cimport CALL

cdef extern from "Python.h":
    PyObject* PyDict_GetItemWithError(dict, object) except? NULL

cdef enum:
    SHOWN = 8  # callers that are named at each end


@cython.final
@cython.no_gc
cdef class Place:
    """Where in a run a node is. Made for events, notes and `cascade.current` only.

    Attributes:
        template: of the expression that the node is in.
        number: of the node in its graph.
        call: the number of the call; no other call of the engine has it.
        parent: the number of the call that the expression is the value of, or that awaits it, or of the map; 0: none.
        item: the index of the map's item that the expression is; None: its parent is no map.
        callers: the parent, its parent, and so on, from the outside in: (template, number of the node in its graph,
            how), where `how` is the index of an item, or "returned", or "await". Of very many those in the middle are
            left out.
        hidden: how many that are, after the first half of `callers`.
    """


cdef long long call_of(Frame frame, Py_ssize_t at) except -1:
    """The number of the call of a node."""
    cdef PyObject* other
    if frame.maps is not None:
        other = PyDict_GetItemWithError(frame.maps, ~at)
        if other is not NULL:
            return <object>other
    return frame.first_call + at


cdef Place place_of(Frame frame, Py_ssize_t at):
    """The place of a node of a frame."""
    cdef Place place = Place.__new__(Place)
    cdef Frame caller = frame.parent
    cdef Py_ssize_t count = 0
    place.template = frame.template
    place.number = frame.template.plan.order[at]
    place.call = call_of(frame, at)
    place.callers = ()
    if caller is None:
        return place
    place.parent = call_of(caller, frame.parent_node)
    if frame.item:
        place.item = frame.item - 1
    while caller is not None:
        count += 1
        caller = caller.parent
    inner = []
    outer = []
    caller = frame
    cdef Py_ssize_t i
    for i in range(count):
        if i < SHOWN:
            inner.append(_caller(caller))
        elif i >= count - SHOWN:
            outer.append(_caller(caller))
        caller = caller.parent
    place.hidden = count - len(inner) - len(outer)
    place.callers = (*outer[::-1], *inner[::-1])
    return place


cdef list calls_of(Frame frame, list nodes):
    """The numbers of the calls among nodes of a frame; None: among all of them."""
    cdef Py_ssize_t at
    cdef list found = []
    for at in range(frame.template.node_count):
        if frame.template.nodes[at].op == CALL and (nodes is None or at in nodes):
            found.append(call_of(frame, at))
    return found


cdef tuple _caller(Frame frame):
    """What the expression of a frame is to the node above it: (template, number of that node, how)."""
    how = "await" if frame.awaiter is not None else frame.item - 1 if frame.item else "returned"
    return frame.parent.template, frame.parent.template.plan.order[frame.parent_node], how
