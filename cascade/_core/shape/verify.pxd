"""Whether a graph and a plan from a file are those of a key that this process has written."""

from libc.stdint cimport int32_t, uint8_t, uint32_t


ctypedef struct Open:  # a node whose operands are not all read yet
    uint32_t op
    int32_t head  # number of its symbol; of a dict: how many dict keys came before its own
    int32_t slot  # of its task or type
    int32_t first  # among the operands
    int32_t end
    int32_t number  # in prefix order


cdef class Proof:
    cdef bytes key
    cdef Py_ssize_t size  # tokens
    cdef void* room  # the memory of all the arrays
    cdef int32_t* operands  # of all open nodes: a node by its number, a slot as ~number
    cdef int32_t* finished  # number in prefix order -> number in post-order, -1 while open
    cdef Open* opened
    cdef int32_t* needs  # nodes that are operands, of node after node
    cdef int32_t* first_need  # by number of a node: where its needs begin in `needs`
    cdef list keys  # of all open dicts: a `Key`, or the number of a slot
    cdef tuple nodes  # of the graph
    cdef list calls, structs  # the symbols, in order of first use
    cdef object Call, Collection, Mapping, Record, SlotRef, NodeRef
    cdef int32_t done  # nodes compared
    cdef int32_t need_count
    cdef uint8_t* started

    cdef bint same_graph(self, object call, object struct, object literals, object graph) except -1
    cdef bint close(self, Open* top) except -1
    cdef bint same_operands(self, tuple refs, Open* top) except -1
    cdef bint same_keys(self, tuple keys, Py_ssize_t first) except -1
    cdef bint is_slot(self, object ref, int32_t number) except -1
    cdef bint fits(self, object plan) except -1
    cdef bint is_native(self, object plan) except -1
