"""Writing the structure key and the slots of an expression."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t


cdef enum Op:  # what a token says; its operand is in the upper 27 bits
    SLOT  # the next slot, a literal
    CALL  # a call of the shape with this number; its task is the next slot, its arguments follow
    REF  # the node with this number in prefix order, reached again
    LIST  # this number of items follows; the same for the next three
    TUPLE
    SET
    FROZENSET
    DICT  # this number of pairs follows, each a KEY and an item
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
    OPERAND_SHIFT = 5
    LIMIT = (1 << 27) - 1  # of an operand


cdef enum Outcome:  # of looking at a value
    IS_LITERAL
    WRITTEN
    AGAIN  # user code must run first, or has run: the traversal starts over


cdef class KeyWriter:
    cdef uint32_t* key
    cdef Py_ssize_t key_size  # tokens
    cdef Py_ssize_t key_room
    cdef PyObject** slots  # owned references, until a frame takes them
    cdef Py_ssize_t slot_count
    cdef Py_ssize_t slot_room
    cdef uint64_t traversal  # whose marks are valid

    cdef void clear(self) noexcept
    cdef uint64_t hash(self) noexcept
    cdef int write_dict_key(self, object value, int depth) except -1
    cdef int write_bytes(self, KeyKind kind, const char* data, Py_ssize_t size) except -1
    cdef str path(self)
    cdef int grow_key(self, Py_ssize_t more) except -1
    cdef int grow_slots(self, Py_ssize_t more) except -1

    cdef inline int reserve(self, Py_ssize_t tokens, Py_ssize_t slots) except -1:
        if self.key_size + tokens > self.key_room:
            self.grow_key(tokens)
        if self.slot_count + slots > self.slot_room:
            self.grow_slots(slots)
        return 0

    cdef inline void write(self, uint32_t operand, uint32_t op) noexcept:
        """Write a token for which there is room."""
        self.key[self.key_size] = operand << OPERAND_SHIFT | op
        self.key_size += 1

    cdef inline void keep(self, PyObject* value) noexcept:
        """Keep a value as the next slot, for which there is room."""
        Py_INCREF_(value)
        self.slots[self.slot_count] = value
        self.slot_count += 1


cdef extern from "Python.h":
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept


cdef uint64_t new_traversal() noexcept
