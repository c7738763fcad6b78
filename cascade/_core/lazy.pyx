"""Tasks and lazy results: what users write expressions with.

Calling a task is the hottest thing that users do, once a node and iteration, so it keeps what the interpreter hands
over (an array of arguments and the call site's own tuple of names) and checks a call site only the first time.
"""

from inspect import signature as _signature
from sys import modules as _sys_modules
from types import MethodType as _MethodType

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject

from cascade._core.spec cimport (
    ASYNC, AUTO, DEFAULT, INLINE, PROCESS, THREAD, CallSite, Mode, TaskSpec, method_spec, spec_of,
)

from cascade.exceptions import TaskDefinitionError

cdef extern from "Python.h":
    ctypedef int (*visitproc)(PyObject*, void*) noexcept
    ctypedef struct PyTypeObject:
        Py_ssize_t tp_vectorcall_offset
        unsigned long tp_flags
        void* tp_new
        void* tp_vectorcall
        PyObject* tp_dict
        PyObject* (*tp_call)(PyObject*, PyObject*, PyObject*) noexcept
        void (*tp_dealloc)(PyObject*) noexcept
        int (*tp_traverse)(PyObject*, visitproc, void*) noexcept
        int (*tp_clear)(PyObject*) noexcept
    ctypedef struct PyTupleObject:
        PyObject** ob_item
    void Py_INCREF(PyObject*) noexcept
    void Py_DECREF(PyObject*) noexcept
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    Py_ssize_t Py_REFCNT(PyObject*) noexcept
    bint PyObject_IS_GC(PyObject*) noexcept
    bint PyFunction_Check(object) noexcept
    ctypedef struct PyFunctionObject:
        PyObject* func_closure
        PyObject* func_defaults
        PyObject* func_dict
        PyObject* func_globals
        PyObject* func_kwdefaults
        PyObject* func_module
    PyObject* PyDict_GetItem(dict, object) noexcept
    bint PyModule_Check(object) noexcept
    PyObject* PyModule_GetDict(object) noexcept
    PyObject* PyObject_Init(PyObject*, PyTypeObject*) noexcept
    void PyObject_GC_Track(PyObject*) noexcept
    void PyObject_GC_UnTrack(PyObject*) noexcept
    void PyObject_GC_Del(PyObject*) noexcept
    int PyDict_DelItemString(object, const char*) except -1
    unsigned long Py_TPFLAGS_HAVE_GC
    unsigned long Py_TPFLAGS_HAVE_VECTORCALL
    unsigned long Py_TPFLAGS_DISALLOW_INSTANTIATION
    Py_ssize_t PyVectorcall_NARGS(size_t)
    PyObject* PyVectorcall_Call(PyObject*, PyObject*, PyObject*) noexcept
    void PyType_Modified(PyTypeObject*)

cdef dict _modules = _sys_modules
cdef uint64_t _serial = 0


@cython.final
cdef class LazyResult:
    """One call of a task that has not run: a node of an expression.

    Made by calling a task, never directly. Give it to other tasks as an argument, alone or inside lists, tuples,
    dicts, sets and frozen structs; return it from a task to go on with it; run it with `cascade.run`.

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
        return <Task>self.task

    @property
    def args(self):
        """The positional arguments, a tuple."""
        cdef Py_ssize_t i
        return tuple([<object>self.arguments[i] for i in range((<CallShape>self.shape).positional)])

    @property
    def kwargs(self):
        """The keyword arguments, a dict by sorted name."""
        cdef Py_ssize_t i
        cdef CallShape shape = <CallShape>self.shape
        return {
            shape.names[i - shape.positional]: <object>self.arguments[i] for i in range(shape.positional, self.count)
        }

    def __bool__(self):
        name = (<Task>self.task).spec.qualname
        raise TypeError(f"a lazy result has no truth value before it has run; {name}(...) was used as a condition")

    def __repr__(self):
        return _describe(self, 3)


cdef str _describe(object value, int depth):
    """A short text for people, to a bounded depth and width."""
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


cdef PyObject* _call(Task self, PyObject** arguments, size_t flagged, PyObject* kwnames) except NULL:
    """A lazy result of this call: no dict, no tuple of arguments but the one that it keeps."""
    global _serial
    cdef Py_ssize_t positional = PyVectorcall_NARGS(flagged)
    cdef Py_ssize_t i
    cdef bint tracked
    cdef CallSite site = self.spec.last
    cdef PyObject* made
    cdef PyObject* argument
    if site is None or site.positional != positional or site.key != kwnames:
        site = self.spec.site(positional, kwnames)
    made = _allocate(site.count)
    _serial += 1
    (<LazyResult>made).serial = _serial
    (<LazyResult>made).traversal = 0
    (<LazyResult>made).task = <PyObject*>self
    (<LazyResult>made).shape = <PyObject*>site.shape
    Py_INCREF(<PyObject*>self)
    Py_INCREF(<PyObject*>site.shape)
    tracked = not self.closed
    for i in range(site.count):
        argument = arguments[i if site.order is NULL else site.order[i]]
        Py_INCREF(argument)
        (<LazyResult>made).arguments[i] = argument
        if Py_TYPE(argument) == Lazy:
            tracked |= (<LazyResult>argument).tracked
        else:
            tracked |= PyObject_IS_GC(argument)
    (<LazyResult>made).tracked = tracked
    if tracked:
        PyObject_GC_Track(made)
    return made


# The memory of lazy results.
#
# A chain of a million of them is dropped like one: what dies while another is being taken apart joins a list instead
# of the C stack. The list is one for all threads: the thread that has begun buries for the others too.
#
# The garbage collector need not know of most of them. One that takes only numbers, strings and such, or others like
# itself, and whose task is a function of a module with no closure and no defaults, is not part of any cycle; only the
# module's own globals could hold it as well as be held by it.

cdef extern from *:
    """
    #define CASCADE_NEW_LAZY(type) ((PyObject *)_PyObject_GC_New(type))
    """
    PyObject* CASCADE_NEW_LAZY(PyTypeObject*) except NULL

cdef PyObject* Lazy = <PyObject*>LazyResult
cdef PyObject* _dead = NULL
cdef bint _burying = False

cdef enum:
    SPARE = 256

cdef PyObject* _spare[SPARE]  # dead objects to be used again
cdef Py_ssize_t _spares = 0


cdef PyObject* _allocate(Py_ssize_t count) except NULL:
    """A lazy result with room for so many arguments and nothing in it, not tracked by the collector yet."""
    global _spares
    cdef PyObject* made
    cdef PyObject** room = NULL
    if count > NEAR:
        room = <PyObject**>PyMem_Malloc(count * sizeof(PyObject*))
        if room is NULL:
            raise MemoryError()
    if _spares:
        _spares -= 1
        made = PyObject_Init(_spare[_spares], <PyTypeObject*>LazyResult)
    else:
        made = CASCADE_NEW_LAZY(<PyTypeObject*>LazyResult)
    (<LazyResult>made).arguments = &(<LazyResult>made).near[0] if room is NULL else room
    (<LazyResult>made).count = count
    return made


cdef void _bury(PyObject* object) noexcept:
    """Take a lazy result apart, and all that dies with it, one after the other."""
    global _dead, _burying, _spares
    _lay_out(object)
    if _burying:
        return
    _burying = True
    while _dead is not NULL:
        object = _dead
        _dead = (<LazyResult>object).next_dead
        _release(object)
        if _spares < SPARE:
            _spare[_spares] = object
            _spares += 1
        else:
            PyObject_GC_Del(object)
    _burying = False


cdef inline void _lay_out(PyObject* object) noexcept:
    global _dead
    if (<LazyResult>object).tracked:
        PyObject_GC_UnTrack(object)
    (<LazyResult>object).next_dead = _dead
    _dead = object


cdef inline void _release(PyObject* object) noexcept:
    cdef PyObject** arguments = (<LazyResult>object).arguments
    cdef PyObject* argument
    cdef Py_ssize_t i
    for i in range((<LazyResult>object).count):
        argument = arguments[i]
        if Py_TYPE(argument) == Lazy and Py_REFCNT(argument) == 1:
            _lay_out(argument)
        else:
            Py_DECREF(argument)
    if arguments != &(<LazyResult>object).near[0]:
        PyMem_Free(arguments)
    Py_DECREF((<LazyResult>object).task)
    Py_DECREF((<LazyResult>object).shape)


cdef int _clear(PyObject* object) noexcept:
    """Break cycles. What makes it a lazy result stays: somebody may still hold it."""
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


@cython.final
@cython.freelist(64)
cdef class Task:
    """A function made declarative: calling it runs nothing and gives a lazy result.

    Made by `cascade.task`. It binds to instances as functions do, so methods can be tasks.
    """

    @property
    def name(self):
        """The qualified name, or the one given to `cascade.task`."""
        return self.spec.qualname

    @property
    def module(self):
        """The name of the module that defines the callable."""
        return self.spec.module

    @property
    def mode(self):
        """"default", "auto", "inline", "thread" or "process"."""
        return self.spec.identity[3]

    @property
    def is_async(self):
        """Whether the callable is an async function."""
        return self.spec.kind == ASYNC

    @property
    def __wrapped__(self):
        return self.fn

    @property
    def __name__(self):
        return self.spec.qualname.rpartition(".")[2]

    @property
    def __qualname__(self):
        return self.spec.qualname

    @property
    def __doc__(self):
        return self.fn.__doc__

    @property
    def __signature__(self):
        try:
            return _signature(self.fn)
        except (ValueError, TypeError):
            raise AttributeError("__signature__") from None

    def measured(self, ns):
        """Take note of how many nanoseconds a call in a worker thread took, for the auto rule.

        Returns whether this settles that an inline call has held up the loop.
        """
        return self.spec.measured(ns)

    def __get__(self, instance, owner):
        if instance is None or not self.spec.binds:
            return self
        if instance is owner:  # what `classmethod` asks for up to Python 3.12; later it binds like this by itself
            return _MethodType(self, owner)
        fn = self.fn.__get__(instance, owner)
        return _new(fn, method_spec(self.spec, fn))

    def __call__(self, *args, **kwargs):
        # Replaced below by the vectorcall; stands here so that the type is known to be callable.
        raise NotImplementedError

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        """By reference, as functions are: a task travels to worker processes as its name."""
        if isinstance(self.fn, _MethodType):
            return getattr, (self.fn.__self__, self.fn.__name__)
        return import_task, (self.spec.module, self.spec.qualname)

    def __repr__(self):
        return f"<Task {self.spec.module}.{self.spec.qualname}>"


def import_task(module, qualname):
    """The task of that name, as `pickle` finds functions."""
    found = __import__(module, fromlist=["_"])
    for part in qualname.split("."):
        found = getattr(found, part)
    if isinstance(found, _MethodType) and type(found.__func__) is Task:  # of a classmethod, which was given its class
        return found.__func__
    return found


cdef Task _new(object fn, TaskSpec spec):
    cdef Task made = Task.__new__(Task)
    made.vectorcall = <vectorcallfunc><void*>_call
    made.fn = fn
    made.spec = spec
    made.closed = PyFunction_Check(fn) and _is_closed(fn)
    return made


cdef bint _is_closed(object fn) except -1:
    """Whether a function holds nothing of its own, and its globals are those of a module."""
    cdef PyFunctionObject* raw = <PyFunctionObject*>fn
    cdef PyObject* module
    if (
        raw.func_closure is not NULL or raw.func_defaults is not NULL or raw.func_kwdefaults is not NULL
        or (raw.func_dict is not NULL and len(<dict>raw.func_dict) > 0)
    ):
        return False
    module = PyDict_GetItem(_modules, <object>raw.func_module) if raw.func_module is not NULL else NULL
    return module is not NULL and PyModule_Check(<object>module) and (
        PyModule_GetDict(<object>module) == raw.func_globals
    )


def task(fn=None, /, *, name=None, mode=None):
    """Make a task of a function: calling it will run nothing and give a lazy result.

    Use it bare (``@cs.task``) or with settings (``@cs.task(mode="thread")``), on functions, async functions, methods,
    callables, at module level or inside a function. A task made inside a function costs about as much as the
    function object itself.

    Args:
        fn: the callable.
        name: what to call it instead of its qualified name: part of its identity in templates.
        mode: where a sync callable runs. "inline": in the event loop's thread; "thread", "process": in a worker;
            "auto": in a thread until it has proved quick. Not given: as the engine's `default_mode` says.

    Returns:
        The `Task`, or a decorator if ``fn`` is not given.

    Raises:
        TaskDefinitionError: if ``fn`` is not callable or the settings do not fit it.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def countdown(n):
    ...     return countdown(n - 1) if n else "lift-off"
    >>> cs.run(countdown(3))
    'lift-off'
    """
    if name is not None and (type(name) is not str or not name):
        raise TaskDefinitionError(f"expected a non-empty `str` as name, got {name!r}")
    code = _MODES.get(mode) if mode is None or type(mode) is str else None
    if code is None:
        raise TaskDefinitionError(f"expected mode 'auto', 'inline', 'thread' or 'process', got {mode!r}")
    if fn is None:
        return _Decorator(name, code)
    return _make(fn, name, code)


cdef dict _MODES = {None: DEFAULT, "auto": AUTO, "inline": INLINE, "thread": THREAD, "process": PROCESS}


@cython.internal
cdef class _Decorator:
    """What ``@cs.task(...)`` with settings gives: takes the function."""

    cdef object name
    cdef Mode mode

    def __init__(self, name, int mode):
        self.name = name
        self.mode = <Mode>mode

    def __call__(self, fn):
        return _make(fn, self.name, self.mode)


cdef Task _make(object fn, str name, Mode mode):
    if type(fn) is Task:
        raise TaskDefinitionError(f"{fn!r} is a task already")
    return _new(fn, spec_of(fn, name, mode))


cdef Task builtin_task(object fn, TaskSpec spec):
    """A task that the engine itself evaluates."""
    return _new(fn, spec)


cdef LazyResult lazy_call(Task task, tuple arguments):
    """``task(*arguments)``, without the way through the interpreter."""
    cdef PyObject* made = _call(task, <PyObject**>(<PyTupleObject*>arguments).ob_item, len(arguments), NULL)
    lazy = <LazyResult>made
    Py_DECREF(made)
    return lazy


cdef int _complete_types() except -1:
    """Say of the two types what Cython has no words for: `Task` has the vectorcall protocol, the memory of a
    `LazyResult` is managed above, and neither is made by calling it."""
    cdef Task probe = Task.__new__(Task)
    cdef PyTypeObject* task_type = <PyTypeObject*>Task
    cdef PyTypeObject* lazy_type = <PyTypeObject*>LazyResult
    task_type.tp_vectorcall_offset = <char*>&probe.vectorcall - <char*><PyObject*>probe
    task_type.tp_call = PyVectorcall_Call
    task_type.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION
    task_type.tp_new = NULL
    task_type.tp_vectorcall = NULL  # of the type, not of its instances
    lazy_type.tp_dealloc = _bury
    lazy_type.tp_traverse = _traverse
    lazy_type.tp_clear = _clear
    lazy_type.tp_flags |= Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
    lazy_type.tp_new = NULL
    lazy_type.tp_vectorcall = NULL
    for closed in (<object>task_type, <object>lazy_type):
        PyDict_DelItemString(<object>(<PyTypeObject*><PyObject*>closed).tp_dict, "__new__")
    PyType_Modified(task_type)
    PyType_Modified(lazy_type)
    return 0


_complete_types()
