# cython: boundscheck=True, wraparound=False
"""Whether a graph and a plan from a file are those of a key that this process has written.

The key was written by this process and is trusted; the graph comes from a file and is not. The key is read as the
builder reads it, and what the builder would make is compared with the graph: a graph passes if and only if it equals
the one that `cascade.graph.builder.build` makes of the key. Every number in it is compared before it is used, and the
work is linear in the key, whatever is in the graph.

Bounds are checked here wherever a list or a tuple is indexed, and no number of the graph becomes an index before it was
found to be in range.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free

from cascade._core.shape.key cimport (
    CALL, DICT, FROZENSET, KEY, KEY_OPAQUE, LIMIT, LIST, OPERAND_SHIFT, REF, SET, SLOT, STRUCT, TUPLE,
)

cdef enum:
    PRIORITIES = 0x7FFFFFFF

cdef dict COLLECTIONS = {LIST: "list", TUPLE: "tuple", SET: "set", FROZENSET: "frozenset"}


cdef class Proof:
    """One key, to be compared with one graph.

    Args:
        key: native unsigned 32 bit tokens, as extraction writes them.
        structs: the structs of nodes and references: Call, Collection, Mapping, Record, SlotRef, NodeRef.
    """

    def __init__(self, bytes key, tuple structs):
        if self.key is not None:
            raise RuntimeError("Proof.__init__() must be called once, got a second call")
        self.key = key
        self.size = len(key) // 4
        self.Call, self.Collection, self.Mapping, self.Record, self.SlotRef, self.NodeRef = structs
        # One allocation for all arrays: each has room for one entry a token and one more.
        self.room = PyMem_Calloc(self.size + 1, sizeof(Open) + 4 * sizeof(int32_t) + 1)
        if self.room is NULL:
            raise MemoryError()
        self.opened = <Open*>self.room
        self.operands = <int32_t*>(self.opened + self.size + 1)
        self.finished = self.operands + self.size + 1
        self.needs = self.finished + self.size + 1
        self.first_need = self.needs + self.size + 1
        self.started = <uint8_t*>(self.first_need + self.size + 1)

    def __dealloc__(self):
        PyMem_Free(self.room)

    def holds(self, object call, object struct, object literals, object graph, object plan, bint native=False):
        """Whether ``graph`` is what the builder makes of the key, and ``plan`` is a plan of it.

        Args:
            call: called with the number of a call's symbol and the token's index, returns ``(symbol, operands,
                spelling)``.
            struct: the same for structs.
            literals: called with the key, returns a reader of its dict keys: called with the token at which one begins,
                the reader returns the index of the token after it, and the `Key`. Called only if there are dict keys.
            graph: a `GraphTemplate`, whose fields have the types that they should have.
            plan: a `PlanTemplate` of the same kind.
            native: whether the plan must be the one that the native solver makes; else any plan of the graph will do.
        """
        if self.key is None or self.size > LIMIT:
            return False
        self.nodes = graph.nodes
        self.keys, self.calls, self.structs = [], [], []
        self.done = self.need_count = 0
        try:
            return (
                self.same_graph(call, struct, literals, graph) and self.fits(plan)
                and (not native or self.is_native(plan))
            )
        except OverflowError:  # a number in the file that no C integer can hold
            return False

    cdef bint same_graph(self, object call, object struct, object literals, object graph) except -1:
        """Whether the graph is the one that the builder makes of the key.

        This is the builder's loop without the building: one pass over the tokens with a stack of open nodes, in which a
        node that has all its operands is compared with the next node of the graph, since both are in post-order.

        Invariants, before each token: `opened[:depth]` are the nodes that have begun and not ended, outermost first;
        `operands[:count]` are those of the open nodes that are read, node by node; `finished` maps the number of each
        node in prefix order to its number in post-order, -1 while it is open, so that a REF to an open node (a cycle)
        is refused; `done` nodes of the graph have been compared and are right. `end` of an open node is where its last
        operand will stand, so `count == end` closes it, and its result becomes one operand of the node below.

        Calling the builder and comparing two graphs would be simpler, but would cost what a template from a file is
        there to save. The loop is not shared with the builder because the two do different things at each token, and a
        shared one would have to call back for each of them.
        """
        cdef const unsigned char* raw = <const unsigned char*>self.key
        cdef const uint32_t* tokens = <const uint32_t*>raw
        cdef Py_ssize_t at = 0
        cdef int32_t slots = 0, begun = 0, count = 0, depth = 0
        cdef uint32_t op, operand
        cdef Open* top
        cdef dict call_numbers = {}, struct_numbers = {}
        cdef object literal = None
        while at < self.size:
            op = tokens[at] & ((1 << OPERAND_SHIFT) - 1)
            operand = tokens[at] >> OPERAND_SHIFT
            if op == SLOT:
                self.operands[count] = ~slots
                count += 1
                slots += 1
            elif op == REF:
                if operand >= <uint32_t>begun or self.finished[operand] < 0:
                    return False
                self.operands[count] = self.finished[operand]
                count += 1
            elif op == KEY:
                if not depth or self.opened[depth - 1].op != DICT:
                    return False
                if operand == KEY_OPAQUE:
                    self.keys.append(slots)
                    slots += 1
                    at += 1
                else:
                    if literal is None:
                        literal = literals(self.key)
                    at, read = literal(at)
                    self.keys.append(read)
                continue
            else:
                top = &self.opened[depth]
                top.op = op
                top.slot = slots
                top.first = count
                top.number = begun
                if op == CALL:
                    top.head, top.end = _symbol(operand, at, call_numbers, self.calls, call)
                    slots += 1
                elif op == STRUCT:
                    top.head, top.end = _symbol(operand, at, struct_numbers, self.structs, struct)
                    slots += 1
                elif op > STRUCT:
                    return False
                else:
                    top.head = <int32_t>len(self.keys)
                    top.end = <int32_t>operand
                top.end += count
                depth += 1
                self.finished[begun] = -1
                begun += 1
            at += 1
            while depth and count == self.opened[depth - 1].end:
                depth -= 1
                top = &self.opened[depth]
                if not self.close(top):
                    return False
                self.finished[top.number] = self.done
                count = top.first
                self.operands[count] = self.done
                count += 1
                self.done += 1
            if not depth:
                break
        return (
            not depth and at == self.size and self.done == len(self.nodes) and graph.slots == slots
            and graph.calls == tuple(self.calls) and graph.structs == tuple(self.structs)
        )

    cdef bint close(self, Open* top) except -1:
        """Compare the innermost open node, whose operands are all read, with the next node of the graph."""
        cdef int32_t i
        cdef Py_ssize_t head
        if self.done >= len(self.nodes):
            return False
        node = self.nodes[self.done]
        self.first_need[self.done] = self.need_count
        for i in range(top.first, top.end):
            if self.operands[i] >= 0:
                self.needs[self.need_count] = self.operands[i]
                self.need_count += 1
        kind = type(node)
        if top.op == CALL:
            if kind is not self.Call or not self.is_slot(node.task, top.slot):
                return False
            head = node.symbol
            return head == top.head and self.same_operands(node.args, top)
        if top.op == STRUCT:
            if kind is not self.Record or not self.is_slot(node.type, top.slot):
                return False
            head = node.symbol
            return head == top.head and self.same_operands(node.fields, top)
        if top.op == DICT:
            if kind is not self.Mapping or not self.same_keys(node.keys, top.head):
                return False
            del self.keys[top.head:]
            return len(node.keys) == len(node.values) and self.same_operands(node.values, top)
        return (
            kind is self.Collection and node.kind == COLLECTIONS[top.op] and self.same_operands(node.items, top)
        )

    cdef bint same_operands(self, tuple refs, Open* top) except -1:
        cdef Py_ssize_t i, index
        cdef int32_t operand
        if len(refs) != top.end - top.first:
            return False
        for i in range(len(refs)):
            ref = refs[i]
            operand = self.operands[top.first + i]
            if operand < 0:
                if type(ref) is not self.SlotRef:
                    return False
                operand = ~operand
            elif type(ref) is not self.NodeRef:
                return False
            index = ref.index
            if index != operand:
                return False
        return True

    cdef bint same_keys(self, tuple keys, Py_ssize_t first) except -1:
        cdef Py_ssize_t i
        if len(keys) != len(self.keys) - first:
            return False
        for i in range(len(keys)):
            expected = self.keys[first + i]
            if type(expected) is int:
                if not self.is_slot(keys[i], expected):
                    return False
            elif keys[i] != expected:
                return False
        return True

    cdef bint is_slot(self, object ref, int32_t number) except -1:
        cdef Py_ssize_t index
        if type(ref) is not self.SlotRef:
            return False
        index = ref.index
        return index == number

    cdef bint fits(self, object plan) except -1:
        """Whether the plan has every node once and after its operands, each with a valid priority."""
        cdef tuple order = plan.order, priorities = plan.priority
        cdef Py_ssize_t i, index, j, end, priority
        if len(order) != self.done or len(priorities) != self.done:
            return False
        self.first_need[self.done] = self.need_count
        for i in range(self.done):
            priority = priorities[i]
            index = order[i]
            if not 1 <= priority <= PRIORITIES or not 0 <= index < self.done or self.started[index]:
                return False
            self.started[index] = 1
            end = self.first_need[index + 1]
            for j in range(self.first_need[index], end):
                if not self.started[self.needs[j]]:
                    return False
        return True

    cdef bint is_native(self, object plan) except -1:
        """Whether a plan that fits is the native solver's: post-order, and the longest paths to the target."""
        cdef tuple order = plan.order, priorities = plan.priority
        cdef int32_t* longest = self.operands  # which is no longer needed
        cdef Py_ssize_t i, j, index, priority
        for i in range(self.done):
            longest[i] = 1
        for i in range(self.done - 1, -1, -1):
            index = order[i]
            priority = priorities[i]
            if index != i or priority != longest[i]:
                return False
            for j in range(self.first_need[i], self.first_need[i + 1]):
                longest[self.needs[j]] = max(longest[self.needs[j]], longest[i] + 1)
        return True


cdef tuple _symbol(object number, Py_ssize_t at, dict met, list symbols, object name):
    """The number of a symbol in the order of first use, and the number of operands of its nodes."""
    found = met.get(number)
    if found is None:
        symbol, operands, _ = name(number, at)
        # Two numbers of one symbol do not occur in a key of this process: symbols are interned.
        met[number] = found = (len(symbols), operands)
        symbols.append(symbol)
    return found
