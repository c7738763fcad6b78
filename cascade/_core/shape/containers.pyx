"""Looking through containers for lazy results.

A container without one inside is a literal and stays as it is. Most hold no other containers, so one pass over their
items decides. One that holds other containers is searched to the bottom, each container once, with a stack on the heap.
Exact built-in containers, frozen structs, named tuples and frozen dataclasses are searched, by reading their memory: no
user code is called. A record (see `struct_layout`) is not a container, but a lazy result just below its surface would
be passed on as an object, which is never meant, so it is refused. That search is bounded: all objects of a program may
be below a record.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdlib cimport qsort
from libc.string cimport memset

from cascade._core.shape.key cimport AGAIN, CALL, KeyWriter
from cascade._core.shape.struct_layout cimport VIEWS, Layout, layout_of, learn
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.symbol cimport CallShape

from cascade.exceptions import StructureError

cdef extern from "Python.h":
    ctypedef struct PyTupleObject:
        PyObject** ob_item
    ctypedef struct PyListObject:
        PyObject** ob_item
    ctypedef struct setentry:
        PyObject* key
        Py_ssize_t hash
    ctypedef struct SetObject "PySetObject":
        Py_ssize_t mask
        setentry* table
    bint PyDict_Next(PyObject*, Py_ssize_t*, PyObject**, PyObject**) noexcept
    PyObject* PyLong_FromSize_t_ "PyLong_FromSize_t"(size_t) noexcept
    PyObject* PyDict_GetItemWithError_ "PyDict_GetItemWithError"(PyObject*, PyObject*) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept
    void PyErr_Clear() noexcept
    bint PyType_Check(PyObject*) noexcept
    unsigned long Py_TPFLAGS_LIST_SUBCLASS
    unsigned long Py_TPFLAGS_TUPLE_SUBCLASS
    ctypedef int (*visitproc)(PyObject*, void*) noexcept
    ctypedef struct TraversedType "PyTypeObject":
        int (*tp_traverse)(PyObject*, visitproc, void*) noexcept

cdef enum:  # what a glance at a value shows
    NOTHING  # no lazy result is in it
    IS_HELD  # it is a lazy result, or is marked as data: what holds it is not a literal
    TO_BE_SEARCHED

cdef enum:
    KEYS_IN_KEYS = 32  # dict keys inside dict keys: the one place here that recurses in C
    MEMBERS = 10_000  # containers searched for the oldest lazy result in a member of a set
    DEPTH = 4  # of a lazy result in a record: its dict, a container in a field, one in that
    SMALL = 8  # items of a container that is searched at a glance
    FIELDS = 64  # of a record that are looked at
    ITEMS = 16  # of a container in a record that are looked at
    LOOKS = 128  # at objects in a record, in all

cdef uint64_t NO_SERIAL = 0xFFFFFFFFFFFFFFFFu
cdef PyObject* Lazy = <PyObject*>LazyResult


ctypedef struct Held:  # what an object refers to
    PyObject** items  # owned
    Py_ssize_t size
    Py_ssize_t room
    bint failed  # there was no memory


ctypedef struct Hidden:  # a bounded search of a record
    PyObject* kind  # of the record
    PyObject* lazy  # that was found, NULL: none
    Py_ssize_t left  # looks at what the innermost object holds
    Py_ssize_t all_left  # looks in all
    int depth


cdef inline bint may_be_traversed(PyObject* value) noexcept:
    return (<TypeObject*>Py_TYPE(value)).tp_flags & Py_TPFLAGS_HAVE_GC != 0


cdef int collect(PyObject* value, void* held) noexcept:
    """Take down an object that another one refers to. A `visitproc`."""
    cdef Held* to = <Held*>held
    cdef Py_ssize_t room
    cdef void* moved
    if to.size == to.room:
        room = max(16, 2 * to.room)
        moved = PyMem_Realloc(to.items, room * sizeof(PyObject*))
        if moved is NULL:
            to.failed = True
            return 1
        to.items = <PyObject**>moved
        to.room = room
    to.items[to.size] = value
    to.size += 1
    return 0


cdef int look(PyObject* value, void* hidden) noexcept:
    """Look whether an object is a lazy result, or a built-in container of one. A `visitproc`: 1 ends the search."""
    cdef Hidden* to = <Hidden*>hidden
    cdef PyObject* kind = Py_TYPE(value)
    cdef Py_ssize_t left
    if value == to.kind:
        return 0
    to.left -= 1
    to.all_left -= 1
    if to.left < 0 or to.all_left < 0:
        return 1
    if kind == Lazy or kind == <PyObject*>Data:  # the mark would stay
        to.lazy = value
        return 1
    if to.depth < DEPTH and (kind == List or kind == Tuple or kind == Dict or kind == Set or kind == FrozenSet):
        left = to.left
        to.left = ITEMS
        to.depth += 1
        look_through(value, to)
        to.depth -= 1
        to.left = left
    return to.lazy is not NULL


cdef void look_through(PyObject* container, Hidden* to) noexcept:
    """Look at what an object holds: the first items of a list or tuple, which would be traversed from the last one."""
    cdef unsigned long flags = (<TypeObject*>Py_TYPE(container)).tp_flags
    cdef PyObject** items = NULL
    cdef Py_ssize_t i, left = to.left
    if flags & Py_TPFLAGS_LIST_SUBCLASS:
        items = (<PyListObject*>container).ob_item
    elif flags & Py_TPFLAGS_TUPLE_SUBCLASS:
        items = <PyObject**>(<PyTupleObject*>container).ob_item
    if items is not NULL:
        for i in range(Py_SIZE(container)):
            if look(items[i], to):
                break
        to.left = left
    if to.lazy is NULL and (items is NULL or to.depth == 1):
        (<TraversedType*>Py_TYPE(container)).tp_traverse(container, look, to)


cdef PyObject* hidden_lazy(PyObject* record) noexcept:
    """A lazy result just below the surface of a record, borrowed; NULL if there is none. It runs no other code."""
    cdef Hidden hidden
    if not may_be_traversed(record):
        return NULL
    hidden.kind = Py_TYPE(record)
    hidden.lazy = NULL
    hidden.left = FIELDS
    hidden.all_left = LOOKS
    hidden.depth = 1
    look_through(record, &hidden)
    return hidden.lazy


cdef inline int glance(PyObject* value) noexcept:
    """What a value may be, told without a search."""
    cdef PyObject* kind = Py_TYPE(value)
    cdef int op
    if not may_hold(kind):
        return NOTHING
    if kind == Lazy:
        return IS_HELD
    op = op_of(value, kind)
    return NOTHING if op == SLOT else skim(value, kind, op)


cdef int skim(PyObject* value, PyObject* kind, int op) noexcept:
    """The same for what may hold a lazy result: a small container of plain values needs no search."""
    cdef PyObject** items = NULL
    cdef Py_ssize_t i, size = 0, cursor = 0
    cdef PyObject* key
    cdef PyObject* item
    cdef Layout layout
    cdef int found = NOTHING
    if op == LIST or op == TUPLE:
        items = (<PyListObject*>value).ob_item if op == LIST else <PyObject**>(<PyTupleObject*>value).ob_item
        size = Py_SIZE(value)
    elif op == DICT:
        if PyDict_Size(value) > SMALL:
            return TO_BE_SEARCHED
        while PyDict_Next(value, &cursor, &key, &item):
            if may_hold(Py_TYPE(key)):
                return TO_BE_SEARCHED
            if may_hold(Py_TYPE(item)):
                found = max(found, skim_item(item))
        return found
    elif op == STRUCT:
        layout = <Layout>layout_of(kind)
        if layout.offsets is NULL:
            if may_be_traversed(value):
                (<TraversedType*>kind).tp_traverse(value, skim_field, &found)
            return found
        if layout.is_tuple:
            items = <PyObject**>(<PyTupleObject*>value).ob_item
            size = Py_SIZE(value)
            if size != layout.count:
                return NOTHING
        else:
            for i in range(layout.count):
                item = (<PyObject**>(<char*>value + layout.offsets[i]))[0]
                if item is NULL:
                    return NOTHING  # a field that is not set yet: the struct is taken as a literal
                if may_hold(Py_TYPE(item)):
                    found = max(found, skim_item(item))
            return found
    elif op == RECORD:
        return NOTHING if hidden_lazy(value) is NULL else TO_BE_SEARCHED
    else:
        return IS_HELD if op == DATA else TO_BE_SEARCHED
    if size > SMALL:
        return TO_BE_SEARCHED
    for i in range(size):
        if may_hold(Py_TYPE(items[i])):
            found = max(found, skim_item(items[i]))
    return found


cdef int skim_item(PyObject* item) noexcept:
    """What an item of a small container may be."""
    cdef PyObject* kind = Py_TYPE(item)
    cdef int op
    if kind == Lazy:
        return IS_HELD
    op = op_of(item, kind)
    return NOTHING if op == SLOT else IS_HELD if op == DATA else TO_BE_SEARCHED


cdef int skim_field(PyObject* value, void* found) noexcept:
    """The same for what a dataclass refers to, its type and its dict among it. A `visitproc`."""
    cdef int* to = <int*>found
    if may_hold(Py_TYPE(value)) and not PyType_Check(value):
        to[0] = max(to[0], skim_item(value))
    return to[0] == TO_BE_SEARCHED


cdef class ContainerSearch(KeyWriter):
    """What is known of the containers of an expression, and the stack for searching and traversing them."""

    def __dealloc__(self):
        ContainerSearch.clear(self)
        PyMem_Free(self.steps)
        PyMem_Free(self.seen)

    cdef void clear(self) noexcept:
        cdef Step* step
        KeyWriter.clear(self)  # first: it may run destructors, which may use this object
        while self.depth:
            self.depth -= 1
            step = &self.steps[self.depth]
            if step.owned:
                PyMem_Free(step.items)
        if self.opened is not None:
            self.opened = None
        self.key_depth = 0
        if self.seen_count:
            memset(self.seen, 0, self.seen_room * sizeof(Seen))
            self.seen_count = 0

    cdef int holds_lazy(self, PyObject* container) except -1:
        """Whether a container holds a lazy result at any depth (1 or 0), or AGAIN. It searches only if it must."""
        cdef PyObject* kind = Py_TYPE(container)
        cdef PyObject* value
        cdef PyObject* key
        cdef PyObject** items
        cdef Layout layout
        cdef Py_ssize_t i, size, cursor = 0
        cdef setentry* entry
        cdef int seen = NOTHING
        if kind == List or kind == Tuple:
            if kind == List:
                items = (<PyListObject*>container).ob_item
            else:
                items = <PyObject**>(<PyTupleObject*>container).ob_item
            size = Py_SIZE(container)
            for i in range(size):
                seen = glance(items[i])
                if seen != NOTHING:
                    return 1 if seen == IS_HELD else self.search(container)
        elif kind == Dict:
            while PyDict_Next(container, &cursor, &key, &value):
                if self.check_key(key) == AGAIN:
                    return AGAIN
                seen = glance(value)
                if seen != NOTHING:
                    return 1 if seen == IS_HELD else self.search(container)
        elif kind == Set or kind == FrozenSet:
            for i in range((<SetObject*>container).mask + 1):
                entry = &(<SetObject*>container).table[i]
                if entry.key is NULL or entry.hash == -1:  # never used, or deleted
                    continue
                seen = glance(entry.key)
                if seen != NOTHING:
                    return 1 if seen == IS_HELD else self.search(container)
        else:
            layout = <Layout>layout_of(kind)
            if layout.offsets is NULL:
                return self.search(container)
            if layout.is_tuple and Py_SIZE(container) != layout.count:
                return 0
            for i in range(layout.count):
                value = (<PyObject**>(<char*>container + layout.offsets[i]))[0]
                if value is NULL:
                    return 0
                seen = glance(value)
                if seen != NOTHING:
                    return 1 if seen == IS_HELD else self.search(container)
        return 0

    cdef int ask(self, PyObject* kind) except -1:
        """End this traversal to learn the layout of a type, which runs user code. The traversal starts over."""
        learn(kind)
        return AGAIN

    cdef int open_record(self, PyObject* record) except -1:
        """End this traversal to read the fields of a dataclass, which runs user code. The traversal starts over.

        If the innermost step is in a list, tuple or dict, all dataclasses in it are read at once: a list of a thousand
        dataclasses is traversed twice, not a thousand times.
        """
        cdef Step* step = &self.steps[self.depth - 1] if self.depth else NULL
        cdef dict opened = {} if self.opened is None else self.opened
        records = [<object>record]
        if step is not NULL and (step.op == LIST or step.op == TUPLE):
            records += <object>step.node
        elif step is not NULL and step.op == DICT:
            records += (<dict>step.node).values()
        for each in records:
            if op_of(<PyObject*>each, Py_TYPE(<PyObject*>each)) == STRUCT and id(each) not in opened:
                layout = <Layout>layout_of(Py_TYPE(<PyObject*>each))
                if (<Layout>layout).offsets is NULL:
                    opened[id(each)] = each, tuple([getattr(each, name) for name in (<Layout>layout).names])
        self.opened = opened
        return AGAIN

    cdef PyObject** fields_of(self, PyObject* record) noexcept:
        """The values of the fields of a dataclass, borrowed; NULL: they were not read yet."""
        cdef PyObject* entry
        cdef PyObject* number
        if self.opened is None:
            return NULL
        number = PyLong_FromSize_t_(<size_t>record)
        entry = NULL if number is NULL else PyDict_GetItemWithError_(<PyObject*>self.opened, number)
        if number is not NULL:
            Py_DECREF_(number)
        if entry is NULL:
            PyErr_Clear()
            return NULL
        return <PyObject**>(<PyTupleObject*>(<PyTupleObject*>entry).ob_item[1]).ob_item

    cdef int search(self, PyObject* container) except -1:
        """Search a container and all containers in it, and remember of each whether it holds a lazy result.

        Returns 1 or 0, or AGAIN if the traversal must start over.

        Invariant: the steps above `base` are the path from the container to where the search stands, each marked
        SEARCHED (or CIRCULAR), with `number` 1 once a lazy result was found below it. A step that ends marks its
        container HOLDS or LITERAL and passes its 1 to the step below. So each container is searched once in a
        traversal, however often it is reached, and the work is linear in the size of the expression.

        A container that holds itself is a literal as long as no lazy result is in it: a user may pass a cyclic list as
        data. Only the end of its search can tell, so it is marked CIRCULAR when it is reached from itself, and is
        refused at its end if it holds a lazy result.

        Two things may happen behind the back of this loop. *Steps may move*: `open_search` and `check_key` push steps
        and may reallocate the array, so `step` is fetched again after either. *The traversal may be over*: both return
        AGAIN if they have run user code; then all that was read here (borrowed items, cursors in dicts) may be gone,
        and returning at once is all that is safe. `clear` frees what the steps own.
        """
        cdef Py_ssize_t base = self.depth
        cdef Step* step
        cdef PyObject* value
        cdef PyObject* key
        cdef uint32_t what
        cdef int seen, op
        cdef bint found = False
        cdef bint ended
        self.open_search(container, op_of(container, Py_TYPE(container)))
        while self.depth > base:
            step = &self.steps[self.depth - 1]
            ended = True
            while True:
                if step.op == DICT:
                    if not PyDict_Next(step.node, &step.cursor, &key, &value):
                        break
                    if self.check_key(key) == AGAIN:
                        return AGAIN
                    step = &self.steps[self.depth - 1]  # steps may move
                elif step.cursor < step.size:
                    value = step.items[step.cursor]
                    step.cursor += 1
                else:
                    break
                seen = glance(value)
                if seen == NOTHING:
                    continue
                if seen == IS_HELD:
                    step.number = 1
                    continue
                op = op_of(value, Py_TYPE(value))
                if op == UNLEARNED:
                    return self.ask(Py_TYPE(value))
                if op == RECORD:
                    self.refuse_hidden(value, hidden_lazy(value))
                what = self.recall(value)
                if what == UNKNOWN:
                    self.open_search(value, op)
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

    cdef int open_search(self, PyObject* container, int op) except -1:
        cdef Step* step
        self.remember(container, SEARCHED)
        step = self.push(container, op)
        step.number = 0  # of a search: whether it has found a lazy result
        self.open_items(step)
        return 0

    cdef int open_items(self, Step* step) except -1:
        """Find the items of a container: in place if they are contiguous there, else as a copy of the pointers."""
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
            for i in range((<SetObject*>node).mask + 1):
                entry = &(<SetObject*>node).table[i]
                if entry.key is not NULL and entry.hash != -1:
                    step.items[count] = entry.key
                    count += 1
            step.size = count
        elif step.op == STRUCT:
            layout = <Layout>layout_of(Py_TYPE(node))
            if layout.offsets is NULL:
                return self.open_fields(step, layout)
            if layout.is_tuple:
                if Py_SIZE(node) == layout.count:
                    step.items = <PyObject**>(<PyTupleObject*>node).ob_item
                    step.size = layout.count
                return 0
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

    cdef int open_fields(self, Step* step, Layout layout) except -1:
        """Find what a dataclass holds: the values of its fields in their order if they were read, else in any order."""
        cdef Held held
        step.items = self.fields_of(step.node)
        if step.items is not NULL:
            step.size = layout.count
            return 0
        held.items = NULL
        held.size = held.room = 0
        held.failed = False
        if may_be_traversed(step.node):
            (<TraversedType*>Py_TYPE(step.node)).tp_traverse(step.node, collect, &held)
        if held.failed:
            PyMem_Free(held.items)
            raise MemoryError()
        step.items = held.items
        step.size = held.size
        step.owned = True
        return 0

    cdef int order_members(self, Step* step) except -1:
        """Sort the members of a set, independently of their hashes: those with the oldest lazy result come first."""
        cdef Py_ssize_t i, size = step.size
        cdef PyObject** items = step.items  # steps may move
        cdef Member* members = <Member*>PyMem_Malloc(size * sizeof(Member))
        if members is NULL:
            raise MemoryError()
        try:
            for i in range(size):
                members[i].member = items[i]
                members[i].serial = self.first_serial(items[i])
                members[i].place = i
            qsort(members, size, sizeof(Member), older)
            for i in range(size):
                items[i] = members[i].member
        finally:
            PyMem_Free(members)
        return 0

    cdef uint64_t first_serial(self, PyObject* member) except 0:
        """The serial number of the oldest lazy result in a member of a set; NO_SERIAL if there is none."""
        cdef Py_ssize_t base = self.depth
        cdef Py_ssize_t looked = 0
        cdef uint64_t serial = NO_SERIAL
        cdef Step* step = NULL
        cdef PyObject* value = member
        cdef PyObject* kind
        cdef int op
        while True:
            kind = Py_TYPE(value)
            if kind == Lazy:
                serial = min(serial, (<LazyResult>value).serial)
            else:
                op = op_of(value, kind)
                # A layout that is not known yet ends this traversal anyway, as soon as the member is visited.
                if op != SLOT and op != DICT and looked < MEMBERS and not (op == STRUCT and layout_of(kind) is NULL):
                    looked += 1
                    self.open_items(self.push(value, op))
            while self.depth > base:
                step = &self.steps[self.depth - 1]
                if step.cursor < step.size:
                    break
                if step.owned:
                    PyMem_Free(step.items)
                self.depth -= 1
            if self.depth == base:
                return serial
            value = step.items[step.cursor]
            step.cursor += 1

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

    cdef int grow_steps(self) except -1:
        cdef Py_ssize_t room = max(32, 2 * self.step_room)
        cdef void* moved = PyMem_Realloc(self.steps, room * sizeof(Step))
        if moved is NULL:
            raise MemoryError()
        self.steps = <Step*>moved
        self.step_room = room
        return 0

    cdef int refuse_hidden(self, PyObject* record, PyObject* lazy) except -1:
        kind = <object>Py_TYPE(record)
        if any([kind is view for view in VIEWS]):  # by identity: its metaclass may compare as it likes
            instead = "list(...) of it, which is looked into"
        else:
            instead = f"cs.task({kind.__name__})(...), which makes the object when the value is there"
        raise StructureError(
            f"a `{kind.__name__}` must not hold a lazy result, got {<object>lazy!r} - at {self.path()}: write "
            f"{instead}; or cs.data(...) to pass the object as it is"
        )

    cdef int refuse_cycle(self, PyObject* node) except -1:
        what = "an expression" if Py_TYPE(node) == Lazy else f"a {(<object>Py_TYPE(node)).__name__}"
        raise StructureError(f"expression must not contain itself, got {what} inside itself - at {self.path()}")

    cdef str path(self):
        """The path from the target to where the traversal stands, for messages."""
        cdef list parts = ["$"]
        cdef Layout layout
        cdef bint known
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
                elif cursor >= shape.positional + len(shape.names):
                    parts.append(f".{shape.roles[cursor - shape.positional - len(shape.names)]}")
                else:
                    parts.append(f".kwargs[{shape.names[cursor - shape.positional]!r}]")
            elif step.op == STRUCT:
                layout = <Layout>layout_of(Py_TYPE(step.node))
                known = layout.offsets is not NULL or self.fields_of(step.node) is not NULL
                parts.append(f".{layout.shape.fields[cursor]}" if known else ".?")  # not known yet: in any order
            else:
                parts.append("[...]" if step.op in (SET, FROZENSET, DICT) else f"[{cursor}]")
        return "".join(parts)

    cdef int check_key(self, PyObject* key) except -1:
        """Refuse a dict key that is a lazy result or holds one: the key must be known before the dict is built."""
        cdef int holds = Py_TYPE(key) == Lazy
        cdef int op = SLOT if holds else op_of(key, Py_TYPE(key))
        if op == UNLEARNED:
            return self.ask(Py_TYPE(key))
        if op == DATA or op == RECORD:
            holds = op == DATA or hidden_lazy(key) is not NULL
        elif op != SLOT:
            if self.key_depth == KEYS_IN_KEYS:
                raise StructureError(f"dict keys must be nested at most {KEYS_IN_KEYS} deep - at {self.path()}")
            self.key_depth += 1
            holds = self.holds_lazy(key)
            self.key_depth -= 1
        if holds == 1:
            raise StructureError(
                f"dict key must be known when the dict is written, got a lazy result - at {self.path()}: make the dict "
                f"in a task, which gets the key as an argument"
            )
        return holds


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
