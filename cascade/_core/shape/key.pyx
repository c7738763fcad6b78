"""Writing the structure key and the slots of an expression. docs/internals/key.md has the format.

A token is an operation in its lower five bits and an operand in the others. All that is not in the key is a slot.
"""

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.string cimport memcpy

from cascade.exceptions import StructureError

cdef extern from "Python.h":
    ctypedef struct PyTupleObject:
        PyObject** ob_item
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept
    bint PyUnicode_IS_ASCII(object) noexcept
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL
    bytes PyUnicode_AsEncodedString(object, const char*, const char*)
    str PyNumber_ToBase(object, int)

cdef enum:
    KEY_DEPTH = 8  # tuples inside tuples as a dict key; deeper ones become a slot

cdef uint64_t _traversals = 0


cdef uint64_t new_traversal() noexcept:
    """A number that no traversal of this process has had."""
    global _traversals
    _traversals += 1
    return _traversals


cdef class KeyWriter:
    """Buffers for a key and its slots, used for one expression after another."""

    def __dealloc__(self):
        KeyWriter.clear(self)
        PyMem_Free(self.key)
        PyMem_Free(self.slots)

    cdef void clear(self) noexcept:
        self.traversal = 0  # a traversal that is going on starts over
        while self.slot_count:  # the count comes first: a destructor may run, and use this object
            self.slot_count -= 1
            Py_DECREF_(self.slots[self.slot_count])
        self.key_size = 0

    cdef uint64_t hash(self) noexcept:
        """A hash of the key. It finds the bucket of a table, which then compares the keys."""
        cdef uint64_t hash = 0x9E3779B97F4A7C15u ^ <uint64_t>self.key_size
        cdef Py_ssize_t i
        for i in range(self.key_size):
            hash = (hash ^ self.key[i]) * 0xBF58476D1CE4E5B9u
            hash ^= hash >> 29
        return hash

    cdef str path(self):
        """The path from the target to where the traversal stands, for messages."""
        return "$"

    cdef int write_dict_key(self, object value, int depth) except -1:
        """Write the type and the value of a dict key, or make the key a slot if it is not of a plain type."""
        cdef PyObject* raw = <PyObject*>value
        cdef Py_ssize_t size, i
        cdef const char* data
        cdef bytes encoded
        cdef str digits
        cdef double number
        cdef uint64_t bits
        cdef Py_ssize_t key_size = self.key_size
        cdef int outcome
        kind = type(value)
        if value is None or kind is bool:
            self.reserve(1, 0)
            self.write(KEY_NONE if value is None else KEY_TRUE if value is True else KEY_FALSE, KEY)
            return WRITTEN
        if kind is str:
            if PyUnicode_IS_ASCII(value):
                data = PyUnicode_AsUTF8AndSize(value, &size)
                return self.write_bytes(KEY_STR, data, size)
            encoded = PyUnicode_AsEncodedString(value, "utf-8", "surrogatepass")
            if self.traversal != _traversals:  # the error handler has allocated: the collector may have run user code
                return AGAIN
            return self.write_bytes(KEY_STR, encoded, len(encoded))
        if kind is int:
            digits = PyNumber_ToBase(value, 16)
            data = PyUnicode_AsUTF8AndSize(digits, &size)
            return self.write_bytes(KEY_INT, data, size)
        if kind is bytes:
            return self.write_bytes(KEY_BYTES, <bytes>value, len(<bytes>value))
        if kind is float and value == value:  # a dict finds a NaN by its identity only: it becomes a slot
            number = value
            memcpy(&bits, &number, 8)
            self.reserve(3, 0)
            self.write(KEY_FLOAT, KEY)
            self.key[self.key_size] = <uint32_t>bits
            self.key[self.key_size + 1] = <uint32_t>(bits >> 32)
            self.key_size += 2
            return WRITTEN
        if kind is tuple and depth < KEY_DEPTH and len(<tuple>value) <= LIMIT:
            self.reserve(2, 0)
            self.write(KEY_TUPLE, KEY)
            self.key[self.key_size] = <uint32_t>len(<tuple>value)
            self.key_size += 1
            for i in range(len(<tuple>value)):
                outcome = self.write_dict_key(<object>(<PyObject**>(<PyTupleObject*>raw).ob_item)[i], depth + 1)
                if outcome == AGAIN:
                    return AGAIN
                if outcome == IS_LITERAL:
                    self.key_size = key_size  # an item is not of a plain type: the whole tuple becomes a slot
                    break
            else:
                return WRITTEN
        if depth:
            return IS_LITERAL
        self.reserve(1, 1)
        self.write(KEY_OPAQUE, KEY)
        self.keep(raw)
        return WRITTEN

    cdef int write_bytes(self, KeyKind kind, const char* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t tokens = (size + 3) // 4
        if size > LIMIT:
            raise StructureError(f"dict key must have at most {LIMIT} bytes, got {size} - at {self.path()}")
        self.reserve(tokens + 2, 0)
        self.write(kind, KEY)
        self.key[self.key_size] = <uint32_t>size
        if tokens:
            self.key[self.key_size + tokens] = 0
            memcpy(&self.key[self.key_size + 1], data, size)
        self.key_size += tokens + 1
        return WRITTEN

    cdef int grow_key(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t room = max(64, 2 * self.key_room, self.key_size + more)
        cdef void* moved = PyMem_Realloc(self.key, room * sizeof(uint32_t))
        if moved is NULL:
            raise MemoryError()
        self.key = <uint32_t*>moved
        self.key_room = room
        return 0

    cdef int grow_slots(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t room = max(64, 2 * self.slot_room, self.slot_count + more)
        cdef void* moved = PyMem_Realloc(self.slots, room * sizeof(PyObject*))
        if moved is NULL:
            raise MemoryError()
        self.slots = <PyObject**>moved
        self.slot_room = room
        return 0
