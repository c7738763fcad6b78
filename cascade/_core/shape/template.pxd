"""Templates as the engine runs them: a graph and its plan, linked into flat arrays."""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from cascade._core.shape.extract cimport Extraction


ctypedef struct Node:
    int32_t first_operand  # in Template.operands
    int32_t operands  # without those of its roles, which follow them
    int32_t roles
    int32_t positional  # how many of the operands of a call are given by position
    int32_t source  # index among the values: of the task of a call, of the type of a struct
    int32_t first_consumer  # in Template.consumers
    int32_t consumers
    int32_t first_chooser  # in Template.choosers
    int32_t choosers
    int32_t first_need  # in Template.needs
    int32_t needs  # number of distinct nodes whose values it needs to start
    int32_t priority
    uint8_t op
    uint8_t kind  # of a call
    uint8_t mode  # of a call
    uint8_t path  # of a call: a `Path`
    uint8_t absorbs  # of a container: it is part of the target, and has a value although a part of it was skipped
    PyObject* names  # borrowed from Template.held: of a call's arguments, a dict's keys, a struct's fields; or NULL


cdef enum Path:  # which of `Dispatching.execute` and `Dispatching.execute_slow` a call needs
    FAST
    MAYBE_SLOW  # the slow one if a resource that it takes has the scope "call"
    SLOW  # it has policies


cdef enum:
    TAILS = 16  # destinations of tail calls that are kept for pictures


cdef class Template:
    cdef readonly object graph  # GraphTemplate
    cdef readonly object plan  # PlanTemplate
    cdef Node* nodes  # in the order of the plan; the last one is the target
    cdef int32_t node_count
    cdef int32_t slot_count
    # Indices among a frame's values: first the results of the nodes, then the slots. Of a dict: key and value by turns,
    # a key that is part of the structure as ~(its index in the names).
    cdef int32_t* operands
    cdef int32_t* needs  # of each node, the nodes whose values it needs to start
    cdef int32_t* consumers  # of each node, the nodes that need its value to start
    cdef int32_t* choosers  # of each node, the nodes that may choose it
    cdef bint by_need  # a node that chooses, or a map, is among the nodes: nodes are evaluated by need
    cdef bint catches  # a node at which a failure may become a value is among the nodes
    cdef bint receives  # a node that receives a message is among the nodes
    cdef bint serial  # every node needs the one before: nothing can start while one is awaited
    cdef bint check_each  # a node may need `execute_slow`
    cdef readonly tuple inputs  # numbers in the graph of the nodes that are params and variables of the environment
    cdef readonly tuple resources  # names of the resources that are injected
    cdef readonly tuple resources_outside_calls  # of those, the ones that are not only arguments of calls
    cdef list roles  # of each node, the names of its roles; None: no node has any
    cdef list held  # what the arrays refer to: symbols, names
    cdef uint32_t* key
    cdef Py_ssize_t key_size  # tokens
    cdef uint64_t hash
    cdef readonly int64_t size  # bytes, approximately, graph and plan included
    cdef uint64_t used  # number of the last look-up that has found it
    cdef Template next  # in its bucket
    cdef bint recurs  # a tail call from this template to itself was seen
    cdef list tails  # weak references to other templates that tail calls from this one led to
    cdef PyObject* tail_places[TAILS]  # their addresses, for comparison
    cdef public dict places  # by number in the graph: name and path in events; None: no event has needed one
    cdef dict scopes  # by node: the scopes that it is beneath; None: no node has needed them
    cdef object __weakref__

    cdef bint has(self, const char* key, Py_ssize_t size) noexcept
    cdef bint matches(self, Extraction extraction) noexcept
    cdef int observe_tail(self, Template to) except -1
    cdef tuple scopes_above(self, Py_ssize_t node)


cdef Template link(bytes key, uint64_t hash, object graph, object plan, tuple structs)
