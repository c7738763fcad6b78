"""Tasks: functions made declarative.

Users call a task once for each node and iteration, so calling is the hottest code of all. It takes what the interpreter
passes (an array of arguments, and the call site's own tuple of names) without another container, and checks a call site
only the first time.
"""

import builtins as _builtins
import inspect as _inspect
from functools import partial as _partial
from importlib import import_module as _import_module
from sys import modules as _sys_modules
from types import GenericAlias as _GenericAlias, MethodType as _MethodType

cimport cython
from cpython.object cimport PyObject

from cascade._core.public cimport check_self, name_type
from cascade._core.expr cimport lazy as _lazy, task_spec as _task_spec
from cascade._core.expr.lazy cimport LazyResult, new_lazy, of_shape, with_role
from cascade._core.expr.policy cimport (
    Retry, Timeout, check_cache, check_cached, check_constraints, check_policy, check_timed, hint_if_lazy,
)
from cascade._core.expr.task_spec cimport (
    ASYNC, AUTO, DEFAULT, GUARD, INLINE, KINDS, MAP, MODES, PROCESS, SCOPE, THREAD, CallSite, Kind, Mode, TaskSpec,
    builtin_spec, kind_of as _kind_of,
    method_spec, spec_of, standard_spec,
)
from cascade._core.expr.symbol cimport CallShape, call_shape
from cascade._core.expr.data cimport Data
from cascade._core.expr.map_inputs cimport Const, MarkedSeries, check_sizes, check_zippable

from cascade._core.expr.task_spec import signature_of as _signature_of
from cascade.exceptions import MapError, TaskDefinitionError

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        Py_ssize_t tp_vectorcall_offset
        unsigned long tp_flags
        void* tp_new
        void* tp_vectorcall
        PyObject* tp_dict
        PyObject* (*tp_call)(PyObject*, PyObject*, PyObject*) noexcept
    ctypedef struct PyTupleObject:
        PyObject** ob_item
    ctypedef struct PyListObject:
        PyObject** ob_item
    ctypedef struct PyFunctionObject:
        PyObject* func_closure
        PyObject* func_defaults
        PyObject* func_dict
        PyObject* func_globals
        PyObject* func_kwdefaults
        PyObject* func_module
    void Py_INCREF(PyObject*) noexcept
    void Py_DECREF(PyObject*) noexcept
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept
    bint PyObject_IS_GC(PyObject*) noexcept
    void PyObject_GC_Track(PyObject*) noexcept
    bint PyFunction_Check(object) noexcept
    PyObject* PyDict_GetItem(dict, object) noexcept
    bint PyModule_Check(object) noexcept
    PyObject* PyModule_GetDict(object) noexcept
    int PyDict_DelItemString(object, const char*) except -1
    unsigned long Py_TPFLAGS_HAVE_VECTORCALL
    unsigned long Py_TPFLAGS_DISALLOW_INSTANTIATION
    Py_ssize_t PyVectorcall_NARGS(size_t)
    PyObject* PyVectorcall_Call(PyObject*, PyObject*, PyObject*) noexcept
    void PyType_Modified(PyTypeObject*)

cdef enum:
    WRAPPERS = 1000  # that are followed around one function: an object may claim to wrap itself

cdef dict _modules = _sys_modules
cdef object _coroutine_mark = getattr(_inspect, "_is_coroutine_mark", None)  # None: before Python 3.12
cdef object finds_lazy = None
cdef PyObject* Lazy = <PyObject*>LazyResult


@cython.final
@cython.freelist(64)
cdef class Task:
    """A function made declarative: calling it runs nothing and returns a lazy result.

    Made by `cascade.task`. It binds to instances as functions do, so methods can be tasks.

    Attributes:
        fn: the callable.
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
            return _signature_of(self.fn, annotated=True)
        except (ValueError, TypeError):
            raise AttributeError("__signature__") from None

    # What tools ask of a function, it answers as its function does.

    @property
    def __module__(self):
        return getattr(self.fn, "__module__", None)

    @property
    def __defaults__(self):
        return _called(self.fn).__defaults__

    @property
    def __kwdefaults__(self):
        return _called(self.fn).__kwdefaults__

    @property
    def __code__(self):
        # `inspect.iscoroutinefunction` looks here, and from Python 3.12 on at the mark below.
        return _called(self.fn).__code__

    @property
    def _is_coroutine_mark(self):
        # Of an async callable that is no function.
        if self.spec.kind != ASYNC:
            raise AttributeError("_is_coroutine_mark")
        return _coroutine_mark

    @property
    def __isabstractmethod__(self):
        return getattr(self.fn, "__isabstractmethod__", False)

    @__isabstractmethod__.setter
    def __isabstractmethod__(self, is_abstract):  # by `@abstractmethod` above `@cs.task`
        self.fn.__isabstractmethod__ = is_abstract

    @property
    def __annotations__(self):
        # As those of a function: since Python 3.14 they are evaluated here, when they are read, and only then.
        return _called(self.fn).__annotations__

    @property
    def __annotate__(self):
        # For `annotationlib`, which reads annotations that cannot or need not be evaluated; since Python 3.14.
        return _called(self.fn).__annotate__

    @property
    def __type_params__(self):
        # Of a generic function, since Python 3.12: `typing.get_type_hints` needs them if annotations are strings.
        return _called(self.fn).__type_params__

    @property
    def _runs_inline(self):
        """Whether the auto rule lets calls run in the event loop's thread."""
        return self.spec.runs_inline

    def map(self, /, *, concurrency=None, return_exceptions=False, **inputs):
        """Call the task once for each item of its inputs, which are taken side by side.

        Args:
            concurrency: number of items that are evaluated at once, at most; an int >= 1, or None: 1,024.
            return_exceptions: whether the result of an item that fails is its exception.
            inputs: for each argument a series of items (a list, tuple, range, array, generator), an async iterable
                (an async generator, a channel), whose items are taken as there is room for them, or a lazy result with
                such a value; or `cascade.const` with a value for all items.

        Returns:
            A `LazyResult` whose value is the list of the results, in the order of the items.

        Raises:
            MapError: an input is not a series of items, or two have different lengths.
            TaskArgumentError: the inputs do not fit the task's signature.

        >>> import cascade as cs
        >>> @cs.task(mode="inline")
        ... def power(base, exponent):
        ...     return base ** exponent
        >>> cs.run(power.map(base=range(4), exponent=cs.const(2)))
        [0, 1, 4, 9]
        """
        is_setting = type(return_exceptions) is bool
        if return_exceptions is not False and _is_for_parameter(
            self, "return_exceptions", return_exceptions, is_setting
        ):
            inputs["return_exceptions"] = return_exceptions
            return_exceptions = False
        elif not is_setting:
            raise MapError(f"return_exceptions must be a bool, got {return_exceptions!r}")
        made = _map(self, concurrency, inputs)
        return with_role(made, "return_exceptions", True) if return_exceptions else made

    # The same arguments as the methods of lazy results have: `Governable`, in expr/policy.pyx.

    @cython.binding(True)  # for its signature
    def with_retry(
        self, max_attempts=3, delay=0, backoff=2, max_delay=None, jitter=None, on=(Exception,), give_up_on=(),
        max_elapsed=None,
    ):
        """Return this task with a retry policy for each call: see `LazyResult.with_retry`."""
        check_self(self, Task)
        retry = Retry(max_attempts, delay, backoff, max_delay, jitter, on, give_up_on, max_elapsed)
        return _governed(self, "retry", retry)

    def with_timeout(self, seconds=None, total=None):
        """Return this task with a timeout for each call: see `LazyResult.with_timeout`."""
        check_timed(self)
        return _governed(self, "timeout", Timeout(seconds, total))

    def with_cache(self, policy):
        """Return this task with a cache policy for each call: see `LazyResult.with_cache`."""
        check_cached(check_cache(policy), self)
        return _governed(self, "cache", policy)

    def with_constraints(self, *, priority=None, **amounts):
        """Return this task with amounts of limits, and a priority, for each call: see `LazyResult.with_constraints`."""
        if priority is not None:
            amounts["priority"] = priority
        return _governed(self, "constraints", check_constraints(amounts))

    def _content(self):
        """Return what determines its calls beside the callable: identity, lazy defaults, policies by role."""
        return self.spec.identity, self.fills, self.policies

    def _measured(self, ns):
        """Record for the auto rule that a call in a worker thread took ``ns`` nanoseconds.

        Returns whether this confirms that an inline call has blocked the loop.
        """
        return self.spec.measured(ns)

    def __get__(self, instance, owner):
        if instance is None or not self.spec.binds:
            return self
        if instance is owner:  # what `classmethod` asks for up to Python 3.12; later it binds like this by itself
            return _MethodType(self, owner)
        fn = self.fn.__get__(instance, owner)
        made = _new(fn, method_spec(self.spec, fn))
        _govern(made, self.fills, self.policies)
        return made

    def __call__(self, *args, **kwargs):
        # Replaced below by the vectorcall; stands here so that the type is known to be callable.
        raise NotImplementedError

    def __getattr__(self, name):
        # Not a method: of `cascade.Task` itself, as the type of a field, pydantic must not find it.
        if name == "__get_pydantic_core_schema__":
            return _CallSchema(self)
        raise AttributeError(f"'cascade.Task' object has no attribute {name!r}")

    @classmethod
    def __class_getitem__(cls, parameters):
        """``Task[[int, str], bytes]``: a task of these parameters and this result, for annotations."""
        if type(parameters) is not tuple:
            parameters = (parameters,)
        # As `typing.Generic` has it: a list of parameters is a tuple, which can be hashed.
        return _GenericAlias(cls, tuple([tuple(item) if type(item) is list else item for item in parameters]))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        """By reference, as functions are, with the policies that it was given."""
        return _import_module("cascade._core.expr.pickling").reduce_task(self)

    @property
    def _ungoverned(self):
        """The task without policies and lazy defaults: what a worker process needs of it."""
        return self if self.policies is None and self.fills is None else _new(self.fn, self.spec)

    @property
    def _standard_name(self):
        """The name of its function with its module, if the library has made it of that; None: it is of a user."""
        name = f"{self.spec.module}.{self.spec.qualname}"
        return name if _standard_tasks.get(name) is self else None

    def _definition(self):
        """Return the kind of its node, if no function is called for it, its given name, and its mode."""
        cdef object kind = None if self.fn is not _not_called else KINDS[self.spec.kind]
        return kind, self.spec.given_name, None if self.spec.mode == DEFAULT else MODES[self.spec.mode]

    @staticmethod
    @cython.binding(True)
    def _unpickled(*parts):
        """Return the task that was pickled; in this class, so that pickles name no private module."""
        return _import_module("cascade._core.expr.pickling").restore_task(*parts)

    @staticmethod
    @cython.binding(True)
    def _imported(module, qualname):
        """Return the task of that name; in this class, so that pickles name no private module."""
        return import_task(module, qualname)

    def __repr__(self):
        return f"<Task {self.spec.module}.{self.spec.qualname}>"


cdef object _called(object fn):
    """The function that is called in the end, which has the annotations of a callable, its defaults and its code."""
    for _ in range(WRAPPERS):
        if PyFunction_Check(fn) or isinstance(fn, _MethodType):
            return fn
        if isinstance(fn, type):  # its own annotations are those of its attributes
            return fn.__init__
        if isinstance(fn, _partial):
            fn = fn.func
        elif hasattr(fn, "__wrapped__"):  # of an object that stands for a function, such as `functools.cache` makes
            fn = fn.__wrapped__
        else:
            return getattr(type(fn), "__call__")
    raise AttributeError("__wrapped__ has no end")


@cython.internal
cdef class _CallSchema:
    """What pydantic is given of a task, with `TypeAdapter(task)`: the arguments of its function are validated."""

    cdef Task task

    def __init__(self, Task task):
        self.task = task

    def __call__(self, source, handler):
        schema = dict(handler.generate_schema(self.task.fn))
        if schema.get("type") == "call":
            schema["function"] = self.task
        return schema


cdef dict _standard_tasks = {}  # by the names of their modules and functions; users may have tasks of these, too


def standard_task_named(name):
    """Return the task that the library has made of the function of this name: an operator, for example."""
    _import_module("cascade._core.expr.operator_tasks")  # where most of them are made
    return _standard_tasks[name]


def import_task(module, qualname):
    """Return the task of this name, found as `pickle` finds functions."""
    found = __import__(module, fromlist=["_"])
    for part in qualname.split("."):
        found = getattr(found, part)
    if isinstance(found, _MethodType) and type(found.__func__) is Task:  # of a classmethod, which was given its class
        return found.__func__
    return found


cdef PyObject* _call(Task self, PyObject** arguments, size_t flagged, PyObject* kwnames) except NULL:
    """Make a lazy result of a call, without any container for the arguments but the lazy result itself."""
    cdef Py_ssize_t positional = PyVectorcall_NARGS(flagged)
    cdef Py_ssize_t i
    cdef bint tracked
    cdef CallSite site = self.spec.last
    cdef PyObject* made
    cdef PyObject* argument
    if site is None or site.positional != positional or site.key != kwnames:
        site = self.spec.site(positional, kwnames)
    made = new_lazy(<PyObject*>self, <PyObject*>site.shape, site.count)
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


cdef PyObject* _call_governed(Task self, PyObject** arguments, size_t flagged, PyObject* kwnames) except NULL:
    """Make a lazy result of a call of a task that has lazy defaults or policies."""
    cdef Py_ssize_t positional = PyVectorcall_NARGS(flagged)
    cdef tuple given = () if kwnames is NULL else <tuple>kwnames
    cdef tuple names = given
    cdef Py_ssize_t i
    cdef LazyResult lazy
    cdef PyObject* made
    if self.fills is not None:
        names = self.spec.fill(self.fills, positional, given)
    values = [<object>arguments[i] for i in range(positional + len(given))]
    values += [self.fills[name] for name in names[len(given):]]
    made = _call(self, (<PyListObject*>values).ob_item, positional, <PyObject*>names)
    lazy = <LazyResult>made
    Py_DECREF(made)
    for role, operand in (self.policies or {}).items():
        lazy = with_role(lazy, role, operand)
    Py_INCREF(<PyObject*>lazy)
    return <PyObject*>lazy


cdef Task _new(object fn, TaskSpec spec):
    cdef Task made = Task.__new__(Task)
    made.vectorcall = <vectorcallfunc><void*>_call
    made.fn = fn
    made.spec = spec
    made.closed = PyFunction_Check(fn) and _is_closed(fn)
    return made


cdef int _govern(Task task, dict fills, dict policies) except -1:
    """Give a task lazy defaults and policies, if there are any."""
    if fills is not None or policies is not None:
        task.fills = fills
        task.policies = policies
        task.vectorcall = <vectorcallfunc><void*>_call_governed
    return 0


cdef Task _governed(Task task, str role, object operand):
    cdef Task made = _new(task.fn, task.spec)
    cdef dict policies = dict(task.policies or {})
    if role == "constraints":
        operand = {**policies.get(role, {}), **operand}
    policies[role] = operand
    _govern(made, task.fills, policies)
    return made


def governed(Task task not None, dict policies):
    """The same task with these policies, by role, instead of those that it has of these roles."""
    cdef Task made
    if not policies:
        return task
    for role, policy in policies.items():
        check_policy(role, policy)
    made = _new(task.fn, task.spec)
    _govern(made, task.fills, {**(task.policies or {}), **policies})
    return made


def call_plain(Task task not None, tuple arguments not None, tuple names not None):
    """Make the lazy result of a call, without the lazy defaults and policies of the task.

    Args:
        task: the task.
        arguments: the positional arguments, then those with names.
        names: of the last arguments.

    Raises:
        TaskArgumentError: the arguments do not fit the task's signature.
    """
    cdef PyObject* made
    for name in names:
        if type(name) is not str:
            raise TypeError(f"name of an argument must be a str, got `{type(name).__name__}`")
    if task.fn is _not_called or len(names) > len(arguments):
        raise TypeError(f"{task.name} cannot be called like that")
    made = _call(
        task, <PyObject**>(<PyTupleObject*>arguments).ob_item, len(arguments) - len(names),
        <PyObject*>names if names else NULL
    )
    lazy = <LazyResult>made
    Py_DECREF(made)
    return lazy


def restored_builtin(str kind not None, str name not None):
    """The task of built-in nodes of a kind."""
    return builtin_task(name, <Kind>_kind_of(kind))


cdef dict _lazy_defaults(object fn):
    """The defaults of a function that are or hold lazy results, by the name of the parameter; None: there are none."""
    cdef PyFunctionObject* raw = <PyFunctionObject*>fn
    cdef Py_ssize_t i
    if raw.func_defaults is NULL and raw.func_kwdefaults is NULL:
        return None
    found = {}
    defaults = fn.__defaults__ or ()
    code = fn.__code__
    names = code.co_varnames[:code.co_argcount]
    for i, default in enumerate(defaults, len(names) - len(defaults)):
        if _is_filled_in(fn, names[i], default):
            if i < code.co_posonlyargcount:
                raise TaskDefinitionError(
                    f"default of the positional-only parameter {names[i]!r} of {fn.__qualname__} must not be a lazy "
                    f"result: calls fill it in by name"
                )
            found[names[i]] = default
    for name, default in (fn.__kwdefaults__ or {}).items():
        if _is_filled_in(fn, name, default):
            found[name] = default
    return found or None


cdef bint _is_filled_in(object fn, str name, object default) except -1:
    """Whether a default is or holds a lazy result, or is marked as data: calls are given it as an argument."""
    kind = type(default)
    if kind is LazyResult or kind is Data:
        return True
    if kind is Task:
        _check_task_as_default(fn, name, default)
        return False
    return PyObject_IS_GC(<PyObject*>default) and finds_lazy is not None and finds_lazy(default)


cdef int _check_task_as_default(object fn, str name, Task default) except -1:
    """Refuse a task that was not called as the default of a parameter which, by its annotation, cannot be a task."""
    try:
        parameter = _signature_of(fn, annotated=True).parameters[name]
    except (ValueError, TypeError):
        return 0
    annotation = None if parameter.annotation is parameter.empty else parameter.annotation
    if type(annotation) is str:  # from __future__ import annotations
        annotation = vars(_builtins).get(annotation)
    if type(annotation) is type and not isinstance(default, annotation):
        raise TaskDefinitionError(
            f"default of {name!r} of {fn.__qualname__} must be a `{annotation.__name__}`, got {default!r}, which was "
            f"not called: write {name}={default.__name__}(...)"
        )
    return 0


cdef LazyResult _map(Task task, object concurrency, dict inputs):
    """Make the call of a map: its operands are the inputs by name; constants and the concurrency are roles."""
    cdef CallShape shape
    cdef LazyResult made
    if concurrency is not None and _is_for_parameter(task, "concurrency", concurrency, type(concurrency) is int):
        inputs = {**inputs, "concurrency": concurrency}
        concurrency = None
    if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
        raise MapError(f"concurrency must be None or an int >= 1, got {concurrency!r}{hint_if_lazy(concurrency)}")
    # A task that takes any names is given them in the order of the call; for others it makes no difference.
    order = list(inputs) if task.spec.keeps_order else sorted(inputs)
    zipped = {name: inputs[name] for name in order if type(inputs[name]) is not Const}
    if not zipped:
        raise MapError(f"{task.spec.qualname}.map() must have at least one input that is a series of items, got none")
    literal = {}
    for name, value in zipped.items():
        if type(value) is LazyResult:
            continue
        literal[name] = (<Data>value).value if type(value) is Data else value
        check_zippable(name, literal[name])
        if type(value) is Data:
            zipped[name] = MarkedSeries(literal[name])
        elif type(value) is not list and type(value) is not tuple:
            zipped[name] = Data(value)  # its items are taken from it, one by one: it is not searched
    check_sizes(tuple(literal), list(literal.values()))
    names = tuple(order)
    if task.fills is not None:
        names = task.spec.fill(task.fills, 0, names)
    task.spec.new_site(0, names, <PyObject*>names)  # checks the arguments of an item now, not during the run
    module, qualname, _, mode, injected = task.spec.identity
    shape = call_shape((module, qualname, KINDS[MAP], mode, injected), 0, tuple(zipped), ())
    made = of_shape(task, shape, list(zipped.values()))
    constant = [name for name in order if name not in zipped]
    for name in constant:
        made = with_role(made, "const " + name, (<Const>inputs[name]).value)
    if task.spec.keeps_order and order != [*zipped, *constant]:
        made = with_role(made, "order", tuple(order))
    return made if concurrency is None else with_role(made, "concurrency", concurrency)


cdef bint _is_for_parameter(Task task, str name, object value, bint is_setting) except -1:
    """Whether a keyword of `map` is meant for the parameter of this name. `is_setting`: it may be `map`'s own."""
    signature = task.spec.signature
    if signature is None or (name not in signature.parameters and not task.spec.keeps_order):
        return False
    if not is_setting:
        return True
    if name in signature.parameters:
        raise MapError(
            f"{name} must be clear, got {name}={value!r}, which may be the setting of map() or the parameter of "
            f"{task.spec.qualname}: write {name}=cs.const({value!r}) for the parameter; for the setting, map a task "
            f"whose parameter has another name"
        )
    return False


cdef int check_takes_one(Task task) except -1:
    """Check that a task can be called with one positional argument."""
    cdef tuple names = ()
    if not task.takes_one:
        if task.fills is not None:
            names = task.spec.fill(task.fills, 1, names)
        task.spec.new_site(1, names, <PyObject*>names)
        task.takes_one = True
    return 0


cdef bint _is_closed(object fn) except -1:
    """Whether a function has no closure, defaults or attributes, and its globals are those of a module."""
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
    """Make a task of a function: calling it runs nothing and returns a lazy result.

    Use it bare (``@cs.task``) or with settings (``@cs.task(mode="thread")``), on functions, async functions, methods,
    callables, at module level or inside a function. Making a task costs about as much as making the function object
    itself.

    Args:
        fn: the callable.
        name: a name in place of its qualified name; part of its identity in templates.
        mode: where a sync callable runs. "inline": in the event loop's thread; "thread", "process": in a worker;
            "auto": in a thread until it has proved quick. None: the engine's ``default_mode``.

    Returns:
        The `Task`, or a decorator if ``fn`` is not given.

    Raises:
        TaskDefinitionError: ``fn`` is not callable, or the settings do not fit it.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def countdown(n):
    ...     return countdown(n - 1) if n else "lift-off"
    >>> cs.run(countdown(3))
    'lift-off'
    """
    if name is not None and (type(name) is not str or not name):
        raise TaskDefinitionError(f"name must be None or a non-empty str, got {name!r}")
    code = _MODES.get(mode) if mode is None or type(mode) is str else None
    if code is None:
        raise TaskDefinitionError(f"mode must be 'auto', 'inline', 'thread' or 'process', got {mode!r}")
    if fn is None:
        return _Decorator(name, code)
    return _make(fn, name, code)


cdef dict _MODES = {None: DEFAULT, "auto": AUTO, "inline": INLINE, "thread": THREAD, "process": PROCESS}


@cython.internal
cdef class _Decorator:
    """The decorator that ``@cs.task(...)`` with settings returns."""

    cdef object name
    cdef Mode mode

    def __init__(self, name, int mode):
        self.name = name
        self.mode = <Mode>mode

    def __call__(self, fn):
        return _make(fn, self.name, self.mode)


cdef Task _make(object fn, str name, Mode mode):
    cdef Task made
    if type(fn) is Task:
        raise TaskDefinitionError(f"{fn!r} is a task already")
    made = _new(fn, spec_of(fn, name, mode))
    if PyFunction_Check(fn):
        _govern(made, _lazy_defaults(fn), None)
    return made


cdef Task builtin_task(str qualname, Kind kind):
    """Make the task of a kind of built-in nodes."""
    cdef TaskSpec spec = builtin_spec(qualname, kind)
    return _new(_not_called, spec)


cdef Task standard_task(object fn, str module):
    """The inline task of a function of the standard library. Calls of it are not part of any reference cycle."""
    cdef Task made = _new(fn, standard_spec(module, fn.__name__))
    made.closed = True
    _standard_tasks[f"{module}.{made.spec.qualname}"] = made
    return made


def _not_called(*arguments):
    raise NotImplementedError  # the engine evaluates the node by the kind of its task


cdef LazyResult lazy_call(Task task, tuple arguments):
    """``task(*arguments)``, called from C."""
    cdef PyObject* made = _call(task, <PyObject**>(<PyTupleObject*>arguments).ob_item, len(arguments), NULL)
    lazy = <LazyResult>made
    Py_DECREF(made)
    return lazy


cdef int _complete_type() except -1:
    """Replace slots of the type that Cython cannot express: the vectorcall protocol, and no instances by calling it."""
    cdef Task probe = Task.__new__(Task)
    cdef PyTypeObject* task_type = <PyTypeObject*>Task
    task_type.tp_vectorcall_offset = <char*>&probe.vectorcall - <char*><PyObject*>probe
    task_type.tp_call = PyVectorcall_Call
    task_type.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION
    task_type.tp_new = NULL
    task_type.tp_vectorcall = NULL  # of the type, not of its instances
    PyDict_DelItemString(<object>task_type.tp_dict, "__new__")
    PyType_Modified(task_type)
    return 0


_complete_type()
_task_spec.task_type = Task
_lazy.guard_task = builtin_task("run_if", GUARD)
_lazy.scope_task = builtin_task("scope", SCOPE)


name_type(Task, b"cascade.Task")
task.__module__ = Task._imported.__module__ = Task._unpickled.__module__ = "cascade"
