"""Lazy results: the nodes of the expressions that users write.

Their memory is managed by hand, because a heavy loop spends most of its time making and dropping them.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject

from cascade._core.public cimport name_type
from cascade._core.expr.policy cimport Governable, check_cached, check_timed
from cascade._core.expr.symbol cimport CallShape, call_shape
from cascade._core.expr.task_spec cimport GUARD, INLINE, KINDS, MODES, kind_of, takes_policies

from cascade._core.fork import in_child as _in_child

from cascade.exceptions import PolicyError

cdef extern from "Python.h":
    ctypedef int (*visitproc)(PyObject*, void*) noexcept
    ctypedef struct PyTypeObject:
        unsigned long tp_flags
        void* tp_new
        void* tp_vectorcall
        PyObject* tp_dict
        void (*tp_dealloc)(PyObject*) noexcept
        int (*tp_traverse)(PyObject*, visitproc, void*) noexcept
        int (*tp_clear)(PyObject*) noexcept
    void Py_INCREF(PyObject*) noexcept
    void Py_DECREF(PyObject*) noexcept
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    Py_ssize_t Py_REFCNT(PyObject*) noexcept
    PyObject* PyObject_Init(PyObject*, PyTypeObject*) noexcept
    void PyObject_GC_Track(PyObject*) noexcept
    void PyObject_GC_UnTrack(PyObject*) noexcept
    void PyObject_GC_Del(PyObject*) noexcept
    int PyDict_DelItemString(object, const char*) except -1
    void* PyThreadState_Get() noexcept
    PyObject* Int "(PyObject*)&PyLong_Type"
    PyObject* Str "(PyObject*)&PyUnicode_Type"
    PyObject* Float "(PyObject*)&PyFloat_Type"
    unsigned long Py_TPFLAGS_HAVE_GC
    unsigned long Py_TPFLAGS_DISALLOW_INSTANTIATION
    void PyType_Modified(PyTypeObject*)

cdef object _nothing = object()
cdef object guard_task = None
cdef PyObject* container_task = NULL


@cython.final
cdef class LazyResult(Governable):
    """One call of a task that has not run: a node of an expression.

    Calling a task makes one; so do the methods of another lazy result, and operators and items, as in ``x + 1`` and
    ``x["key"]``; `cascade.attr` is for attributes. It stands for its value: pass it to other tasks, return it from a
    task, evaluate it with `cascade.run`, alone or inside lists, tuples, dicts, sets, named tuples, frozen dataclasses
    and frozen structs.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def add(a, b):
    ...     return a + b
    >>> add(1, b=add(2, 3))
    <LazyResult add(1, b=<LazyResult add(2, 3)>)>
    """

    @property
    def task(self):
        """The `Task` that was called."""
        return <object>self.task

    @property
    def args(self):
        """The positional arguments, a tuple."""
        cdef Py_ssize_t i
        return tuple([<object>self.arguments[i] for i in range((<CallShape>self.shape).positional)])

    @property
    def kwargs(self):
        """The keyword arguments, a dict: by sorted name, or in the order of the call if the task takes any names."""
        cdef Py_ssize_t i
        cdef CallShape shape = <CallShape>self.shape
        return {name: <object>self.arguments[shape.positional + i] for i, name in enumerate(shape.names)}

    @property
    def policies(self):
        """The policies of the call, a dict by role, such as "retry". Predecessors are not included."""
        cdef CallShape shape = <CallShape>self.shape
        cdef Py_ssize_t i, first = self.count - len(shape.roles)
        return {role: <object>self.arguments[first + i] for i, role in enumerate(shape.roles) if role != "after"}

    def run_if(self, condition, *, otherwise=_nothing):
        """Put this node under a condition, which is evaluated first.

        If the condition is false, neither this node nor what only it needs is evaluated. The value is then that of
        ``otherwise``; without it, the node is skipped, and so are the nodes that take its value.

        Args:
            condition: a lazy result, or another object that has a truth value.
            otherwise: the value if the condition is false: an object, or a lazy result, which is evaluated only then.

        Returns:
            A new `LazyResult`: this node under the condition.

        Raises:
            PolicyError: ``condition`` or ``otherwise`` is a task that was not called.

        >>> import cascade as cs
        >>> @cs.task(mode="inline")
        ... def half(n):
        ...     return n // 2
        >>> cs.run([half(4).run_if(True), half(4).run_if(False, otherwise=0), half(4).run_if(False)])
        [2, 0, SKIPPED]
        """
        refuse_task(condition, "condition")
        if otherwise is _nothing:
            return _guarded([condition, self])
        refuse_task(otherwise, "otherwise")
        return _guarded([condition, self, otherwise])

    def after(self, *predecessors):
        """Let this call start only after other nodes have ended. Their values are not used.

        If one of them is skipped, this call is skipped, too.

        Args:
            predecessors: lazy results.

        Returns:
            A new `LazyResult`: another node with the same call.

        Raises:
            PolicyError: a predecessor is not a lazy result.

        >>> import cascade as cs
        >>> @cs.task(mode="inline")
        ... def show(text):
        ...     print(text)
        >>> _ = cs.run(show("second").after(show("first")))
        first
        second
        """
        made = self
        for index, predecessor in enumerate(predecessors):
            refuse_task(predecessor, f"predecessors[{index}]")
            if type(predecessor) is not LazyResult:
                raise PolicyError(f"predecessors[{index}] must be a lazy result, got `{type(predecessor).__name__}`")
            made = with_role(made, "after", predecessor)
        return made

    def _with(self, role, operand):
        return with_role(self, role, operand)

    def _content(self):
        """Return the task, the shape of the call, and all operands, those of policies included.

        Two lazy results are the same node if and only if these are the same, now and with policies of later versions.
        """
        cdef CallShape shape = <CallShape>self.shape
        cdef Py_ssize_t i
        operands = [<object>self.arguments[i] for i in range(self.count)]
        return <object>self.task, (shape.task, shape.positional, shape.names, shape.roles), operands

    def __repr__(self):
        return _describe(self, 3)


cdef int refuse_task(object value, str what) except -1:
    """Refuse a task where only its result can be meant: a task itself is always true, and a value like any other."""
    if type(value) is type(guard_task):
        name = value.__name__
        raise PolicyError(
            f"{what} must be a lazy result or a value, got {value!r}, which was not called: write {name}(...); or "
            f"cs.data({name}) if the task itself is meant"
        )
    return 0


def refuse_task_as(value, what):
    """The same, for what is written in Python."""
    refuse_task(value, what)


cdef str _describe(object value, int depth):
    """A short text, of bounded depth and width."""
    if not isinstance(value, LazyResult):
        text = repr(value)
        return text if len(text) <= 40 else text[:37] + "..."
    name = value.task.name
    if depth == 0:
        return f"<LazyResult {name}(...)>"
    given = [("", argument) for argument in value.args] + [(key + "=", item) for key, item in value.kwargs.items()]
    parts = []
    for key, item in given[:8]:
        if isinstance(item, (list, tuple, dict, set, frozenset)):
            parts.append(f"{key}<{type(item).__name__} of {len(item)}>")
        else:
            parts.append(key + _describe(item, depth - 1))
    if len(given) > 8:
        parts.append("...")
    return f"<LazyResult {name}({', '.join(parts)})>"


cdef LazyResult with_role(LazyResult lazy, str role, object operand):
    """The same call with an operand for this role: one more, or in place of the one that it has."""
    cdef list conditions = []
    cdef Py_ssize_t i
    while kind_of((<CallShape>lazy.shape).task[2]) == GUARD:  # the role is for the node under all its conditions
        conditions.append([<object>lazy.arguments[i] for i in range(lazy.count)])
        lazy = <LazyResult>lazy.arguments[1]
    lazy = _with_role(lazy, role, operand)
    while conditions:
        arguments = conditions.pop()
        arguments[1] = lazy
        lazy = _guarded(arguments)
    return lazy


cdef LazyResult _with_role(LazyResult lazy, str role, object operand):
    """The same for a node that is not a condition."""
    cdef CallShape shape = <CallShape>lazy.shape
    cdef str kind = shape.task[2]
    cdef Py_ssize_t i, place = lazy.count
    if role != "after":
        if not takes_policies(kind_of(kind)):
            raise PolicyError(f"a {role} policy must be given to a call of a task, got a node of kind {kind!r}")
        if role == "cache":
            check_cached(operand, <object>lazy.task)
        elif role == "timeout":
            check_timed(<object>lazy.task)
        if role in shape.roles:
            place = lazy.count - len(shape.roles) + shape.roles.index(role)
            if role == "constraints":
                operand = {**<object>lazy.arguments[place], **operand}
    arguments = [<object>lazy.arguments[i] for i in range(lazy.count)]
    if place < lazy.count:
        arguments[place] = operand
    else:
        shape = _extended(shape, role)
        arguments.append(operand)
    return of_shape(<object>lazy.task, shape, arguments)


cdef CallShape _extended(CallShape shape, str role):
    cdef CallShape made = None if shape.extended is None else <CallShape>shape.extended.get(role)
    if made is None:
        made = call_shape(shape.task, shape.positional, shape.names, shape.roles + (role,))
        if shape.extended is None:
            shape.extended = {}
        shape.extended[role] = made
    return made


cdef LazyResult _guarded(list arguments):
    """A node under a condition: [condition, node] or [condition, node, otherwise]."""
    identity = ("cascade", "run_if", KINDS[GUARD], MODES[INLINE], ())
    return of_shape(guard_task, call_shape(identity, len(arguments), ()), arguments)


cdef LazyResult of_shape(object task, CallShape shape, list arguments):
    """Make a lazy result of any shape, with an argument for each of its operands."""
    cdef PyObject* made = new_lazy(<PyObject*>task, <PyObject*>shape, len(arguments))
    cdef Py_ssize_t i
    for i in range(len(arguments)):
        (<LazyResult>made).arguments[i] = <PyObject*>arguments[i]
        Py_INCREF(<PyObject*>arguments[i])
    (<LazyResult>made).tracked = True
    PyObject_GC_Track(made)
    lazy = <LazyResult>made
    Py_DECREF(made)
    return lazy


# The memory of lazy results.
#
# A chain of a million lazy results is freed without recursion: one that dies while another is being freed joins a list
# instead of the C stack. Such a list with the loop that empties it is called a burial. Each outermost death begins one.
# Before a destructor may run in it, a burial is announced, so that lazy results that this destructor drops in the same
# thread join its list as well. The destructor may take long, fork, or wait for another thread that drops lazy results:
# so a list belongs to one thread, and no lock is held.
#
# The garbage collector does not track most of them. A lazy result whose arguments are numbers, strings and the like, or
# others such as itself, and whose task is a module's function without closure and defaults, cannot be part of a cycle,
# except through the globals of that module, which live as long as it does.

cdef extern from *:
    """
    #define CASCADE_NEW_LAZY(type) ((PyObject *)_PyObject_GC_New(type))
    """
    PyObject* CASCADE_NEW_LAZY(PyTypeObject*) noexcept

cdef PyObject* Lazy = <PyObject*>LazyResult
cdef enum:
    BURIALS = 64

ctypedef struct Burial:
    PyObject* dead  # a list, linked by `next_dead`, of lazy results that are still to be freed
    void* thread  # that it belongs to; NULL: the entry is free

cdef Burial _burials[BURIALS]  # the announced ones
cdef int _announced = 0  # how many are announced
cdef Py_ssize_t spares = 0
cdef uint64_t serials = 0


cdef PyObject* allocate(Py_ssize_t count) except NULL:
    """The memory of a lazy result with room for ``count`` arguments."""
    global spares
    cdef PyObject* made
    cdef PyObject** room = NULL
    if count > NEAR:
        room = <PyObject**>PyMem_Malloc(count * sizeof(PyObject*))
        if room is NULL:
            raise MemoryError()
    if spares:
        spares -= 1
        made = PyObject_Init(spare[spares], <PyTypeObject*>LazyResult)
    else:
        made = CASCADE_NEW_LAZY(<PyTypeObject*>LazyResult)
        if made is NULL:
            PyMem_Free(room)
            raise MemoryError()
    (<LazyResult>made).arguments = &(<LazyResult>made).near[0] if room is NULL else room
    return made


cdef void _bury(PyObject* object) noexcept:
    """Free a lazy result, and all that die with it, one after the other."""
    global spares, _announced
    cdef Burial unannounced
    cdef Burial* burial = &unannounced if _announced == 0 else _of_this_thread()
    if burial is NULL:
        burial = &unannounced
    elif burial != &unannounced:
        _lay_out(object, burial)
        return
    burial.dead = NULL
    if (<LazyResult>object).tracked:
        PyObject_GC_UnTrack(object)
    while True:
        burial = _release(object, burial, &unannounced)
        if spares < SPARE:
            spare[spares] = object
            spares += 1
        else:
            PyObject_GC_Del(object)
        object = burial.dead
        if object is NULL:
            break
        burial.dead = (<LazyResult>object).next_dead
    if burial != &unannounced:
        burial.thread = NULL
        _announced -= 1


cdef inline void _lay_out(PyObject* object, Burial* burial) noexcept:
    if (<LazyResult>object).tracked:
        PyObject_GC_UnTrack(object)
    (<LazyResult>object).next_dead = burial.dead
    burial.dead = object


cdef inline Burial* _release(PyObject* object, Burial* burial, Burial* unannounced) noexcept:
    """Release what it holds. Lazy results that die join the burial; before a destructor may run, it is announced."""
    cdef PyObject** arguments = (<LazyResult>object).arguments
    cdef PyObject* argument
    cdef PyObject* kind
    cdef Py_ssize_t i
    for i in range((<LazyResult>object).count):
        argument = arguments[i]
        if Py_REFCNT(argument) == 1:
            kind = Py_TYPE(argument)
            if kind == Lazy:
                _lay_out(argument, burial)
                continue
            if burial == unannounced and kind != Int and kind != Str and kind != Float:
                burial = _announce(burial)
        Py_DECREF(argument)
    if arguments != &(<LazyResult>object).near[0]:
        PyMem_Free(arguments)
    if burial == unannounced and Py_REFCNT((<LazyResult>object).task) == 1:
        burial = _announce(burial)
    Py_DECREF((<LazyResult>object).task)
    Py_DECREF((<LazyResult>object).shape)
    return burial


cdef Burial* _of_this_thread() noexcept:
    """The burial that this thread has announced; NULL if there is none."""
    cdef void* thread = PyThreadState_Get()
    cdef int i
    for i in range(BURIALS):
        if _burials[i].thread == thread:
            return &_burials[i]
    return NULL


cdef Burial* _announce(Burial* burial) noexcept:
    """Move a burial to where others of this thread find it: not on the C stack, which greenlets may switch."""
    global _announced
    cdef int i
    for i in range(BURIALS):
        if _burials[i].thread is NULL:
            _burials[i].thread = PyThreadState_Get()
            _burials[i].dead = burial.dead
            _announced += 1
            return &_burials[i]
    return burial  # too many threads: this burial stays unannounced, and may recurse


def _forget_others():
    """In a child of a fork: forget the burials of the parent's other threads, which do not exist here."""
    global _announced
    cdef void* thread = PyThreadState_Get()
    cdef int i
    _announced = 0
    for i in range(BURIALS):
        if _burials[i].thread == thread:
            _announced += 1
        else:
            _burials[i].thread = NULL


_in_child(_forget_others)


cdef int _clear(PyObject* object) noexcept:
    """Break cycles, but keep a valid lazy result: other code may still refer to it."""
    cdef Py_ssize_t i, count = (<LazyResult>object).count
    cdef PyObject* argument
    for i in range(count):
        argument = (<LazyResult>object).arguments[i]
        Py_INCREF(<PyObject*>None)
        (<LazyResult>object).arguments[i] = <PyObject*>None
        Py_DECREF(argument)
    return 0


cdef int _traverse(PyObject* object, visitproc visit, void* arg) noexcept:
    cdef Py_ssize_t i
    cdef int stop
    for i in range((<LazyResult>object).count):
        stop = visit((<LazyResult>object).arguments[i], arg)
        if stop:
            return stop
    return visit((<LazyResult>object).task, arg)


cdef int _complete_type() except -1:
    """Replace slots of the type that Cython cannot express: memory as above, and no instances by calling it."""
    cdef PyTypeObject* lazy_type = <PyTypeObject*>LazyResult
    lazy_type.tp_dealloc = _bury
    lazy_type.tp_traverse = _traverse
    lazy_type.tp_clear = _clear
    lazy_type.tp_flags |= Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
    lazy_type.tp_new = NULL
    lazy_type.tp_vectorcall = NULL
    PyDict_DelItemString(<object>lazy_type.tp_dict, "__new__")
    PyType_Modified(lazy_type)
    return 0


_complete_type()


name_type(LazyResult, b"cascade.LazyResult")
