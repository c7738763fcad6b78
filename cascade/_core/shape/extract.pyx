"""Extraction: one traversal of an expression writes its structure key and collects its slots.

The traversal holds the GIL from its first node to its last and runs no user code: it compares nothing, hashes nothing
and makes no object that the garbage collector tracks. So it may keep its marks in the lazy results themselves, although
several threads may extract the same expression. If something needs user code (the layout of a struct type that is met
for the first time), the traversal ends, that code runs, and the traversal starts over.
"""

from cpython.mem cimport PyMem_Free

from cascade._core.shape.containers cimport (
    ENTERED, HOLDS, LITERAL, UNKNOWN, ContainerSearch, Py_SIZE, Py_TYPE, PyDict_Size, PySetObject, op_of,
)
from cascade._core.shape.key cimport (
    AGAIN, CALL, DICT, FROZENSET, IS_LITERAL, LIMIT, REF, SET, SLOT, STRUCT, WRITTEN, new_traversal,
)
from cascade._core.shape.struct_layout cimport Layout, layout_of
from cascade._core.expr.lazy cimport LazyResult

from cascade.exceptions import StructureError

cdef extern from "Python.h":
    bint PyDict_Next(PyObject*, Py_ssize_t*, PyObject**, PyObject**) noexcept

cdef PyObject* Lazy = <PyObject*>LazyResult


cdef class Extraction(ContainerSearch):
    """The buffers and the stack of one traversal at a time."""

    cdef int run(self, LazyResult target) except -1:
        """Write the key and the slots of an expression. After an error, call `clear`."""
        while True:
            self.clear()
            self.nodes = 0
            self.traversal = new_traversal()
            self.enter_lazy(target)
            outcome = self.walk()
            if outcome != AGAIN:
                return 0

    cdef int walk(self) except -1:
        cdef Step* step
        cdef PyObject* value
        cdef PyObject* kind
        cdef Py_ssize_t cursor
        cdef int outcome
        while self.depth:
            step = &self.steps[self.depth - 1]
            if step.op == DICT:
                outcome = self.walk_dict(step)
                if outcome == AGAIN:
                    return AGAIN
                continue
            self.reserve(step.size - step.cursor, step.size - step.cursor)
            cursor = step.cursor
            while cursor < step.size:
                value = step.items[cursor]
                cursor += 1
                kind = Py_TYPE(value)
                if kind == Lazy and (<LazyResult>value).traversal != self.traversal:
                    step.cursor = cursor
                    self.enter_lazy(<LazyResult>value)
                    break
                if kind == Lazy or op_of(value, kind) != SLOT:
                    step.cursor = cursor
                    outcome = self.visit(value)
                    if outcome == WRITTEN:
                        break  # a step was pushed
                    if outcome == AGAIN:
                        return AGAIN
                    step = &self.steps[self.depth - 1]  # steps may move
                self.write(0, SLOT)
                self.keep(value)
            else:
                if step.op == CALL:
                    (<LazyResult>step.node).open = False
                    self.depth -= 1
                else:
                    self.leave(step)
        return 0

    cdef int walk_dict(self, Step* step) except -1:
        """Write the next pair of a dict."""
        cdef PyObject* key
        cdef PyObject* value
        cdef int outcome
        if not PyDict_Next(step.node, &step.cursor, &key, &value):
            self.leave(step)
            return 0
        outcome = self.write_dict_key(<object>key, 0)
        if outcome == AGAIN:
            return AGAIN
        outcome = self.visit(value)
        if outcome == IS_LITERAL:
            self.reserve(1, 1)
            self.write(0, SLOT)
            self.keep(value)
        return outcome

    cdef int visit(self, PyObject* value) except -1:
        """Write a lazy result, or begin a container that holds one. IS_LITERAL: the value is a literal."""
        cdef PyObject* kind = Py_TYPE(value)
        cdef uint32_t what
        cdef int op
        cdef int holds
        if kind == Lazy:
            if (<LazyResult>value).traversal != self.traversal:
                self.enter_lazy(<LazyResult>value)
                return WRITTEN
            if (<LazyResult>value).open:
                self.refuse_cycle(value)
            what = (<LazyResult>value).node
        else:
            op = op_of(value, kind)
            if op == SLOT:
                return IS_LITERAL
            what = self.recall(value)
            if what == UNKNOWN:
                holds = self.holds_lazy(value)
                if holds == AGAIN:
                    return AGAIN
                what = HOLDS if holds else LITERAL
            if what == LITERAL:
                return IS_LITERAL
            if what == HOLDS:
                if op == STRUCT:
                    self.enter_struct(value)
                else:
                    self.enter_container(value, op)
                return WRITTEN
            if what & ENTERED:
                self.refuse_cycle(value)
        self.reserve(1, 0)
        self.write(what, REF)
        return WRITTEN

    cdef int enter_container(self, PyObject* container, int op) except -1:
        cdef Py_ssize_t size
        cdef Step* step
        if op == DICT:
            size = PyDict_Size(container)
        elif op == SET or op == FROZENSET:
            size = (<PySetObject*>container).used
        else:
            size = Py_SIZE(container)
        if size > LIMIT:
            raise StructureError(f"container that holds a lazy result must have at most {LIMIT} items, got {size}")
        self.reserve(1, 0)
        self.write(<uint32_t>size, <uint32_t>op)
        self.remember(container, ENTERED | self.nodes)
        step = self.push(container, op)
        step.number = self.nodes
        self.number()
        self.open_items(step)
        if op == SET or op == FROZENSET:
            self.order_members(step)
        return 0

    cdef int enter_struct(self, PyObject* struct) except -1:
        cdef Layout layout = <Layout>layout_of(Py_TYPE(struct))
        cdef Step* step
        self.reserve(1, 1)
        self.write(layout.shape.id, STRUCT)
        self.keep(Py_TYPE(struct))
        self.remember(struct, ENTERED | self.nodes)
        step = self.push(struct, STRUCT)
        step.number = self.nodes
        self.number()
        self.open_items(step)
        return 0

    cdef void leave(self, Step* step) noexcept:
        """Take the step of a container off the stack."""
        self.remember(step.node, step.number)  # cannot fail: it is in the table already
        if step.owned:
            PyMem_Free(step.items)
        self.depth -= 1

    cdef int refuse_size(self) except -1:
        raise StructureError(f"expression must have at most {LIMIT} nodes, got more")


def structure(target):
    """Return the structure key of a lazy result, as bytes of native 32-bit tokens, and the list of its slots."""
    cdef Extraction extraction = Extraction.__new__(Extraction)
    cdef Py_ssize_t i
    if type(target) is not LazyResult:
        raise TypeError(f"target must be a lazy result, got `{type(target).__name__}`")
    extraction.run(<LazyResult>target)
    slots = [<object>extraction.slots[i] for i in range(extraction.slot_count)]
    return (<char*>extraction.key)[:extraction.key_size * sizeof(uint32_t)], slots
