"""Templates as the engine runs them: a graph and its plan, linked into flat arrays.

Linking trusts every number in the structs: `cascade.graph.solver.check` stands before it.
"""

import weakref as _weakref

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memcmp, memcpy, memset

from cascade._core.shape.extract cimport Extraction
from cascade._core.shape.key cimport CALL, DICT, FROZENSET, LIST, SET, STRUCT, TUPLE
from cascade._core.expr.task_spec cimport (
    INJECT, KINDS, MAP, RECV, ROUTER, SCOPE, SELECT, begins_alone, calls_function, chooses, kind_of, may_catch, mode_of,
    reads_input,
)
from cascade._core.expr.symbol cimport CallShape, call_shape, struct_shape

from cascade._core.expr.lazy import display

cdef dict COLLECTIONS = {"list": LIST, "tuple": TUPLE, "set": SET, "frozenset": FROZENSET}

cdef enum:
    STRUCT_BYTES = 400  # approximate size of the frozen structs of one node


cdef class _Structs:
    """The struct types that graphs are made of.

    The owner of a `TemplateTable` passes them in, because the core must not import `cascade.graph`. Recognizing structs
    by the text of their names would break silently when one is renamed.
    """

    cdef object Call, Collection, Mapping, Record, SlotRef, NodeRef

    def __init__(self, tuple structs):
        self.Call, self.Collection, self.Mapping, self.Record, self.SlotRef, self.NodeRef = structs


cdef class Template:
    """A shape of expressions: what is built, solved and linked once, and shared by every run."""

    def __dealloc__(self):
        PyMem_Free(self.nodes)
        PyMem_Free(self.operands)
        PyMem_Free(self.needs)
        PyMem_Free(self.consumers)
        PyMem_Free(self.choosers)
        PyMem_Free(self.key)

    @property
    def tail_calls(self):
        """The templates that tail calls from this one have led to, perhaps itself among them."""
        others = [tail() for tail in self.tails or ()]
        return ([self] if self.recurs else []) + [other for other in others if other is not None]

    @property
    def structure_key(self):
        """The structure key, as bytes of native tokens."""
        return (<char*>self.key)[:self.key_size * <Py_ssize_t>sizeof(uint32_t)]

    def __repr__(self):
        return f"<Template of {self.node_count:,} node{'' if self.node_count == 1 else 's'}>"

    def _repr_mimebundle_(self, *types, **named):
        """What a notebook shows: a picture."""
        return display(self, types, named)

    cdef bint has(self, const char* key, Py_ssize_t size) noexcept:
        """Whether its key is this one, of ``size`` bytes."""
        return self.key_size * <Py_ssize_t>sizeof(uint32_t) == size and memcmp(self.key, key, size) == 0

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
            tail = _weakref.ref(to)
            if len(self.tails) == count:  # unless making the reference ran the collector, and this function inside it
                self.tails.append(tail)
                self.tail_places[count] = <PyObject*>to
        return 0


cdef void* _array(Py_ssize_t count, size_t width) except NULL:
    cdef void* made = PyMem_Malloc((count + 1) * width)
    if made is NULL:
        raise MemoryError()
    memset(made, 0, (count + 1) * width)
    return made


cdef Template link(bytes key, uint64_t hash, object graph, object plan, tuple structs):
    """Link a checked graph and plan under a structure key.

    ``structs``: the types Call, Collection, Mapping, Record, SlotRef, NodeRef of the graph.
    """
    cdef _Structs types = _Structs(structs)
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
    calls = [
        call_shape((s.module, s.qualname, s.kind, s.mode, s.injected), s.positional, s.names, s.roles)
        for s in graph.calls
    ]
    struct_shapes = [struct_shape(s.module, s.qualname, s.fields) for s in graph.structs]
    template.held = calls + struct_shapes
    template.inputs = ()
    template.resources = tuple([s.qualname for s in graph.calls if s.kind == KINDS[INJECT]])
    if any([s.roles for s in graph.calls]):
        template.roles = [()] * count
    nodes = graph.nodes
    for i in range(count):
        place[order[i]] = i
        node = nodes[order[i]]
        total += len(node.operands) * (2 if type(node) is types.Mapping else 1)
    template.operands = <int32_t*>_array(total, sizeof(int32_t))
    total = 0
    for i in range(count):
        template.nodes[i].first_operand = <int32_t>total
        template.nodes[i].priority = plan.priority[order[i]]
        total = _link_node(template, i, nodes[order[i]], place, calls, struct_shapes, total, types)
    _link_consumers(template)
    if template.by_need:
        _link_choosers(template)
    _mark_paths(template)
    _mark_absorbing(template)
    template.resources_outside_calls = _resources_outside_calls(template) if template.resources else ()
    template.size = (
        count * (<int64_t>sizeof(Node) + STRUCT_BYTES) + total * 4 * <int64_t>sizeof(int32_t) + 2 * len(key)
    )
    return template


cdef int32_t _value(Template template, list place, object ref, _Structs types):
    """The index of a reference among a frame's values."""
    if type(ref) is types.SlotRef:
        return template.node_count + <int32_t>ref.index
    return <int32_t>place[ref.index]


cdef Py_ssize_t _link_node(
    Template template, Py_ssize_t at, object node, list place, list calls, list structs, Py_ssize_t total,
    _Structs types
) except -1:
    cdef Node* made = &template.nodes[at]
    cdef tuple operands = node.operands
    cdef Py_ssize_t i
    kind = type(node)
    made.operands = <int32_t>len(operands)
    if kind is types.Mapping:
        made.op = DICT
        return _link_mapping(template, made, node, place, total, types)
    if kind is types.Call:
        made.op = CALL
        made.source = _value(template, place, node.task, types)
        _link_call(template, at, <CallShape>calls[node.symbol])
    elif kind is types.Record:
        made.op = STRUCT
        made.source = _value(template, place, node.type, types)
        names = structs[node.symbol].fields
        made.names = <PyObject*>names
        template.held.append(names)
    else:
        made.op = <uint8_t><int>COLLECTIONS[node.kind]
    for i in range(len(operands)):
        template.operands[total] = _value(template, place, operands[i], types)
        total += 1
    return total


cdef Py_ssize_t _link_mapping(
    Template template, Node* made, object node, list place, Py_ssize_t total, _Structs types
) except -1:
    cdef tuple keys = node.keys, operands = node.operands
    cdef Py_ssize_t i
    names = tuple([None if type(key) is types.SlotRef else key.load() for key in keys])
    template.held.append(names)
    made.names = <PyObject*>names
    for i in range(len(keys)):
        if type(keys[i]) is types.SlotRef:
            template.operands[total] = _value(template, place, keys[i], types)
        else:
            template.operands[total] = <int32_t>~i
        template.operands[total + 1] = _value(template, place, operands[i], types)
        total += 2
    return total


cdef int _link_call(Template template, Py_ssize_t at, CallShape shape) except -1:
    """Fill in what the shape of a call determines."""
    cdef Node* made = &template.nodes[at]
    made.positional = <int32_t>shape.positional
    made.kind = <uint8_t>kind_of(shape.task[2])
    made.mode = <uint8_t>mode_of(shape.task[3])
    if shape.names:
        names = shape.names
        made.names = <PyObject*>names
        template.held.append(names)
    if shape.roles:
        made.roles = <int32_t>len(shape.roles)
        made.operands -= made.roles
        template.roles[at] = shape.roles
    if reads_input(made.kind):
        template.inputs += (template.plan.order[at],)
    if chooses(made.kind) or made.kind == MAP:
        template.by_need = True
    if may_catch(made.kind):
        template.catches = True
    if made.kind == RECV or made.kind == SELECT:
        template.receives = True
    return 0


cdef Py_ssize_t _width(Node* node) noexcept:
    """The number of entries that a node has among the operands, those of its roles included."""
    return node.operands * (2 if node.op == DICT else 1) + node.roles


cdef inline bint _waits_for(Node* node, Py_ssize_t entry) noexcept:
    """Whether a node cannot start without this entry: routers and conditions start with the first one alone."""
    if node.op != CALL or not chooses(node.kind) or entry >= node.operands:
        return True
    return entry == 0 and not begins_alone(node.kind)


cdef int _link_consumers(Template template) except -1:
    """Fill in needs and consumers: each pair of a node and its consumer once, even if it takes the node twice."""
    cdef int32_t count = template.node_count
    cdef int32_t* latest = <int32_t*>_array(count, sizeof(int32_t))  # the last consumer counted of a node, plus one
    cdef Py_ssize_t i, j, edges = 0
    cdef int32_t operand
    cdef Node* node
    cdef Node* source
    cdef bint serial = True
    try:
        for i in range(count):
            node = &template.nodes[i]
            for j in range(_width(node)):
                operand = template.operands[node.first_operand + j]
                if 0 <= operand < count and latest[operand] != i + 1 and _waits_for(node, j):
                    latest[operand] = <int32_t>(i + 1)
                    template.nodes[operand].consumers += 1
                    node.needs += 1
                    edges += 1
            serial = serial and (i == 0 or latest[i - 1] == i + 1)
        template.serial = serial
        template.consumers = <int32_t*>_array(edges, sizeof(int32_t))
        template.needs = <int32_t*>_array(edges, sizeof(int32_t))
        edges = 0
        for i in range(count):
            template.nodes[i].first_consumer = <int32_t>edges
            edges += template.nodes[i].consumers
            template.nodes[i].consumers = 0
            latest[i] = 0
        edges = 0
        for i in range(count):
            node = &template.nodes[i]
            node.first_need = <int32_t>edges
            for j in range(_width(node)):
                operand = template.operands[node.first_operand + j]
                if 0 <= operand < count and latest[operand] != i + 1 and _waits_for(node, j):
                    latest[operand] = <int32_t>(i + 1)
                    source = &template.nodes[operand]
                    template.consumers[source.first_consumer + source.consumers] = <int32_t>i
                    source.consumers += 1
                    template.needs[edges] = operand
                    edges += 1
    finally:
        PyMem_Free(latest)
    return 0


cdef int _link_choosers(Template template) except -1:
    """Which routers and conditions may want whose value."""
    cdef Py_ssize_t i, total = 0
    cdef list choosers = [None] * template.node_count
    cdef Node* node
    for i in range(template.node_count):
        node = &template.nodes[i]
        if node.op == CALL and chooses(node.kind):
            for choice in _choices(template, node):
                if choosers[choice] is None:
                    choosers[choice] = []
                choosers[choice].append(i)
                total += 1
    template.choosers = <int32_t*>_array(total, sizeof(int32_t))
    total = 0
    for i in range(template.node_count):
        template.nodes[i].first_chooser = <int32_t>total
        for chooser in choosers[i] or ():
            template.choosers[total] = chooser
            total += 1
        template.nodes[i].choosers = <int32_t>(total - template.nodes[i].first_chooser)
    return 0


cdef list _choices(Template template, Node* node):
    """The nodes that a router or a condition may choose, each once."""
    cdef int32_t* operands = template.operands + node.first_operand
    cdef Node* routes
    cdef Py_ssize_t i, j
    found = set()
    for i in range(0 if begins_alone(node.kind) else 1, node.operands):
        if i != 1 or node.kind != ROUTER:
            found.add(operands[i])
        elif operands[1] < template.node_count:
            routes = &template.nodes[operands[1]]
            for j in range(routes.operands):
                found.add(template.operands[routes.first_operand + 2 * j + 1])
    return sorted([choice for choice in found if choice < template.node_count])


cdef int _mark_paths(Template template) except -1:
    """Mark the calls that take the slow path, always or perhaps, and whether the template has such a call."""
    cdef Py_ssize_t i, j
    cdef int32_t operand
    cdef Node* node
    template.check_each = template.by_need
    for i in range(template.node_count):
        node = &template.nodes[i]
        if node.op != CALL or not (calls_function(node.kind) or node.kind == SCOPE):
            continue
        if node.roles and any([role != "after" for role in template.roles[i]]):
            node.path = SLOW
            template.check_each = True
        elif template.resources and calls_function(node.kind):
            for j in range(node.operands):
                operand = template.operands[node.first_operand + j]
                if operand < template.node_count and _is_resource(&template.nodes[operand]):
                    node.path = MAYBE_SLOW
                    template.check_each = True
    return 0


cdef int _mark_absorbing(Template template) except -1:
    """Which containers are the target, or a part of it that no call is between."""
    cdef int32_t count = template.node_count
    cdef int32_t operand
    cdef Py_ssize_t i, j
    cdef Node* node = &template.nodes[count - 1]
    node.absorbs = node.op != CALL
    for i in range(count - 1, -1, -1):  # each node comes after its operands
        node = &template.nodes[i]
        if not node.absorbs:
            continue
        for j in range(_width(node)):
            operand = template.operands[node.first_operand + j]
            if 0 <= operand < count and template.nodes[operand].op != CALL:
                template.nodes[operand].absorbs = True
    return 0


cdef inline bint _is_resource(Node* node) noexcept:
    return node.op == CALL and node.kind == INJECT


cdef tuple _resources_outside_calls(Template template):
    """The names of resources that are not only arguments of calls: something else takes them, or nothing does."""
    cdef Py_ssize_t i, j, taken
    cdef Node* node
    cdef Node* consumer
    graph = template.graph
    found = set()
    for i in range(template.node_count):
        node = &template.nodes[i]
        if not _is_resource(node):
            continue
        taken = 0
        for j in range(node.consumers):
            consumer = &template.nodes[template.consumers[node.first_consumer + j]]
            taken += consumer.op == CALL and calls_function(consumer.kind)
        if taken == 0 or taken < node.consumers or node.choosers:
            found.add(graph.calls[graph.nodes[template.plan.order[i]].symbol].qualname)
    return tuple(sorted(found))
