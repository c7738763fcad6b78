"""Extraction: one traversal of an expression writes its structure key and collects its slots.

The traversal holds the GIL from its first node to its last and runs nobody else's code: it compares nothing, hashes
nothing and makes no object that the garbage collector tracks. So it may leave its marks in the lazy results
themselves, and several threads may extract the same expression. What would need other code (the layout of a struct
type met for the first time) ends the traversal, is done, and the traversal starts over.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memset

from cascade._core.layout cimport Layout, is_struct, layout_of, learn
from cascade._core.lazy cimport LazyResult
from cascade._core.symbol cimport CallShape

from cascade.exceptions import StructureError

cdef extern from "Python.h":
    ctypedef struct PyTupleObject:
        PyObject** ob_item
    ctypedef struct PyListObject:
        PyObject** ob_item
    ctypedef struct setentry:
        PyObject* key
        Py_ssize_t hash
    ctypedef struct PySetObject:
        Py_ssize_t used
        Py_ssize_t mask
        setentry* table
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    Py_ssize_t Py_SIZE(PyObject*) noexcept
    void Py_INCREF_ "Py_INCREF"(PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept
    Py_ssize_t PyDict_Size(PyObject*) noexcept
    bint PyDict_Next(PyObject*, Py_ssize_t*, PyObject**, PyObject**) noexcept
    PyObject* List "(PyObject*)&PyList_Type"
    PyObject* Tuple "(PyObject*)&PyTuple_Type"
    PyObject* Dict "(PyObject*)&PyDict_Type"
    PyObject* Set "(PyObject*)&PySet_Type"
    PyObject* FrozenSet "(PyObject*)&PyFrozenSet_Type"
    bint PyUnicode_IS_ASCII(object) noexcept
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL
    bytes PyUnicode_AsEncodedString(object, const char*, const char*)
    str PyNumber_ToBase(object, int)

cdef enum:  # what a traversal knows of a container, besides its number
    UNKNOWN = 0xFFFFFFFF
    LITERAL = 0xFFFFFFFE  # nothing lazy inside
    HOLDS = 0xFFFFFFFD  # a lazy result inside, not entered yet
    SEARCHED = 0xFFFFFFFC  # being searched
    CIRCULAR = 0xFFFFFFFB  # being searched, and reached from itself
    ENTERED = 0x80000000  # with its number: entered and not left

cdef enum:  # what became of a value
    FAILED = -1
    IS_LITERAL = 0
    WRITTEN = 1
    AGAIN = 2  # other code must run first: start over

cdef enum:
    LIMIT = (1 << 28) - 1  # of an operand
    KEY_DEPTH = 8  # tuples inside tuples as a dict's key; deeper ones are opaque

cdef uint64_t _traversals = 0
cdef uint64_t _NO_SERIAL = 0xFFFFFFFFFFFFFFFFu
cdef PyObject* Lazy = <PyObject*>LazyResult


cdef inline int op_of(PyObject* value, PyObject* kind) noexcept:
    """The op of a container that is not empty, SLOT for all else."""
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
    return STRUCT if is_struct(value) else SLOT


cdef class Extraction:
    """The work space of traversals, one at a time."""

    def __dealloc__(self):
        self.clear()
        PyMem_Free(self.key)
        PyMem_Free(self.slots)
        PyMem_Free(self.steps)
        PyMem_Free(self.seen)

    cdef int run(self, LazyResult target) except -1:
        """Write the key and the slots of an expression. After an error, `clear` lets go of what was collected."""
        global _traversals
        cdef int outcome
        while True:
            self.clear()
            _traversals += 1
            self.traversal = _traversals
            self.enter_lazy(target)
            outcome = self.walk()
            if outcome != AGAIN:
                return 0

    cdef void clear(self) noexcept:
        cdef Step* step
        while self.depth:
            self.depth -= 1
            step = &self.steps[self.depth]
            if step.owned:
                PyMem_Free(step.items)
        if self.seen_count:
            memset(self.seen, 0, self.seen_room * sizeof(Seen))
            self.seen_count = 0
        self.key_size = 0
        self.nodes = 0
        while self.slot_count:  # a destructor may run, so the count comes first
            self.slot_count -= 1
            Py_DECREF_(self.slots[self.slot_count])

    cdef uint64_t hash(self) noexcept:
        """Of the key. It finds the bucket; equality is decided on the key."""
        cdef uint64_t hash = 0x9E3779B97F4A7C15u ^ <uint64_t>self.key_size
        cdef Py_ssize_t i
        for i in range(self.key_size):
            hash = (hash ^ self.key[i]) * 0xBF58476D1CE4E5B9u
            hash ^= hash >> 29
        return hash

    # -------------------------------------------------------------------------------------------- the traversal

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
            self.reserve_key(step.size - step.cursor)
            self.reserve_slots(step.size - step.cursor)
            cursor = step.cursor
            while cursor < step.size:
                value = step.items[cursor]
                cursor += 1
                kind = Py_TYPE(value)
                if kind != Lazy and op_of(value, kind) == SLOT:
                    outcome = IS_LITERAL
                else:
                    step.cursor = cursor
                    outcome = self.visit(value)
                    if outcome == WRITTEN:
                        break  # the steps may have moved, and a new one may be on top
                    if outcome == AGAIN:
                        return AGAIN
                    step = &self.steps[self.depth - 1]  # a search may have moved them
                self.key[self.key_size] = SLOT
                self.key_size += 1
                Py_INCREF_(value)
                self.slots[self.slot_count] = value
                self.slot_count += 1
            else:
                self.leave(step)
        return 0

    cdef int walk_dict(self, Step* step) except -1:
        """Go on in a dict: one pair."""
        cdef PyObject* key
        cdef PyObject* value
        cdef int outcome
        if not PyDict_Next(step.node, &step.cursor, &key, &value):
            self.leave(step)
            return 0
        outcome = self.write_key(<object>key, 0)
        if outcome == AGAIN:
            return AGAIN
        outcome = self.visit(value)
        if outcome == IS_LITERAL:
            self.reserve_key(1)
            self.reserve_slots(1)
            self.key[self.key_size] = SLOT
            self.key_size += 1
            Py_INCREF_(value)
            self.slots[self.slot_count] = value
            self.slot_count += 1
        return outcome

    cdef int visit(self, PyObject* value) except -1:
        """Write a lazy result or a container that holds one, or find that the value is a literal."""
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
        self.reserve_key(1)
        self.key[self.key_size] = what << OPERAND_SHIFT | REF
        self.key_size += 1
        return WRITTEN

    cdef int enter_lazy(self, LazyResult lazy) except -1:
        cdef Step* step
        self.reserve_key(1)
        self.reserve_slots(1)
        lazy.traversal = self.traversal
        lazy.node = self.nodes
        self.key[self.key_size] = (<CallShape>lazy.shape).id << OPERAND_SHIFT | CALL
        self.key_size += 1
        Py_INCREF_(lazy.task)
        self.slots[self.slot_count] = lazy.task
        self.slot_count += 1
        if lazy.count == 0:
            lazy.open = False
            self.nodes += 1
            return 0
        lazy.open = True
        step = push(self, <PyObject*>lazy, CALL)
        step.items = lazy.arguments
        step.size = lazy.count
        return 0

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
            raise StructureError(f"expected at most {LIMIT} items beside a lazy result in one container, got {size}")
        self.reserve_key(1)
        self.key[self.key_size] = <uint32_t>size << OPERAND_SHIFT | <uint32_t>op
        self.key_size += 1
        self.remember(container, ENTERED | self.nodes)
        step = push(self, container, op)
        self.open_items(step)
        if op == SET or op == FROZENSET:
            self.order_members(step)
        return 0

    cdef int enter_struct(self, PyObject* struct) except -1:
        cdef Layout layout = <Layout>layout_of(Py_TYPE(struct))
        cdef Step* step
        self.reserve_key(1)
        self.reserve_slots(1)
        self.key[self.key_size] = layout.shape.id << OPERAND_SHIFT | STRUCT
        self.key_size += 1
        Py_INCREF_(Py_TYPE(struct))
        self.slots[self.slot_count] = Py_TYPE(struct)
        self.slot_count += 1
        self.remember(struct, ENTERED | self.nodes)
        step = push(self, struct, STRUCT)
        self.open_items(step)
        return 0

    cdef void leave(self, Step* step) noexcept:
        if step.op == CALL:
            (<LazyResult>step.node).open = False
        else:
            self.remember(step.node, step.number)  # it is in the table, which does not grow: no failure
        if step.owned:
            PyMem_Free(step.items)
        self.depth -= 1

    cdef int refuse_cycle(self, PyObject* node) except -1:
        what = "an expression" if Py_TYPE(node) == Lazy else f"a {(<object>Py_TYPE(node)).__name__}"
        raise StructureError(f"expected an expression that ends, got {what} that holds itself - at {self.path()}")

    cdef str path(self):
        """Where the traversal stands, as seen from the target."""
        cdef list parts = ["$"]
        cdef Py_ssize_t i, cursor
        cdef Step* step
        for i in range(self.depth):
            if i == 8 and self.depth > 16:
                parts.append("...")
            if 8 <= i < self.depth - 8:
                continue
            step = &self.steps[i]
            cursor = step.cursor - 1
            if step.op == CALL:
                shape = <CallShape>(<LazyResult>step.node).shape
                if cursor < shape.positional:
                    parts.append(f".args[{cursor}]")
                else:
                    parts.append(f".kwargs[{shape.names[cursor - shape.positional]!r}]")
            elif step.op == STRUCT:
                parts.append(f".{(<object>Py_TYPE(step.node)).__struct_fields__[cursor]}")
            else:
                parts.append("[...]" if step.op in (SET, FROZENSET, DICT) else f"[{cursor}]")
        return "".join(parts)

    # -------------------------------------------------------------------------------------------- keys of dicts

    cdef int write_key(self, object value, int depth) except -1:
        """Write the type and the value of a dict's key, or make it a slot if it is not of a plain type."""
        cdef PyObject* raw = <PyObject*>value
        cdef Py_ssize_t size, i
        cdef const char* data
        cdef bytes encoded
        cdef str digits
        cdef double number
        cdef uint64_t bits
        cdef Py_ssize_t key_size = self.key_size
        cdef Py_ssize_t slot_count = self.slot_count
        cdef int outcome
        kind = type(value)
        if value is None or kind is bool:
            self.reserve_key(1)
            self.key[self.key_size] = (
                KEY_NONE if value is None else KEY_TRUE if value is True else KEY_FALSE
            ) << OPERAND_SHIFT | KEY
            self.key_size += 1
            return WRITTEN
        if kind is str:
            if PyUnicode_IS_ASCII(value):
                data = PyUnicode_AsUTF8AndSize(value, &size)
                return self.write_bytes(KEY_STR, data, size)
            encoded = PyUnicode_AsEncodedString(value, "utf-8", "surrogatepass")
            if self.traversal != _traversals:  # the error handler made an object, and a collection ran others' code
                return AGAIN
            return self.write_bytes(KEY_STR, encoded, len(encoded))
        if kind is int:
            digits = PyNumber_ToBase(value, 16)
            data = PyUnicode_AsUTF8AndSize(digits, &size)
            return self.write_bytes(KEY_INT, data, size)
        if kind is bytes:
            return self.write_bytes(KEY_BYTES, <bytes>value, len(<bytes>value))
        if kind is float and value == value:  # a NaN is found by its identity alone
            number = value
            memcpy(&bits, &number, 8)
            self.reserve_key(3)
            self.key[self.key_size] = KEY_FLOAT << OPERAND_SHIFT | KEY
            self.key[self.key_size + 1] = <uint32_t>bits
            self.key[self.key_size + 2] = <uint32_t>(bits >> 32)
            self.key_size += 3
            return WRITTEN
        if kind is tuple and depth < KEY_DEPTH and len(<tuple>value) <= LIMIT:
            self.reserve_key(2)
            self.key[self.key_size] = KEY_TUPLE << OPERAND_SHIFT | KEY
            self.key[self.key_size + 1] = <uint32_t>len(<tuple>value)
            self.key_size += 2
            for i in range(len(<tuple>value)):
                outcome = self.write_key(<object>(<PyObject**>(<PyTupleObject*>raw).ob_item)[i], depth + 1)
                if outcome == AGAIN:
                    return AGAIN
                if outcome == IS_LITERAL:
                    self.key_size = key_size  # something in it is opaque: so is the whole
                    break
            else:
                return WRITTEN
        if raw == Lazy or Py_TYPE(raw) == Lazy:
            raise StructureError(f"expected a dict key that is known now, got a lazy result - at {self.path()}")
        if depth:
            return IS_LITERAL
        self.reserve_key(1)
        self.reserve_slots(1)
        self.key[self.key_size] = KEY_OPAQUE << OPERAND_SHIFT | KEY
        self.key_size += 1
        Py_INCREF_(raw)
        self.slots[slot_count] = raw
        self.slot_count += 1
        return WRITTEN

    cdef int write_bytes(self, KeyKind kind, const char* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t tokens = (size + 3) // 4
        if size > LIMIT:
            raise StructureError(f"expected a dict key of at most {LIMIT} bytes, got {size} - at {self.path()}")
        self.reserve_key(tokens + 2)
        self.key[self.key_size] = kind << OPERAND_SHIFT | KEY
        self.key[self.key_size + 1] = <uint32_t>size
        if tokens:
            self.key[self.key_size + 1 + tokens] = 0
            memcpy(&self.key[self.key_size + 2], data, size)
        self.key_size += tokens + 2
        return WRITTEN

    # ---------------------------------------------------------------------- containers with a lazy result inside

    cdef int holds_lazy(self, PyObject* container) except -1:
        """Whether a lazy result is anywhere in a container: at once if it holds no other containers, else by search."""
        cdef PyObject* kind = Py_TYPE(container)
        cdef PyObject* value
        cdef PyObject* key
        cdef PyObject* known
        cdef PyObject** items
        cdef Py_ssize_t i, size, cursor = 0
        cdef setentry* entry
        if kind == List or kind == Tuple:
            items = (<PyListObject*>container).ob_item if kind == List else <PyObject**>(<PyTupleObject*>container).ob_item
            size = Py_SIZE(container)
            for i in range(size):
                value = items[i]
                if Py_TYPE(value) == Lazy:
                    return 1
                if op_of(value, Py_TYPE(value)) != SLOT:
                    return self.search(container)
        elif kind == Dict:
            while PyDict_Next(container, &cursor, &key, &value):
                if Py_TYPE(value) == Lazy:
                    return 1
                if Py_TYPE(key) == Lazy:
                    raise StructureError(f"expected a dict key that is known now, got a lazy result - at {self.path()}")
                if op_of(value, Py_TYPE(value)) != SLOT:
                    return self.search(container)
        elif kind == Set or kind == FrozenSet:
            for i in range((<PySetObject*>container).mask + 1):
                entry = &(<PySetObject*>container).table[i]
                if entry.key is NULL or entry.hash == -1:  # never used, or used no more
                    continue
                if Py_TYPE(entry.key) == Lazy:
                    return 1
                if op_of(entry.key, Py_TYPE(entry.key)) != SLOT:
                    return self.search(container)
        else:
            known = layout_of(kind)
            if known is NULL:
                return self.ask(kind)
            for i in range((<Layout>known).count):
                value = (<PyObject**>(<char*>container + (<Layout>known).offsets[i]))[0]
                if value is NULL:
                    return 0
                if Py_TYPE(value) == Lazy:
                    return 1
                if op_of(value, Py_TYPE(value)) != SLOT:
                    return self.search(container)
        return 0

    cdef int ask(self, PyObject* struct_type) except -1:
        """Give up this traversal to learn the layout of a struct type."""
        learn(struct_type)
        return AGAIN

    cdef int search(self, PyObject* container) except -1:
        """Look through a container and all in it, each once, and remember which of them hold a lazy result."""
        cdef Py_ssize_t base = self.depth
        cdef Step* step
        cdef PyObject* value
        cdef PyObject* key
        cdef uint32_t what
        cdef bint found = False
        cdef bint ended
        if self.open_search(container) == AGAIN:
            return AGAIN
        while self.depth > base:
            step = &self.steps[self.depth - 1]
            ended = True
            while True:
                if step.op == DICT:
                    if not PyDict_Next(step.node, &step.cursor, &key, &value):
                        break
                elif step.cursor < step.size:
                    value = step.items[step.cursor]
                    step.cursor += 1
                else:
                    break
                if Py_TYPE(value) == Lazy:
                    step.number = 1
                    continue
                if op_of(value, Py_TYPE(value)) == SLOT:
                    continue
                what = self.recall(value)
                if what == UNKNOWN:
                    if self.open_search(value) == AGAIN:
                        return AGAIN
                    ended = False
                    break
                elif what == SEARCHED:
                    self.remember(value, CIRCULAR)
                elif what != LITERAL and what != CIRCULAR:
                    step.number = 1
            if not ended:
                continue
            found = step.number == 1
            if found and self.recall(step.node) == CIRCULAR:
                self.refuse_cycle(step.node)
            self.remember(step.node, HOLDS if found else LITERAL)
            if step.owned:
                PyMem_Free(step.items)
            self.depth -= 1
            if found and self.depth > base:
                self.steps[self.depth - 1].number = 1
        return found

    cdef int open_search(self, PyObject* container) except -1:
        cdef PyObject* kind = Py_TYPE(container)
        cdef int op = op_of(container, kind)
        cdef Step* step
        if op == STRUCT and layout_of(kind) is NULL:
            return self.ask(kind)
        self.remember(container, SEARCHED)
        step = push(self, container, op)
        self.nodes -= 1  # a search numbers nothing
        step.number = 0  # and counts in the number whether it found a lazy result
        self.open_items(step)
        return 0

    cdef int open_items(self, Step* step) except -1:
        """Find the items of a container: in place where they lie in a row, else as a copy of the pointers."""
        cdef PyObject* node = step.node
        cdef Layout layout
        cdef PyObject* value
        cdef Py_ssize_t i, count = 0
        cdef setentry* entry
        if step.op == LIST:
            step.items = (<PyListObject*>node).ob_item
            step.size = Py_SIZE(node)
        elif step.op == TUPLE:
            step.items = <PyObject**>(<PyTupleObject*>node).ob_item
            step.size = Py_SIZE(node)
        elif step.op == SET or step.op == FROZENSET:
            step.items = <PyObject**>PyMem_Malloc((<PySetObject*>node).used * sizeof(PyObject*))
            if step.items is NULL:
                raise MemoryError()
            step.owned = True
            for i in range((<PySetObject*>node).mask + 1):
                entry = &(<PySetObject*>node).table[i]
                if entry.key is not NULL and entry.hash != -1:
                    step.items[count] = entry.key
                    count += 1
            step.size = count
        elif step.op == STRUCT:
            layout = <Layout>layout_of(Py_TYPE(node))
            step.items = <PyObject**>PyMem_Malloc((layout.count + 1) * sizeof(PyObject*))
            if step.items is NULL:
                raise MemoryError()
            step.owned = True
            for i in range(layout.count):
                value = (<PyObject**>(<char*>node + layout.offsets[i]))[0]
                if value is NULL:
                    return 0  # a field not set yet: nothing to look through
                step.items[i] = value
            step.size = layout.count
        return 0

    cdef int order_members(self, Step* step) except -1:
        """Put the members of a set in an order that no hash decides: what holds lazy results first, oldest first."""
        cdef Py_ssize_t i
        cdef Member* members = <Member*>PyMem_Malloc(step.size * sizeof(Member))
        if members is NULL:
            raise MemoryError()
        for i in range(step.size):
            members[i].member = step.items[i]
            members[i].serial = self.first_serial(step.items[i])
            members[i].place = i
        qsort(members, step.size, sizeof(Member), older)
        for i in range(step.size):
            step.items[i] = members[i].member
        PyMem_Free(members)
        return 0

    cdef uint64_t first_serial(self, PyObject* member) noexcept:
        """The serial number of a lazy result in a set's member, the highest number if there is none."""
        cdef PyObject* kind = Py_TYPE(member)
        cdef PyObject* value
        cdef PyObject* inner
        cdef Py_ssize_t i
        while kind != Lazy:
            if kind != Tuple or Py_SIZE(member) == 0:
                return _NO_SERIAL - 1 if self.recall(member) == HOLDS else _NO_SERIAL
            inner = NULL
            for i in range(Py_SIZE(member)):
                value = (<PyObject**>(<PyTupleObject*>member).ob_item)[i]
                if Py_TYPE(value) == Lazy or self.recall(value) == HOLDS:
                    inner = value
                    break
            if inner is NULL:
                return _NO_SERIAL
            member = inner
            kind = Py_TYPE(member)
        return (<LazyResult>member).serial

    cdef uint32_t recall(self, PyObject* container) noexcept:
        cdef Py_ssize_t at
        if self.seen_count == 0:
            return UNKNOWN
        at = place(container, self.seen_room)
        while self.seen[at].container is not NULL:
            if self.seen[at].container == container:
                return self.seen[at].what
            at = (at + 1) & (self.seen_room - 1)
        return UNKNOWN

    cdef int remember(self, PyObject* container, uint32_t what) except -1:
        cdef Seen* old = self.seen
        cdef Py_ssize_t old_room = self.seen_room
        cdef Py_ssize_t i, at
        if self.recall(container) == UNKNOWN and self.seen_count * 2 >= self.seen_room:
            self.seen_room = max(16, old_room * 4)
            self.seen = <Seen*>PyMem_Malloc(self.seen_room * sizeof(Seen))
            if self.seen is NULL:
                self.seen = old
                self.seen_room = old_room
                raise MemoryError()
            memset(self.seen, 0, self.seen_room * sizeof(Seen))
            for i in range(old_room):
                if old[i].container is not NULL:
                    at = place(old[i].container, self.seen_room)
                    while self.seen[at].container is not NULL:
                        at = (at + 1) & (self.seen_room - 1)
                    self.seen[at] = old[i]
            PyMem_Free(old)
        at = place(container, self.seen_room)
        while self.seen[at].container is not NULL and self.seen[at].container != container:
            at = (at + 1) & (self.seen_room - 1)
        if self.seen[at].container is NULL:
            self.seen[at].container = container
            self.seen_count += 1
        self.seen[at].what = what
        return 0

    # ---------------------------------------------------------------------------------------------------- room

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

    cdef int grow_steps(self) except -1:
        cdef Py_ssize_t room = max(32, 2 * self.step_room)
        cdef void* moved = PyMem_Realloc(self.steps, room * sizeof(Step))
        if moved is NULL:
            raise MemoryError()
        self.steps = <Step*>moved
        self.step_room = room
        return 0


cdef inline Step* push(Extraction self, PyObject* node, int op) except NULL:
    """A step for a node that begins; its items are for the caller to fill in."""
    cdef Step* step
    if self.depth == self.step_room:
        self.grow_steps()
    if self.nodes == LIMIT:
        raise StructureError(f"expected an expression of at most {LIMIT} nodes, got more")
    step = &self.steps[self.depth]
    self.depth += 1
    step.node = node
    step.items = NULL
    step.cursor = 0
    step.size = 0
    step.number = self.nodes
    step.op = op
    step.owned = False
    self.nodes += 1
    return step


ctypedef struct Member:  # of a set, while its members are put in order
    PyObject* member
    uint64_t serial
    Py_ssize_t place


cdef int older(const void* left, const void* right) noexcept nogil:
    cdef const Member* a = <const Member*>left
    cdef const Member* b = <const Member*>right
    if a.serial != b.serial:
        return -1 if a.serial < b.serial else 1
    return -1 if a.place < b.place else 1


cdef inline Py_ssize_t place(PyObject* container, Py_ssize_t room) noexcept:
    return <Py_ssize_t>((<size_t>container >> 4) * 0x9E3779B97F4A7C15u >> 20) & (room - 1)


def structure(target):
    """The structure key of a lazy result, as bytes of native 32-bit tokens, and the list of its slots."""
    cdef Extraction extraction = Extraction.__new__(Extraction)
    cdef Py_ssize_t i
    if type(target) is not LazyResult:
        raise TypeError(f"expected a lazy result, got `{type(target).__name__}`")
    extraction.run(<LazyResult>target)
    slots = [<object>extraction.slots[i] for i in range(extraction.slot_count)]
    return (<char*>extraction.key)[:extraction.key_size * sizeof(uint32_t)], slots
