"""Lazy results: the nodes of the expressions that users write.

Their memory is managed by hand, because a heavy loop spends most of its time making and dropping them.
"""

from types import GenericAlias as _GenericAlias

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject

from cascade._core.expr cimport debug
from cascade._core.public cimport check_self, name_type
from cascade._core.expr.policy cimport Governable, Retry, ScopeCache, Timeout, check_cached, check_policy, check_timed
from cascade._core.expr.symbol cimport CallShape, call_shape
from cascade._core.expr.task_spec cimport GUARD, INLINE, KINDS, MODES, SCOPE, calls_function, kind_of, takes_policies

from importlib import import_module as _import_module
from os import environ as _environ

from cascade._core.fork import in_child as _in_child

from cascade.exceptions import EngineStateError, PolicyError

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
    void PyErr_Fetch(PyObject**, PyObject**, PyObject**) noexcept
    void PyErr_Restore(PyObject*, PyObject*, PyObject*) noexcept
    void PyErr_SetObject(PyObject*, PyObject*) noexcept
    void PyErr_WriteUnraisable(PyObject*) noexcept

cdef object _nothing = object()
cdef object _awaiting = None  # supplied by the engine
cdef object _displaying = None  # supplied by `cascade`
cdef object guard_task = None
cdef object scope_task = None
cdef tuple catching_calls = None
cdef PyObject* container_task = NULL


@cython.final
cdef class LazyResult(Governable):
    """One call of a task that has not run: a node of an expression.

    Calling a task makes one; so do the methods of another lazy result, and operators and items, as in ``x + 1`` and
    ``x["key"]``; `cascade.attr` is for attributes. It stands for its value: pass it to other tasks, return it from a
    task, ``await`` it in an async task, evaluate it with `cascade.run`, alone or inside lists, tuples, dicts, sets,
    named tuples, frozen dataclasses and frozen structs.

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
        found = {role: <object>self.arguments[first + i] for i, role in enumerate(shape.roles) if role != "after"}
        if type(found.get("cache")) is ScopeCache:
            found["cache"] = found["cache"].policy
        return found

    # A text of a signature has no defaults but literals: hence this method, and others below, are bound.
    @cython.binding(True)
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
        check_self(self, LazyResult)
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

    @cython.binding(True)
    def recover(self, handler, *, on=Exception):
        """Let a handler give the value if this fails: see `cascade.recover`.

        >>> import cascade as cs
        >>> @cs.task(mode="inline")
        ... def parse(text):
        ...     return int(text)
        >>> cs.run(parse("x").recover(lambda error: -1, on=ValueError))
        -1
        """
        check_self(self, LazyResult)
        return catching_calls[0](self, handler, on)

    @cython.binding(True)
    def fallback(self, other, *, on=Exception):
        """Take another value if this fails: see `cascade.fallback`.

        >>> import cascade as cs
        >>> @cs.task(mode="inline")
        ... def parse(text):
        ...     return int(text)
        >>> cs.run(parse("x").fallback(0))
        0
        """
        check_self(self, LazyResult)
        return catching_calls[1](self, other, on)

    def outcome(self):
        """Give what becomes of this as a value: see `cascade.outcome`.

        >>> import cascade as cs
        >>> @cs.task(mode="inline")
        ... def parse(text):
        ...     return int(text)
        >>> cs.run(parse("12").outcome())
        <Outcome, value 12>
        """
        return catching_calls[2](self)

    def __await__(self):
        if _awaiting is None:
            raise EngineStateError(
                f"a lazy result can be awaited inside an async task only; {(<CallShape>self.shape).task[1]}(...) was "
                f"awaited outside: write `await cs.arun(...)`, `await engine.run(...)`, or cs.run(...)"
            )
        use(self)  # the task may be cancelled before it takes the first step
        return _awaiting(self)

    def _with(self, role, operand):
        return with_policy(self, role, operand)

    @classmethod
    def __class_getitem__(cls, value):
        """``LazyResult[int]``: a lazy result whose value is an int, for annotations."""
        return _GenericAlias(cls, value)

    def _content(self):
        """Return the task, the shape of the call, and all operands, those of policies included.

        Two lazy results are the same node if and only if these are the same, now and with policies of later versions.
        """
        cdef CallShape shape = <CallShape>self.shape
        cdef Py_ssize_t i
        operands = [<object>self.arguments[i] for i in range(self.count)]
        return <object>self.task, (shape.task, shape.positional, shape.names, shape.roles), operands

    @property
    def _site(self):
        """Where it was written, in debug mode: (file name, line); None: that is not known."""
        return <object>self.arguments[self.count] if self.sited else None

    @property
    def _mark(self):
        """The number of the last traversal that has visited it, and its number in prefix order there."""
        return self.traversal, self.node

    @property
    def _serial(self):
        """The number of lazy results that were made before it, and itself."""
        return self.serial

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        # It is immutable, and it is one node wherever it is reached: a copy would be another node.
        return self

    def __reduce__(self):
        use(self)
        return _import_module("cascade._core.expr.pickling").reduce_lazy(self)

    @staticmethod
    @cython.binding(True)
    def _unpickled(*parts):
        """Return the lazy result that was pickled; in this class, so that pickles name no private module."""
        return _import_module("cascade._core.expr.pickling").restore_lazy(*parts)

    @staticmethod
    @cython.binding(True)
    def _policy(kind, *arguments):
        """Return the policy that was pickled."""
        return (Retry if kind == "retry" else Timeout)(*arguments)

    @staticmethod
    @cython.binding(True)
    def _series(value):
        """Return the input of a map that was pickled with its mark as data."""
        return _import_module("cascade._core.expr.map_inputs").MarkedSeries(value)

    def __repr__(self):
        return _describe(self, 3)

    # The parameters are `include` and `exclude`, which no function in Cython can have: `include` is a statement.
    def _repr_mimebundle_(self, *types, **named):
        """What a notebook shows: a picture."""
        return display(self, types, named)


def display(shown, tuple types, dict named):
    """Return what a notebook shows of a lazy result or of a template, by MIME type."""
    return _displaying(shown, *types, **named)


def displayed_by(function):
    """Have ``function`` make what notebooks show: the core knows no pictures."""
    global _displaying
    _displaying = function


def awaited_by(function):
    """Have ``function`` make the iterator with which a lazy result is awaited: the core knows no asyncio."""
    global _awaiting
    _awaiting = function


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
        try:
            text = repr(value)
        except Exception as error:
            return f"<`{type(value).__name__}`, whose repr raises {type(error).__name__}>"
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
    """The same call with one thing more beside its arguments, or with another one in place of that it has."""
    return _under_conditions(lazy, role, operand, False)


cdef LazyResult with_policy(LazyResult lazy, str role, object operand):
    """The same node with a policy: a call, or, where no single call is meant, the expression as one unit, in a scope.

    The policies among a map's own roles are those of its items, and come from its task.
    """
    return _under_conditions(lazy, role, operand, True)


cdef LazyResult _under_conditions(LazyResult lazy, str role, object operand, bint as_unit):
    """The node under all conditions is meant, as these are evaluated first."""
    cdef list conditions = []
    cdef Py_ssize_t i
    cdef int kind = kind_of((<CallShape>lazy.shape).task[2])
    while kind == GUARD:
        use(lazy)
        conditions.append([<object>lazy.arguments[i] for i in range(lazy.count)])
        lazy = <LazyResult>lazy.arguments[1]
        kind = kind_of((<CallShape>lazy.shape).task[2])
    if as_unit and kind != SCOPE and (not calls_function(kind) or _only_combines(lazy)):
        lazy = scope_call(lazy)
    lazy = _with_role(lazy, role, operand)
    while conditions:
        arguments = conditions.pop()
        arguments[1] = lazy
        lazy = _guarded(arguments)
    return lazy


cdef bint _only_combines(LazyResult lazy) except -1:
    """Whether a call only makes a value of values, such as an operator: there is nothing in it to repeat or give up."""
    return (<object>lazy.task)._standard_name is not None


cdef CallShape _scope_shape = None


cdef LazyResult scope_call(object value):
    """The node of an expression as one unit."""
    global _scope_shape
    if _scope_shape is None:  # kept: a loop that makes a scope in each iteration finds it, and those extended from it
        _scope_shape = call_shape(("cascade", "scope", KINDS[SCOPE], MODES[INLINE], ()), 1, ())
    return of_shape(scope_task, _scope_shape, [value])


cdef LazyResult _with_role(LazyResult lazy, str role, object operand):
    """The same for a node that is not a condition."""
    cdef CallShape shape = <CallShape>lazy.shape
    cdef str kind = shape.task[2]
    cdef Py_ssize_t i, place = lazy.count
    use(lazy)
    if role != "after":
        if not takes_policies(kind_of(kind)):
            raise PolicyError(f"a {role} policy must be given to a call of a task, got a node of kind {kind!r}")
        if role == "cache":
            if kind_of(kind) == SCOPE:
                operand = ScopeCache(operand, <object>lazy.arguments[0])
            else:
                check_cached(operand, <object>lazy.task)
        elif role == "timeout" and kind_of(kind) != SCOPE:
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


def restored_node(task, str kind, list operands, tuple names=()):
    """Make a node of a kind that calls no function, or a map: for unpickling, which has checked its operands."""
    module, qualname, _, mode, injected = task._content()[0]
    cdef CallShape shape = call_shape((module, qualname, kind, mode, injected), len(operands) - len(names), names, ())
    return of_shape(task, shape, operands)


def with_policies_of(LazyResult lazy not None, tuple roles, list operands):
    """Make the same node with what it had beside its arguments."""
    for role, operand in zip(roles, operands):
        if role in ("retry", "timeout", "cache", "constraints"):
            check_policy(role, operand)
        lazy = _with_role(lazy, role, operand)
    return lazy


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
# Before a destructor may run in it, a burial is announced, so that deaths in the same thread find it. A destructor may
# run a whole program, whose lazy results must be freed while it runs: so each of them begins a burial of its own,
# unless too many are nested already, as in a chain of objects with destructors: then it joins the announced list. The
# destructor may also take long, fork, or wait for another thread that drops lazy results: so a list belongs to one
# thread, and no lock is held.
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
    NESTED = 20  # burials that may be nested: each takes some hundred bytes of the C stack, and a destructor more

ctypedef struct Burial:
    PyObject* dead  # a list, linked by `next_dead`, of lazy results that are still to be freed
    void* thread  # that it belongs to; NULL: the entry is free
    int nested  # burials that were begun in destructors that this one calls

cdef Burial _burials[BURIALS]  # the announced ones
cdef int _announced = 0  # how many are announced
cdef Py_ssize_t spares = 0
cdef uint64_t serials = 0


cdef PyObject* allocate(Py_ssize_t count) except NULL:
    """The memory of a lazy result with room for ``count`` arguments."""
    global spares
    cdef PyObject* made
    cdef PyObject** room = NULL
    if debug.active:
        return allocate_sited(count)
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
        (<LazyResult>made).sited = False
    (<LazyResult>made).arguments = &(<LazyResult>made).near[0] if room is NULL else room
    return made


cdef PyObject* allocate_sited(Py_ssize_t count) except NULL:
    """The same in debug mode, with room for where it is written: the caller never finds memory to be used again."""
    cdef PyObject* where = debug.site()
    cdef PyObject* made
    cdef PyObject** room = <PyObject**>PyMem_Malloc((count + 1) * sizeof(PyObject*))
    if room is NULL:
        raise MemoryError()
    made = CASCADE_NEW_LAZY(<PyTypeObject*>LazyResult)
    if made is NULL:
        PyMem_Free(room)
        raise MemoryError()
    room[count] = where
    (<LazyResult>made).arguments = room
    (<LazyResult>made).sited = where is not NULL
    return made


cdef void _bury(PyObject* object) noexcept:
    """Free a lazy result, and all that die with it, one after the other."""
    global spares, _announced
    cdef Burial unannounced
    cdef Burial* burial = &unannounced
    cdef Burial* mine = &unannounced  # as long as it may be announced
    cdef Burial* outer = NULL if _announced == 0 else _of_this_thread()
    if outer is not NULL:
        mine = NULL
        if outer.nested >= NESTED:
            _lay_out(object, outer)
            return
        outer.nested += 1
    burial.dead = NULL
    if (<LazyResult>object).tracked:
        PyObject_GC_UnTrack(object)
    while True:
        burial = _release(object, burial, mine)
        if spares < SPARE:
            spare[spares] = object
            spares += 1
        else:
            PyObject_GC_Del(object)
        object = burial.dead
        if object is NULL:
            break
        burial.dead = (<LazyResult>object).next_dead
    if outer is not NULL:
        outer.nested -= outer.nested > 0  # a greenlet that ends late may find the entry in use again
    elif burial != &unannounced:
        burial.thread = NULL
        _announced -= 1


cdef inline void _lay_out(PyObject* object, Burial* burial) noexcept:
    if (<LazyResult>object).tracked:
        PyObject_GC_UnTrack(object)
    (<LazyResult>object).next_dead = burial.dead
    burial.dead = object


cdef inline Burial* _release(PyObject* object, Burial* burial, Burial* unannounced) noexcept:
    """Release what it holds. Lazy results that die join the burial; before a destructor may run, it is announced.

    ``unannounced``: the burial if it may be announced; NULL: it is nested in one that was.
    """
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
            _burials[i].nested = 0
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


cdef extern from *:
    """
    #if defined(_MSC_VER)
    #define CASCADE_THREAD_LOCAL __declspec(thread)
    #else
    #define CASCADE_THREAD_LOCAL __thread
    #endif
    static CASCADE_THREAD_LOCAL int cascade_dropping = 0;
    #define cascade_drop(what) (cascade_dropping = (what))
    """
    int cascade_dropping  # whether a lazy result that was never evaluated is being freed in this thread
    void cascade_drop(int) noexcept


cdef void _bury_in_debug_mode(PyObject* dead) noexcept:
    """Free a lazy result, after a warning if it was never evaluated: one for it and all that dies with it."""
    global spares
    cdef uint64_t traversal = (<LazyResult>dead).traversal
    cdef int dropping = cascade_dropping
    cdef PyObject* where = (<LazyResult>dead).arguments[(<LazyResult>dead).count] if (<LazyResult>dead).sited else NULL
    cdef PyObject* kind
    cdef PyObject* value
    cdef PyObject* traceback
    if (<LazyResult>dead).tracked:  # code runs now, and the collector may: it must not find an object that is gone
        PyObject_GC_UnTrack(dead)
        (<LazyResult>dead).tracked = False
    if traversal == 0 and not dropping:
        PyErr_Fetch(&kind, &value, &traceback)
        _tell(<object>(<LazyResult>dead).task, where)
        PyErr_Restore(kind, value, traceback)
    if traversal == 0 or traversal == <uint64_t>-1:
        cascade_drop(1)
    _bury(dead)
    cascade_drop(dropping)
    while spares:  # so that each new one is allocated
        spares -= 1
        PyObject_GC_Del(spare[spares])


cdef void _tell(object task, PyObject* where) noexcept:
    """Warn. Nothing could catch a warning that is an error: it goes to `sys.unraisablehook`."""
    try:
        debug.tell(task, where)
    except BaseException as error:
        kind = type(error)
        PyErr_SetObject(<PyObject*>kind, <PyObject*>error)
        PyErr_WriteUnraisable(<PyObject*>task)


def note_returned(value):
    """Note, in debug mode, that a task has returned a value: the lazy results in it were not dropped by its code."""
    cdef list stack = [value]
    cdef set seen = set()
    while stack:
        value = stack.pop()
        if type(value) is LazyResult:
            use(<LazyResult>value)
        elif type(value) in (list, tuple, set, frozenset, dict) and id(value) not in seen:
            seen.add(id(value))
            stack.extend(value.values() if type(value) is dict else value)


def start_debugging():
    """Switch debug mode on, for all lazy results that are made from now on in the process."""
    global spares
    debug.active = True
    (<PyTypeObject*>LazyResult).tp_dealloc = _bury_in_debug_mode
    while spares:
        spares -= 1
        PyObject_GC_Del(spare[spares])


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
if _environ.get("CASCADE_DEBUG", "") not in ("", "0"):
    start_debugging()


name_type(LazyResult, b"cascade.LazyResult")
LazyResult._unpickled.__module__ = LazyResult._policy.__module__ = LazyResult._series.__module__ = "cascade"
