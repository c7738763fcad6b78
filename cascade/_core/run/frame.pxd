"""Frames: one expression bound to its template."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, uint32_t

from cascade._core.shape.extract cimport Extraction
from cascade._core.shape.template cimport Node, Template


cdef enum:
    UNDEMANDED = -1
    POISONED = -2  # the node has failed, and will have a `Failed` as value once what was stopped for it has ended
    NONE_CHOSEN = -1
    ANY_CHOSEN = -2  # the node is executed again whenever one of its operands has a value...
    ANY_QUEUED = -3  # ... for which it stands among those that are ready


@cython.no_gc
cdef class Frame:
    cdef Template template
    cdef PyObject** values  # owned: the results of the nodes, NULL until they are there, then the slots
    # Numbers of nodes have 32 bits here: of a million agents that are parked, each has a frame.
    cdef uint32_t count  # of values
    cdef uint32_t room
    cdef int32_t next  # the next node to execute, as long as nodes are executed in the order of the plan
    cdef int32_t awaited  # nodes that have started and not ended
    cdef int32_t parent_node  # the one in `parent`
    cdef unsigned char scattered  # a node starts when it lacks no operand, not in the order of the plan
    cdef unsigned char skipping  # a node was skipped, or its failure is caught: others may have to pass that on
    cdef unsigned char stacked  # it stands in its run's stack of frames that can go on
    cdef unsigned char tails  # the value of the target has landed, and is the next expression
    cdef int32_t* needs  # when scattered: of each node, how many results it still lacks; UNDEMANDED or POISONED
    cdef int32_t* ready  # when scattered: a heap of nodes that lack none, the first of the plan on top
    cdef int32_t ready_count
    cdef uint32_t walk  # the last traversal of the garbage collector that has visited it
    # By need: of each node that chooses, the node that it takes its value from, NONE_CHOSEN or ANY_CHOSEN.
    cdef int32_t* chosen
    # By number of the node: the `MapState` of a map that has begun, the `Region` of an open scope, or None; of a
    # container, the `Skip` of a part. By ~(number of a node): the number of its call, if it was evaluated before.
    cdef dict maps
    cdef long long first_call  # the number of the call of node 0; see place.pyx
    cdef Frame parent  # whose node this frame's value is the value of; None: the run's
    cdef Py_ssize_t item  # number of the item of the parent's map, 1 or higher; 0: the parent's node is not a map
    cdef object awaiter  # the `Region` of the async task that awaits this frame's value; None: a node has it
    cdef object completion  # called with a waiter and this frame's value before the parent gets it, or None
    cdef Frame below  # in the run's stack of frames that can go on

    cdef int hydrate(self, Template template, Extraction extraction) except -1
    cdef int rehydrate(self, Extraction extraction) except -1
    cdef void clear(self) noexcept
    cdef int scatter(self) except -1
    cdef int begin_by_need(self) except -1
    cdef int allocate_arrays(self, Py_ssize_t arrays) except -1
    cdef void demand(self, int32_t node) noexcept
    cdef void resolve(self, Py_ssize_t node) noexcept
    cdef void resolve_failed(self, Py_ssize_t node) noexcept
    cdef inline void resolve_choosers(self, Node* resolved, int32_t node) noexcept
    cdef inline void resolve_chooser(self, int32_t chooser, int32_t node) noexcept
    cdef void purge_ready(self, bytearray doomed) noexcept
    cdef Py_ssize_t pop_ready(self) noexcept
    cdef void push_ready(self, int32_t node) noexcept
