"""Templates as the engine runs them: a graph and its plan, linked into flat arrays.

Linking trusts every number in the structs: `cascade.graph.solver.check` stands before it.
"""

import weakref as _weakref

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memcmp, memcpy, memset

from cascade._core.extract cimport Extraction
from cascade._core.key cimport CALL, DICT, FROZENSET, LIST, SET, STRUCT, TUPLE
from cascade._core.spec cimport KINDS, MODES
from cascade._core.symbol cimport call_shape, struct_shape

cdef dict COLLECTIONS = {"list": LIST, "tuple": TUPLE, "set": SET, "frozenset": FROZENSET}

cdef enum:
    STRUCT_BYTES = 400  # what the frozen structs of one node take, about


cdef class Template:
    """A shape of expressions: what is built, solved and linked once, and shared by every run."""

    def __dealloc__(self):
        PyMem_Free(self.nodes)
        PyMem_Free(self.operands)
        PyMem_Free(self.consumers)
        PyMem_Free(self.key)

    @property
    def tail_calls(self):
        """The templates that tail calls from this one were seen to lead to, itself included."""
        others = [tail() for tail in self.tails or ()]
        return ([self] if self.recurs else []) + [other for other in others if other is not None]

    @property
    def structure_key(self):
        """The key that it is found by, in native tokens."""
        return (<char*>self.key)[:self.key_size * <Py_ssize_t>sizeof(uint32_t)]

    cdef bint matches(self, Extraction extraction) noexcept:
        """Whether this is the template of what was extracted: the whole key is compared."""
        return self.key_size == extraction.key_size and memcmp(
            self.key, extraction.key, self.key_size * sizeof(uint32_t)
        ) == 0

    cdef int observe_tail(self, Template to) except -1:
        cdef Py_ssize_t i, count
        if self is to:
            self.recurs = True
            return 0
        if self.tails is None:
            self.tails = []
        count = len(self.tails)
        for i in range(count):
            if self.tail_places[i] == <PyObject*>to:
                return 0
        if count < TAILS:
            self.tail_places[count] = <PyObject*>to
            self.tails.append(_weakref.ref(to))
        return 0


cdef void* _array(Py_ssize_t count, size_t width) except NULL:
    cdef void* made = PyMem_Malloc((count + 1) * width)
    if made is NULL:
        raise MemoryError()
    memset(made, 0, (count + 1) * width)
    return made


cdef Template link(bytes key, uint64_t hash, object graph, object plan):
    """Link a checked graph and plan under a structure key."""
    cdef Template template = Template.__new__(Template)
    cdef Py_ssize_t count = len(graph.nodes)
    cdef list place = [0] * count  # number in the graph -> number in the plan
    cdef tuple order = plan.order
    cdef Py_ssize_t i, total = 0
    template.graph = graph
    template.plan = plan
    template.hash = hash
    template.node_count = <int32_t>count
    template.slot_count = graph.slots
    template.key_size = len(key) // sizeof(uint32_t)
    template.key = <uint32_t*>_array(template.key_size, sizeof(uint32_t))
    memcpy(template.key, <const char*>key, len(key))
    template.nodes = <Node*>_array(count, sizeof(Node))
    calls = [call_shape((s.module, s.qualname, s.kind, s.mode, s.injected), s.positional, s.names) for s in graph.calls]
    structs = [struct_shape(s.module, s.qualname, s.fields) for s in graph.structs]
    template.held = calls + structs
    nodes = graph.nodes
    for i in range(count):
        place[order[i]] = i
        node = nodes[order[i]]
        total += len(node.operands) * (2 if hasattr(node, "keys") else 1)
    template.operands = <int32_t*>_array(total, sizeof(int32_t))
    total = 0
    for i in range(count):
        template.nodes[i].first_operand = <int32_t>total
        template.nodes[i].priority = plan.priority[order[i]]
        total = _link_node(template, &template.nodes[i], nodes[order[i]], place, calls, structs, total)
    _link_consumers(template)
    template.size = (
        count * (<int64_t>sizeof(Node) + STRUCT_BYTES) + total * 3 * <int64_t>sizeof(int32_t) + 2 * len(key)
    )
    return template


cdef int32_t _value(Template template, list place, object ref):
    """The index of a reference among a frame's values."""
    if type(ref).__name__ == "SlotRef":
        return template.node_count + <int32_t>ref.index
    return <int32_t>place[ref.index]


cdef Py_ssize_t _link_node(
    Template template, Node* made, object node, list place, list calls, list structs, Py_ssize_t total
) except -1:
    cdef tuple operands = node.operands
    cdef tuple keys, names
    cdef Py_ssize_t i
    made.operands = <int32_t>len(operands)
    kind = type(node).__name__
    if kind == "Mapping":
        made.op = DICT
        keys = node.keys
        names = tuple([None if type(key).__name__ == "SlotRef" else key.load() for key in keys])
        template.held.append(names)
        made.names = <PyObject*>names
        for i in range(len(keys)):
            if type(keys[i]).__name__ == "SlotRef":
                template.operands[total] = _value(template, place, keys[i])
            else:
                template.operands[total] = <int32_t>~i
            template.operands[total + 1] = _value(template, place, operands[i])
            total += 2
        return total
    if kind == "Call":
        made.op = CALL
        symbol = calls[node.symbol]
        made.source = _value(template, place, node.task)
        made.positional = symbol.positional
        made.kind = <uint8_t><int>KINDS.index(symbol.task[2])
        made.mode = <uint8_t><int>MODES.index(symbol.task[3])
        if symbol.names:
            names = symbol.names
            made.names = <PyObject*>names
            template.held.append(names)
    elif kind == "Record":
        made.op = STRUCT
        made.source = _value(template, place, node.type)
        names = structs[node.symbol].fields
        made.names = <PyObject*>names
        template.held.append(names)
    else:
        made.op = <uint8_t><int>COLLECTIONS[node.kind]
    for i in range(len(operands)):
        template.operands[total] = _value(template, place, operands[i])
        total += 1
    return total


cdef int _link_consumers(Template template) except -1:
    """Who waits for whom: every pair of a node and a consumer once, however often it takes it."""
    cdef int32_t count = template.node_count
    cdef int32_t* latest = <int32_t*>_array(count, sizeof(int32_t))  # the last consumer counted of a node, plus one
    cdef Py_ssize_t i, j, edges = 0
    cdef int32_t operand
    cdef Node* node
    cdef bint serial = True
    try:
        for i in range(count):
            node = &template.nodes[i]
            for j in range(node.operands * (2 if node.op == DICT else 1)):
                operand = template.operands[node.first_operand + j]
                if 0 <= operand < count and latest[operand] != i + 1:
                    latest[operand] = <int32_t>(i + 1)
                    template.nodes[operand].consumers += 1
                    node.needs += 1
                    edges += 1
            serial = serial and (i == 0 or latest[i - 1] == i + 1)
        template.serial = serial
        template.consumers = <int32_t*>_array(edges, sizeof(int32_t))
        edges = 0
        for i in range(count):
            template.nodes[i].first_consumer = <int32_t>edges
            edges += template.nodes[i].consumers
            template.nodes[i].consumers = 0
            latest[i] = 0
        for i in range(count):
            node = &template.nodes[i]
            for j in range(node.operands * (2 if node.op == DICT else 1)):
                operand = template.operands[node.first_operand + j]
                if 0 <= operand < count and latest[operand] != i + 1:
                    latest[operand] = <int32_t>(i + 1)
                    template.consumers[template.nodes[operand].first_consumer + template.nodes[operand].consumers] = (
                        <int32_t>i
                    )
                    template.nodes[operand].consumers += 1
    finally:
        PyMem_Free(latest)
    return 0
