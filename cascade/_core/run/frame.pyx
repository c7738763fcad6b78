"""Frames: one expression bound to its template.

As long as nothing has to be awaited, nodes start in the order of the plan and a frame is an array and an index. Once
something must be awaited while other nodes could go on, the frame is scattered: it counts the operands that each node
lacks, and a node starts when it lacks none. A frame with routers, conditions or maps is scattered from the beginning,
and nodes start by need: at first only the target is demanded, and each demanded node demands what it needs to start.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

from cascade._core.shape.template cimport Node

cdef extern from "Python.h":
    void Py_XDECREF_ "Py_XDECREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept
    Py_ssize_t Py_REFCNT(PyObject*) noexcept


@cython.final
@cython.no_gc  # the run owns its frames and empties them when it ends: nothing for the collector to find
@cython.freelist(64)
cdef class Frame:
    """The activation record of one template."""

    def __dealloc__(self):
        cdef Frame parent = self.parent
        cdef Frame above
        self.parent = None
        while parent is not None and Py_REFCNT(<PyObject*>parent) == 1:
            above = parent  # only this frame holds it: a million of them are freed in this loop, not by recursion
            parent = above.parent
            above.parent = None
        above = None
        self.clear()
        PyMem_Free(self.values)
        PyMem_Free(self.needs)

    cdef int hydrate(self, Template template, Extraction extraction) except -1:
        """Bind a template to the slots of one expression, and take the slots out of the extraction."""
        cdef Py_ssize_t count = template.node_count + template.slot_count
        if extraction.slot_count != template.slot_count:
            raise AssertionError("an expression has another number of slots than its template")
        self.clear()
        if count > <Py_ssize_t>self.room or <Py_ssize_t>self.room > 8 * count:
            PyMem_Free(self.values)
            self.room = 0
            self.values = <PyObject**>PyMem_Malloc(count * sizeof(PyObject*))
            if self.values is NULL:
                raise MemoryError()
            self.room = <uint32_t>count
        PyMem_Free(self.needs)
        self.needs = NULL
        self.template = template
        memset(self.values, 0, template.node_count * sizeof(PyObject*))
        memcpy(self.values + template.node_count, extraction.slots, template.slot_count * sizeof(PyObject*))
        extraction.slot_count = 0
        self.count = <uint32_t>count
        self.next = 0
        self.scattered = False
        self.skipping = False
        if template.by_need:
            self.begin_by_need()
        return 0

    cdef int rehydrate(self, Extraction extraction) except -1:
        """Bind the same template to the slots of the next expression."""
        cdef Py_ssize_t nodes = self.template.node_count
        cdef Py_ssize_t slots = extraction.slot_count
        cdef PyObject** values = self.values
        cdef PyObject* old
        cdef Py_ssize_t i
        extraction.slot_count = 0  # first: a destructor may run, and the slots belong to the frame now
        for i in range(nodes):
            old = values[i]
            values[i] = NULL
            Py_XDECREF_(old)
        values += nodes
        for i in range(slots):
            old = values[i]
            values[i] = extraction.slots[i]
            Py_DECREF_(old)
        self.next = 0
        self.scattered = False
        self.skipping = False
        if self.template.by_need:
            self.begin_by_need()
        return 0

    cdef void clear(self) noexcept:
        cdef Py_ssize_t i = self.count
        cdef PyObject** values = self.values
        self.count = 0  # first: a destructor may run, and must find the frame empty
        while i:
            i -= 1
            Py_XDECREF_(values[i])
        self.maps = None

    cdef int scatter(self) except -1:
        """From now on a node starts when it lacks no operand. Count what each of the rest lacks."""
        cdef Template template = self.template
        cdef Py_ssize_t i, j
        cdef int32_t* consumers
        self.allocate_arrays(2)
        for i in range(self.next, template.node_count):
            self.needs[i] = template.nodes[i].needs
        for i in range(self.next):
            if self.values[i] is not NULL:
                consumers = template.consumers + template.nodes[i].first_consumer
                for j in range(template.nodes[i].consumers):
                    self.needs[consumers[j]] -= 1
        memset(self.needs, 0, self.next * sizeof(int32_t))  # of these, too, it is asked whether they are demanded
        for i in range(self.next, template.node_count):
            if self.needs[i] == 0:
                self.ready[self.ready_count] = <int32_t>i  # in ascending order: a heap
                self.ready_count += 1
        self.scattered = True
        return 0

    cdef int allocate_arrays(self, Py_ssize_t arrays) except -1:
        """Allocate arrays of one number for each node: 2 (`needs`, `ready`), or 3 (and `chosen`). Empty the heap."""
        cdef Py_ssize_t count = self.template.node_count
        if self.needs is NULL:
            self.needs = <int32_t*>PyMem_Malloc(arrays * count * sizeof(int32_t))
            if self.needs is NULL:
                raise MemoryError()
            self.ready = self.needs + count
            self.chosen = self.ready + count
        self.ready_count = 0
        return 0

    cdef int begin_by_need(self) except -1:
        """Begin a frame whose nodes start by need: demand the target."""
        cdef Py_ssize_t i
        cdef dict _maps = self.maps  # released when this returns
        self.maps = None
        self.allocate_arrays(3)
        for i in range(self.template.node_count):
            self.needs[i] = UNDEMANDED
            self.chosen[i] = NONE_CHOSEN
        self.scattered = True
        self.demand(self.template.node_count - 1)
        return 0

    cdef void demand(self, int32_t node) noexcept:
        """Demand the value of a node: it demands what it needs to start, and each of those nodes does the same.

        Invariant: `needs` of a node is UNDEMANDED until the node is demanded, once; from then on it is the number of
        operands that it still lacks. A node that lacks none is ready.

        The nodes whose needs are not counted yet form a stack, so that a chain of a million nodes does not recurse. It
        is a linked list threaded through `chosen`: `chosen` of a node on the stack is the node below it, -1 at the
        bottom. The array is free for that: only a router or condition that has been executed has an entry of its own
        there, nothing is executed before it is demanded, and each node comes off the stack, with -1 again in its entry,
        before this returns. A stack of its own would have to be allocated, and so this could fail half-way.
        """
        cdef Template template = self.template
        cdef int32_t top = node
        cdef int32_t* needs
        cdef Py_ssize_t i
        if self.needs[node] != UNDEMANDED:
            return
        self.needs[node] = 0
        while top >= 0:
            node = top
            top = self.chosen[node]
            self.chosen[node] = -1
            needs = template.needs + template.nodes[node].first_need
            for i in range(template.nodes[node].needs):
                if self.values[needs[i]] is not NULL:
                    continue
                self.needs[node] += 1
                if self.needs[needs[i]] == UNDEMANDED:
                    self.needs[needs[i]] = 0
                    self.chosen[needs[i]] = top
                    top = needs[i]
            if self.needs[node] == 0:
                self.push_ready(node)

    cdef void resolve(self, Py_ssize_t node) noexcept:
        """A node has its value: count down what its consumers lack; one that lacks nothing more is ready."""
        cdef Node* resolved = &self.template.nodes[node]
        cdef int32_t* consumers
        cdef Py_ssize_t i
        if not self.scattered:
            return
        consumers = self.template.consumers + resolved.first_consumer
        for i in range(resolved.consumers):
            if self.needs[consumers[i]] > UNDEMANDED:
                self.needs[consumers[i]] -= 1
                if self.needs[consumers[i]] == 0:
                    self.push_ready(consumers[i])
        if self.template.by_need:
            self.resolve_choosers(resolved, <int32_t>node)

    cdef inline void resolve_choosers(self, Node* resolved, int32_t node) noexcept:
        cdef int32_t* choosers = self.template.choosers + resolved.first_chooser
        cdef Py_ssize_t i
        for i in range(resolved.choosers):
            self.resolve_chooser(choosers[i], node)

    cdef inline void resolve_chooser(self, int32_t chooser, int32_t node) noexcept:
        if self.chosen[chooser] == node:
            self.push_ready(chooser)
        elif self.chosen[chooser] == ANY_CHOSEN:
            # Only once, whatever else it takes has a value by then; and before all other nodes, which may be of no use
            # any longer: as a number below 0, which `pop_ready` knows.
            self.chosen[chooser] = ANY_QUEUED
            self.push_ready(chooser - self.template.node_count)

    cdef void resolve_failed(self, Py_ssize_t node) noexcept:
        """Resolve a failure for the consumers that catch it, which are those without a value."""
        cdef Node* resolved = &self.template.nodes[node]
        cdef int32_t* consumers = self.template.consumers + resolved.first_consumer
        cdef Py_ssize_t i
        for i in range(resolved.consumers):
            if self.values[consumers[i]] is NULL and self.needs[consumers[i]] > UNDEMANDED:
                self.needs[consumers[i]] -= 1
                if self.needs[consumers[i]] == 0:
                    self.push_ready(consumers[i])
        if self.template.by_need:
            consumers = self.template.choosers + resolved.first_chooser
            for i in range(resolved.choosers):
                if self.values[consumers[i]] is NULL:
                    self.resolve_chooser(consumers[i], <int32_t>node)

    cdef void purge_ready(self, bytearray doomed) noexcept:
        """Take nodes out of the heap of those that are ready."""
        cdef Py_ssize_t i, count = self.ready_count
        cdef int32_t node
        self.ready_count = 0
        for i in range(count):  # the heap grows behind the place that is read
            node = self.ready[i]
            if not doomed[node if node >= 0 else node + self.template.node_count]:
                self.push_ready(node)

    cdef void push_ready(self, int32_t node) noexcept:
        cdef Py_ssize_t at = self.ready_count
        cdef Py_ssize_t up
        self.ready_count += 1
        while at:
            up = (at - 1) >> 1
            if self.ready[up] <= node:
                break
            self.ready[at] = self.ready[up]
            at = up
        self.ready[at] = node

    cdef Py_ssize_t pop_ready(self) noexcept:
        cdef int32_t first = self.ready[0]
        cdef int32_t last
        cdef Py_ssize_t at = 0, child = 1
        self.ready_count -= 1
        last = self.ready[self.ready_count]
        while child < self.ready_count:
            if child + 1 < self.ready_count and self.ready[child + 1] < self.ready[child]:
                child += 1
            if last <= self.ready[child]:
                break
            self.ready[at] = self.ready[child]
            at = child
            child = 2 * at + 1
        self.ready[at] = last
        return first if first >= 0 else first + self.template.node_count
