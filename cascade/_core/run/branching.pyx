"""Branching: nodes that decide which others are evaluated, and how often.

A router or condition is executed twice: once with its selector, to demand the node that it chooses, and once with the
value of that node, which becomes its own. A map is executed once for each item, and starts a child frame for it. The
value of a skipped node is a `Skip`, which is passed on to the nodes that take it.
"""

from cpython.pyport cimport PY_SSIZE_T_MAX
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t

from cascade._core.expr.data cimport new_data
from cascade._core.expr.lazy cimport LazyResult, with_role
from cascade._core.run.operands cimport build_with_skips
from cascade._core.run.results cimport as_final
from cascade._core.expr.builtin_nodes cimport Failed, Skip, own_failure
from cascade._core.expr.task_spec cimport (
    FALLBACK, GUARD, INJECT, KINDS, MAP, RACE, RECV, ROUTER, SELECT, SEND, TICKS, WAIT, WAIT_UNTIL, accepts_skips,
    chooses, may_catch, reads_input,
)
from cascade._core.shape.key cimport CALL
from cascade._core.shape.template cimport Template
from cascade._core.run.waiting cimport PENDING, Launched, discard, new_launched

from cascade.exceptions import InternalError, RouteError

cdef extern from "Python.h":
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept
    ctypedef struct PyListObject:
        PyObject** ob_item
    PyObject* PyObject_Vectorcall(PyObject*, PyObject**, size_t, PyObject*) except NULL
    PyObject* PyDict_GetItemWithError(dict, object) except? NULL

cdef enum:
    IN_FLIGHT = 1024  # items of a map that are evaluated at once, by default
    SHOWN = 20  # keys of routes in an error message

cdef object _later = object()
cdef PyObject* DEFERRED = <PyObject*>_later
cdef PyObject* SkipType = <PyObject*>Skip
cdef PyObject* FailedType = <PyObject*>Failed
cdef PyObject* Lazy = <PyObject*>LazyResult


cdef class MapState:
    """A map that has begun: the items that it has still to start, and its results so far."""


cdef class Branching(Waiting):
    """The part of a run that evaluates built-in nodes."""

    cdef PyObject* execute_builtin(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """Evaluate a built-in node: its value, PENDING or DEFERRED; a new reference in any case."""
        if node.kind == WAIT:
            return self.wait(frame, node, at)
        if node.kind == RECV:
            return self.receive(frame, node, at)
        if node.kind == RACE:
            return self.execute_catching(frame, node, at)
        if chooses(node.kind):
            return self.choose(frame, node, at)
        if node.kind == MAP:
            return self.start_item(frame, node, at)
        if node.kind == INJECT:
            return self.resource(frame, node, at)
        if node.kind == SEND:
            return self.send(frame, node, at)
        if node.kind == WAIT_UNTIL:
            return self.wait_until(frame, node, at)
        if node.kind == TICKS:
            return self.tick(frame, node, at)
        if node.kind == SELECT:
            return self.select(frame, node, at)
        if may_catch(node.kind):
            return self.execute_catching(frame, node, at)
        if not reads_input(node.kind):
            raise InternalError(f"nothing evaluates a node of kind {KINDS[node.kind]!r}")
        spec = <object>frame.values[frame.template.operands[node.first_operand]]
        value = self.scheduler.callbacks.read_input(self, spec)
        Py_INCREF(value)
        return <PyObject*>value

    cdef PyObject* inherited(self, Frame frame, Node* node) except? NULL:
        """The `Skip` or `Failed` that a node must pass on, as it needs that value; NULL if there is none. Borrowed.

        A container of the target that has a skipped part has a value, with `SKIPPED` there. But what takes the same
        container as an argument is skipped all the same.
        """
        cdef int32_t* needs = frame.template.needs + node.first_need
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef Py_ssize_t i
        cdef PyObject* value
        cdef bint is_call = node.op == CALL
        for i in range(node.needs):
            value = self.part_of_value(frame, needs[i])
            if Py_TYPE(value) == SkipType:
                if not is_call or not accepts_skips(node.kind) or self.is_predecessor(frame, node, needs[i]):
                    return value
            elif Py_TYPE(value) == FailedType:
                if not is_call or not may_catch(node.kind) or operands[0] != needs[i] or (
                    self.is_predecessor(frame, node, needs[i])
                ):
                    return value
        return NULL

    cdef PyObject* part_of_value(self, Frame frame, int32_t at) except? NULL:
        """The value of a node as another node sees it: of a container with a skipped part, the `Skip`. Borrowed."""
        cdef PyObject* absorbed
        if frame.maps is not None and at < frame.template.node_count and frame.template.nodes[at].absorbs:
            absorbed = PyDict_GetItemWithError(frame.maps, at)
            if absorbed is not NULL:
                return absorbed
        return frame.values[at]

    cdef bint is_predecessor(self, Frame frame, Node* node, int32_t operand) noexcept:
        """Whether a node is to start after another one, whether or not it takes its value, too."""
        cdef int32_t* operands = frame.template.operands + node.first_operand + node.operands
        cdef Py_ssize_t i
        for i in range(node.roles):
            if operands[i] == operand:
                return True
        return False

    cdef PyObject* execute_catching(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        raise InternalError("overridden in `Catching`")

    cdef int raise_failed(self, PyObject* value) except -1:
        """Raise the failure of a value that a node needs, and does not catch."""
        raise (<Failed>value).error()

    cdef PyObject* build_skipping(self, Frame frame, Node* node, Py_ssize_t at, PyObject* skip) except NULL:
        """The value of a container of the target in which something was skipped; and a note of it, for the others."""
        if frame.maps is None:
            frame.maps = {}
        frame.maps[at] = <object>skip
        return build_with_skips(frame, node)

    # ------------------------------------------------------------------------------------ routers and conditions

    cdef PyObject* choose(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """The value of the chosen operand; DEFERRED if it must be evaluated first: then it is demanded."""
        cdef Py_ssize_t wanted = frame.chosen[at]
        cdef PyObject* value = NULL
        if wanted < 0:
            if node.kind == GUARD:
                wanted = self.choose_branch(frame, node)
            elif node.kind == ROUTER:
                wanted = self.choose_route(frame, node, &value)
            else:
                wanted = self.choose_whole(frame, node, at)
        if value is NULL and wanted < 0:
            skip = Skip.__new__(Skip)
            (<Skip>skip).template = frame.template
            (<Skip>skip).number = frame.template.plan.order[at]
            frame.skipping = True
            Py_INCREF(skip)
            return <PyObject*>skip
        if value is NULL:
            value = self.part_of_value(frame, <int32_t>wanted)
        if value is NULL:
            frame.chosen[at] = <int32_t>wanted
            frame.demand(<int32_t>wanted)
            value = DEFERRED
        elif Py_TYPE(value) == SkipType:
            frame.skipping = True
        elif Py_TYPE(value) == FailedType:
            self.raise_failed(value)
        elif Py_TYPE(value) == Lazy:  # a value by now, as `cascade.data` said so
            return new_data(value)
        Py_INCREF_(value)
        return value

    cdef Py_ssize_t choose_whole(self, Frame frame, Node* node, Py_ssize_t at) except -2:
        """Which of a frame's values a scope without policies wants: its own; a fallback: the other, after a failure."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef PyObject* value = frame.values[operands[0]]
        if node.kind == FALLBACK and Py_TYPE(value) == FailedType:
            if self.decide(frame, node, at, value):
                return operands[1]
        return operands[0]

    cdef bint decide(self, Frame frame, Node* node, Py_ssize_t at, PyObject* value) except -1:
        raise InternalError("overridden in `Catching`")

    cdef Py_ssize_t choose_branch(self, Frame frame, Node* node) except -2:
        """Choose for a condition: the index of a value of the frame; -1: there is none, and the node is skipped."""
        cdef int32_t* operands = frame.template.operands + node.first_operand
        if <object>frame.values[operands[0]]:
            return operands[1]
        return operands[2] if node.operands > 2 else -1

    cdef Py_ssize_t choose_route(self, Frame frame, Node* node, PyObject** value) except -2:
        """Choose for a router: the index of a value of the frame, or -1 and the value itself (borrowed)."""
        cdef Template template = frame.template
        cdef int32_t* operands = template.operands + node.first_operand
        cdef Node* routes
        cdef Py_ssize_t i
        cdef dict places = {}
        selector = <object>frame.values[operands[0]]
        if operands[1] >= template.node_count:
            places = <dict?>frame.values[operands[1]]
            if selector in places:
                value[0] = <PyObject*>places[selector]  # the dict holds it, and the frame the dict
                return -1
        else:
            routes = &template.nodes[operands[1]]
            for i in range(routes.operands):
                places[_key(frame, routes, i)] = template.operands[routes.first_operand + 2 * i + 1]
            if selector in places:
                return places[selector]
        if node.operands > 2:
            return operands[2]
        keys = [repr(key) for key in list(places)[:SHOWN]]
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        raise RouteError(
            f"selector of a router must give the key of a route ({', '.join(keys)}{more}), got {selector!r}: "
            f"add that route, or a default"
        )

    # ------------------------------------------------------------------------------------------------------ maps

    cdef PyObject* start_item(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """The expression of the next item; DEFERRED if no item may start now; the results if all items have ended."""
        cdef MapState state = None if frame.maps is None else <MapState>frame.maps.get(at)
        cdef list items = None
        cdef PyObject* made
        if state is None:
            state = self.open_map(frame, node, at)
            if state.zipped.feed is not None:
                self.launch_feed(frame, at, state)
        state.queued = False
        if not state.exhausted and (state.zipped.feed is None or state.zipped.feed.rows):
            items = state.zipped.take()
            state.exhausted = items is None
        if items is None:
            if state.exhausted and state.in_flight == 0 and not state.is_fed:
                Py_INCREF(state.results)
                return <PyObject*>state.results
            Py_INCREF_(DEFERRED)
            return DEFERRED
        for i in range(len(items)):
            if state.zipped.is_final[i]:
                items[i] = as_final(items[i])
        items += state.constants
        if state.order is not None:
            items = [items[<Py_ssize_t>place] for place in state.order]
        made = PyObject_Vectorcall(<PyObject*>state.task, (<PyListObject*>items).ob_item, 0, <PyObject*>state.names)
        lazy = <LazyResult>made
        Py_DECREF_(made)
        for role, operand in state.policies:
            lazy = with_role(lazy, role, operand)
        if state.returns_failures:
            lazy = own_failure(lazy)
        state.results.append(None)
        self.item = len(state.results)
        state.in_flight += 1
        if state.in_flight < state.concurrency and (state.zipped.feed is None or state.zipped.feed.rows):
            state.queued = True
            frame.push_ready(<int32_t>at)
        Py_INCREF(lazy)
        return <PyObject*>lazy

    cdef int launch_feed(self, Frame frame, Py_ssize_t at, MapState state) except -1:
        """Have the engine take the items of async inputs: in an asyncio task, which the map's node waits for.

        So whatever stops the node cancels that task, and awaits it: it closes the inputs.
        """
        cdef Launched waiter = new_launched(self, frame, at)
        state.zipped.feed.room = state.concurrency
        try:
            value = self.scheduler.callbacks.launch_feed(waiter, self, state.zipped.feed)
        except BaseException:
            discard(waiter)
            raise
        state.is_fed = self.is_awaited(waiter, value)
        frame.awaited += state.is_fed
        return 0

    cdef MapState open_map(self, Frame frame, Node* node, Py_ssize_t at):
        cdef MapState state = MapState.__new__(MapState)
        cdef int32_t* operands = frame.template.operands + node.first_operand
        cdef tuple zipped = <tuple>node.names
        cdef tuple roles = () if node.roles == 0 else <tuple>frame.template.roles[at]
        cdef Py_ssize_t i
        state.task = <Task>frame.values[node.source]
        state.zipped = Zipped(zipped, [<object>frame.values[operands[i]] for i in range(node.operands)])
        state.constants = []
        state.policies = []
        state.results = []
        state.concurrency = IN_FLIGHT
        constant = []
        order = None
        for i, role in enumerate(roles, node.operands):
            value = <object>frame.values[operands[i]]
            if role == "concurrency":
                state.concurrency = min(value, PY_SSIZE_T_MAX)
            elif role == "return_exceptions":
                state.returns_failures = True
            elif role.startswith("const "):
                constant.append(role[6:])
                state.constants.append(as_final(value))
            elif role == "order":
                order = value
            elif role != "after":
                state.policies.append((role, value))
        state.names = zipped + tuple(constant)
        if order is not None:
            state.order = [state.names.index(name) for name in order]
            state.names = order
        if frame.maps is None:
            frame.maps = {}
        frame.maps[at] = state
        return state

    # ------------------------------------------------------------------------------------------------ resources

    cdef PyObject* resource(self, Frame frame, Node* node, Py_ssize_t at) except NULL:
        """A resource that is set up, or PENDING while the engine sets it up."""
        cdef Launched waiter = new_launched(self, frame, at)
        name = (<Task>frame.values[node.source]).spec.qualname
        try:
            value = self.scheduler.callbacks.launch_resource(waiter, self, name)
        except BaseException:
            discard(waiter)
            raise
        if self.is_awaited(waiter, value):
            value = <object>PENDING
        Py_INCREF(value)
        return <PyObject*>value


cdef object _key(Frame frame, Node* routes, Py_ssize_t i):
    """The key of a route, by its place among the routes."""
    cdef int32_t key = frame.template.operands[routes.first_operand + 2 * i]
    return (<tuple>routes.names)[~key] if key < 0 else <object>frame.values[key]
