"""Extraction: one traversal of an expression writes its structure key and collects its slots."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from cascade._core.lazy cimport LazyResult


cdef enum Op:  # what a token says; its operand is in the upper 28 bits
    SLOT  # the next slot, a literal
    CALL  # a call of the shape with this number; its task is the next slot, its arguments follow
    REF  # the node that began as number so-and-so, reached again
    LIST  # so many items follow
    TUPLE
    SET
    FROZENSET
    DICT  # so many pairs of a key and an item follow
    STRUCT  # the shape with this number; its type is the next slot, its fields follow
    KEY  # a key of a dict, of this kind


cdef enum KeyKind:
    KEY_NONE
    KEY_FALSE
    KEY_TRUE
    KEY_INT  # then the number of bytes, then the bytes, padded: hexadecimal digits
    KEY_FLOAT  # then the IEEE 754 bits, low half first
    KEY_STR  # then the number of bytes, then the bytes, padded: UTF-8, lone surrogates passed
    KEY_BYTES  # then the number of bytes, then the bytes, padded
    KEY_TUPLE  # then the number of items, then each as a KEY
    KEY_OPAQUE = 15  # the next slot


cdef enum:
    OPERAND_SHIFT = 4


ctypedef struct Step:  # where the traversal stands in one node
    PyObject* node  # borrowed: the expression holds it
    PyObject** items  # what it holds, for all but dicts; borrowed but for sets
    Py_ssize_t cursor
    Py_ssize_t size
    uint32_t number  # of the node, in prefix order
    int op
    bint owned  # items is a copy to be freed


ctypedef struct Seen:  # what the traversal knows of a container
    PyObject* container
    uint32_t what


cdef class Extraction:
    """The work space of traversals, one at a time; its buffers are used again."""

    cdef uint32_t* key
    cdef Py_ssize_t key_size  # tokens
    cdef Py_ssize_t key_room
    cdef PyObject** slots  # owned references, until `take_slots`
    cdef Py_ssize_t slot_count
    cdef Py_ssize_t slot_room
    cdef uint32_t nodes  # begun so far
    cdef Step* steps
    cdef Py_ssize_t depth
    cdef Py_ssize_t step_room
    cdef Seen* seen  # containers by address, open addressing
    cdef Py_ssize_t seen_count
    cdef Py_ssize_t seen_room  # a power of two
    cdef uint64_t traversal

    cdef int run(self, LazyResult target) except -1
    cdef void clear(self) noexcept
    cdef uint64_t hash(self) noexcept

    # the parts of a traversal
    cdef int walk(self) except -1
    cdef int walk_dict(self, Step* step) except -1
    cdef int visit(self, PyObject* value) except -1
    cdef int enter_lazy(self, LazyResult lazy) except -1
    cdef int enter_container(self, PyObject* container, int op) except -1
    cdef int enter_struct(self, PyObject* struct) except -1
    cdef void leave(self, Step* step) noexcept
    cdef int write_key(self, object value, int depth) except -1
    cdef int write_bytes(self, KeyKind kind, const char* data, Py_ssize_t size) except -1
    cdef int refuse_cycle(self, PyObject* node) except -1
    cdef str path(self)

    # containers with a lazy result inside
    cdef int holds_lazy(self, PyObject* container) except -1
    cdef int ask(self, PyObject* struct_type) except -1
    cdef int search(self, PyObject* container) except -1
    cdef int open_search(self, PyObject* container) except -1
    cdef int open_items(self, Step* step) except -1
    cdef uint32_t recall(self, PyObject* container) noexcept
    cdef int remember(self, PyObject* container, uint32_t what) except -1
    cdef int order_members(self, Step* step) except -1
    cdef uint64_t first_serial(self, PyObject* member) noexcept

    # room
    cdef int grow_key(self, Py_ssize_t more) except -1
    cdef int grow_slots(self, Py_ssize_t more) except -1
    cdef int grow_steps(self) except -1

    cdef inline int reserve_key(self, Py_ssize_t more) except -1:
        if self.key_size + more > self.key_room:
            return self.grow_key(more)
        return 0

    cdef inline int reserve_slots(self, Py_ssize_t more) except -1:
        if self.slot_count + more > self.slot_room:
            return self.grow_slots(more)
        return 0
