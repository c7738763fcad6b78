"""Extraction: one traversal of an expression writes its structure key and collects its slots.

The traversal holds the GIL from its first node to its last and runs no user code: it compares nothing, hashes nothing
and makes no object that the garbage collector tracks. So it may keep its marks in the lazy results themselves, although
several threads may extract the same expression. If something needs user code (the layout of a struct type that is met
for the first time), the traversal ends, that code runs, and the traversal starts over.
"""

from cpython.mem cimport PyMem_Free

from cascade._core.shape.containers cimport (
    ENTERED, HOLDS, LITERAL, UNKNOWN, ContainerSearch, Py_SIZE, Py_TYPE, PyDict_Size, PySetObject, hidden_lazy, op_of,
)
from cascade._core.shape.key cimport (
    AGAIN, CALL, DICT, FROZENSET, IS_LITERAL, LIMIT, LIST, REF, SET, SLOT, STRUCT, WRITTEN, new_traversal,
)
from cascade._core.shape.struct_layout cimport DATA, RECORD, UNLEARNED, Layout, layout_of
from cascade._core.expr cimport task as _task
from cascade._core.expr.data cimport Data
from cascade._core.expr.lazy cimport LazyResult, container_task

from cascade.exceptions import StructureError

cdef extern from "Python.h":
    bint PyDict_Next(PyObject*, Py_ssize_t*, PyObject**, PyObject**) noexcept

cdef PyObject* Lazy = <PyObject*>LazyResult


cdef class Extraction(ContainerSearch):
    """The buffers and the stack of one traversal at a time."""

    cdef int run(self, LazyResult target) except -1:
        """Write the key and the slots of an expression. After an error, call `clear`."""
        cdef int outcome
        self.clear()
        while True:
            self.nodes = 0
            self.traversal = new_traversal()
            if target.task != container_task:
                outcome = self.enter_lazy(target)
            else:
                outcome = self.enter_root(target)
            if outcome != AGAIN and self.walk() != AGAIN:
                break
            self.restart()
        if self.opened is not None:
            self.opened = None
        return 0

    cdef int restart(self) except -1:
        """Begin again, with what user code has found."""
        opened = self.opened
        self.clear()
        self.opened = opened
        return 0

    cdef bint finds_lazy(self, PyObject* container) except -1:
        """Whether a container or a struct holds a lazy result at any depth, or a part that is marked as data."""
        cdef int outcome
        self.clear()
        outcome = self.holds_lazy(container)
        while outcome == AGAIN:
            self.clear()
            outcome = self.holds_lazy(container)
        self.clear()
        return outcome

    cdef bint finds_lazy_in(self, PyObject* value) except -1:
        """The same for a value of any kind."""
        cdef PyObject* kind = Py_TYPE(value)
        cdef PyObject* lazy
        cdef int op
        if kind == Lazy:
            return True
        op = op_of(value, kind)
        if op == UNLEARNED:
            self.ask(kind)
            op = op_of(value, kind)
        if op == RECORD:
            lazy = hidden_lazy(value)
            if lazy is not NULL:
                self.clear()
                self.refuse_hidden(value, lazy)
            return False
        return op == DATA or (op != SLOT and self.finds_lazy(value))

    cdef int enter_root(self, LazyResult target) except -1:
        """Begin an expression that is a container: what stands for it as a lazy result is not a node."""
        cdef PyObject* container = target.arguments[0]
        cdef int op = op_of(container, Py_TYPE(container))
        target.traversal = self.traversal
        target.node = 0  # that of the container
        if op == UNLEARNED:
            return self.ask(Py_TYPE(container))
        if op == STRUCT:
            return self.enter_struct(container)
        if LIST <= op < RECORD:
            return self.enter_container(container, op)
        return self.enter_lazy(target)

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
        if self.check_key(key) == AGAIN or self.write_dict_key(<object>key, 0) == AGAIN:
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
            if op >= RECORD:
                return self.visit_other(value, op)
            what = self.recall(value)
            if what == UNKNOWN:
                holds = self.holds_lazy(value)
                if holds == AGAIN:
                    return AGAIN
                what = HOLDS if holds else LITERAL
            if what == LITERAL:
                return IS_LITERAL
            if what == HOLDS:
                return self.enter_struct(value) if op == STRUCT else self.enter_container(value, op)
            if what & ENTERED:
                self.refuse_cycle(value)
        self.reserve(1, 0)
        self.write(what, REF)
        return WRITTEN

    cdef int visit_other(self, PyObject* value, int op) except -1:
        """Write what is marked as data, refuse a record in which a lazy result is, or learn what the value is."""
        cdef PyObject* lazy
        if op == UNLEARNED:
            return self.ask(Py_TYPE(value))
        if op == DATA:
            self.reserve(1, 1)
            self.write(0, SLOT)
            self.keep(<PyObject*>(<Data>value).value)
            return WRITTEN
        lazy = hidden_lazy(value)
        if lazy is not NULL:
            self.refuse_hidden(value, lazy)
        return IS_LITERAL

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
        return WRITTEN

    cdef int enter_struct(self, PyObject* struct) except -1:
        cdef Layout layout = <Layout>layout_of(Py_TYPE(struct))
        cdef Step* step
        if layout.offsets is NULL and self.fields_of(struct) is NULL:
            return self.open_record(struct)
        self.reserve(1, 1)
        self.write(layout.shape.id, STRUCT)
        self.keep(Py_TYPE(struct))
        self.remember(struct, ENTERED | self.nodes)
        step = self.push(struct, STRUCT)
        step.number = self.nodes
        self.number()
        self.open_items(step)
        return WRITTEN

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


def finds_lazy(value):
    """Return whether a value is a lazy result, holds one, or has a part that is marked as data.

    Raises:
        StructureError: the value is an object that must not hold a lazy result, and holds one.
    """
    cdef Extraction extraction = Extraction.__new__(Extraction)
    return extraction.finds_lazy_in(<PyObject*>value)


_task.finds_lazy = finds_lazy
