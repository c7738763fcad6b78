"""Looking through containers for lazy results."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from cascade._core.shape.key cimport DICT, FROZENSET, LIST, SET, SLOT, STRUCT, TUPLE, KeyWriter
from cascade._core.expr.data cimport Data
from cascade._core.shape.struct_layout cimport DATA, RECORD, UNLEARNED, Known, Layout, known_type, op_of_type


ctypedef struct Step:  # how far a traversal or a search has come in one node
    PyObject* node  # borrowed: the expression holds it
    PyObject** items  # what it holds, for all but dicts; borrowed but for sets and structs
    Py_ssize_t cursor
    Py_ssize_t size
    uint32_t number  # of the node, in prefix order; of a search: 1 if a lazy result was found
    int op
    bint owned  # items is a copy to be freed


ctypedef struct Seen:  # what is known of a container
    PyObject* container
    uint32_t what


cdef enum:  # what may be known of a container, besides its number
    UNKNOWN = 0xFFFFFFFF
    LITERAL = 0xFFFFFFFE  # nothing lazy inside
    HOLDS = 0xFFFFFFFD  # a lazy result inside, not entered yet
    SEARCHED = 0xFFFFFFFC  # being searched
    CIRCULAR = 0xFFFFFFFB  # being searched, and reached from itself
    ENTERED = 0x80000000  # with its number: entered and not left


cdef class ContainerSearch(KeyWriter):
    cdef Step* steps
    cdef Py_ssize_t depth
    cdef Py_ssize_t step_room
    cdef int key_depth  # dict keys that are being searched inside one another
    cdef dict opened  # id of a record -> (the record, the values of its fields), where they are read as attributes
    cdef Seen* seen  # containers by address, open addressing
    cdef Py_ssize_t seen_count
    cdef Py_ssize_t seen_room  # a power of two

    cdef int holds_lazy(self, PyObject* container) except -1
    cdef int search(self, PyObject* container) except -1
    cdef int open_search(self, PyObject* container, int op) except -1
    cdef int open_items(self, Step* step) except -1
    cdef int open_fields(self, Step* step, Layout layout) except -1
    cdef int order_members(self, Step* step) except -1
    cdef uint64_t first_serial(self, PyObject* member) except 0
    cdef int ask(self, PyObject* kind) except -1
    cdef int open_record(self, PyObject* record) except -1
    cdef PyObject** fields_of(self, PyObject* record) noexcept
    cdef int refuse_hidden(self, PyObject* record, PyObject* lazy) except -1
    cdef int refuse_cycle(self, PyObject* node) except -1
    cdef int check_key(self, PyObject* key) except -1
    cdef uint32_t recall(self, PyObject* container) noexcept
    cdef int remember(self, PyObject* container, uint32_t what) except -1
    cdef int grow_steps(self) except -1

    cdef inline Step* push(self, PyObject* node, int op) except NULL:
        """A step into a node; its items are for the caller to fill in."""
        cdef Step* step
        if self.depth == self.step_room:
            self.grow_steps()
        step = &self.steps[self.depth]
        self.depth += 1
        step.node = node
        step.items = NULL
        step.cursor = 0
        step.size = 0
        step.op = op
        step.owned = False
        return step


cdef extern from "Python.h":
    ctypedef struct PySetObject:
        Py_ssize_t used
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    Py_ssize_t Py_SIZE(PyObject*) noexcept
    Py_ssize_t PyDict_Size(PyObject*) noexcept
    ctypedef struct TypeObject "PyTypeObject":
        unsigned long tp_flags
    unsigned long Py_TPFLAGS_HAVE_GC
    unsigned long Py_TPFLAGS_HEAPTYPE
    PyObject* List "(PyObject*)&PyList_Type"
    PyObject* Tuple "(PyObject*)&PyTuple_Type"
    PyObject* Dict "(PyObject*)&PyDict_Type"
    PyObject* Set "(PyObject*)&PySet_Type"
    PyObject* FrozenSet "(PyObject*)&PyFrozenSet_Type"

cdef PyObject* hidden_lazy(PyObject* record) noexcept


cdef inline bint may_hold(PyObject* kind) noexcept:
    """Whether values of a type can hold others, or be lazy results: no number can, no text, not None."""
    return (<TypeObject*>kind).tp_flags & (Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HEAPTYPE) != 0


cdef inline int op_of(PyObject* value, PyObject* kind) noexcept:
    """The op of a container that is not empty; RECORD, DATA or UNLEARNED for what these say; SLOT for all else."""
    cdef Known* known
    if not may_hold(kind):
        return SLOT
    if kind == List:
        return LIST if Py_SIZE(value) else SLOT
    if kind == Tuple:
        return TUPLE if Py_SIZE(value) else SLOT
    if kind == Dict:
        return DICT if PyDict_Size(value) else SLOT
    if kind == Set:
        return SET if (<PySetObject*>value).used else SLOT
    if kind == FrozenSet:
        return FROZENSET if (<PySetObject*>value).used else SLOT
    if kind == <PyObject*>Data:
        return DATA
    known = known_type(kind)
    return known.op if known.type == kind else op_of_type(kind)
