"""Task specs: what all tasks made of one code object share: identity, signature, and how its calls behaved so far.

A task that is defined inside a function is made at each call of that function, so making one must cost next to nothing.
All that the *code* determines is found once and then looked up by the code object. The closure, the defaults and the
bound instance belong to the task, never to the spec.
"""

import functools as _functools
import inspect as _inspect
import sys as _sys
import types as _types
import weakref as _weakref

from cpython.mem cimport PyMem_Free, PyMem_Malloc

from cascade.exceptions import TaskArgumentError, TaskDefinitionError

from cascade._core.expr.symbol cimport call_shape

cdef extern from "Python.h":
    ctypedef struct PyFunctionObject:
        PyObject* func_code
        PyObject* func_defaults
        PyObject* func_dict
        PyObject* func_module
        PyObject* func_kwdefaults
        PyObject* func_qualname
    bint PyFunction_Check(object)
    Py_ssize_t PyTuple_GET_SIZE(PyObject*)
    Py_ssize_t PyDict_GET_SIZE "PyDict_Size"(PyObject*)

# The names are part of structure keys and of template files. They belong to members of the enum, not to places in a
# list, so that reordering the members changes nothing; a member without a name is an error at import.
cdef dict _KIND_NAMES = {
    SYNC: "sync",
    ASYNC: "async",
    WAIT: "wait",
    WAIT_UNTIL: "wait_until",
    TICKS: "ticks",
    RECV: "recv",
    ROUTER: "router",
    GUARD: "guard",
    MAP: "map",
    PARAM: "param",
    ENV: "env",
    INJECT: "inject",
    SEND: "send",
    SELECT: "select",
    RECOVER: "recover",
    FALLBACK: "fallback",
    OUTCOME: "outcome",
    SCOPE: "scope",
    RACE: "race",
}
cdef dict _MODE_NAMES = {DEFAULT: "default", AUTO: "auto", INLINE: "inline", THREAD: "thread", PROCESS: "process"}
cdef tuple KINDS = tuple([_KIND_NAMES[number] for number in range(KIND_COUNT)])
cdef tuple MODES = tuple([_MODE_NAMES[number] for number in range(MODE_COUNT)])
cdef dict _kind_numbers = {name: number for number, name in _KIND_NAMES.items()}
cdef dict _mode_numbers = {name: number for number, name in _MODE_NAMES.items()}
cdef int64_t FAST = 50_000  # ns: a call that is faster is not worth a thread
cdef int64_t SLOW = 1_000_000  # ns: a call that is slower blocks the loop
cdef Py_ssize_t TRIALS = 3  # calls in threads before the auto rule decides
cdef Py_ssize_t SITES = 8  # call sites remembered for each spec
cdef Py_ssize_t VARIANTS = 64  # specs remembered for each code object, and sets of names for each spec

cdef dict _specs = {}  # id of a code object -> (weak reference to it, [TaskSpec, ...])


cdef int kind_of(str name) except -1:
    """The number of the kind with this name."""
    return _kind_numbers[name]


cdef int mode_of(str name) except -1:
    """The number of the mode with this name."""
    return _mode_numbers[name]


cdef class KindTraits:
    """What the core knows of one kind of nodes; `cascade.graph.kinds` adds how the kind is checked and shown."""

    cdef readonly str name
    cdef readonly int number  # in the enum
    cdef readonly bint calls_function
    cdef readonly bint takes_policies
    cdef readonly bint waits
    cdef readonly bint chooses
    cdef readonly bint begins_alone
    cdef readonly bint may_catch
    cdef readonly bint accepts_skips
    cdef readonly bint reads_input


def kind_traits():
    """Return the `KindTraits` of all kinds, in the order of their numbers."""
    cdef list found = []
    cdef KindTraits traits
    cdef int kind
    for kind in range(<int>KIND_COUNT):
        traits = KindTraits.__new__(KindTraits)
        traits.name = KINDS[kind]
        traits.number = kind
        traits.calls_function = calls_function(kind)
        traits.takes_policies = takes_policies(kind)
        traits.waits = waits(kind)
        traits.chooses = chooses(kind)
        traits.begins_alone = begins_alone(kind)
        traits.may_catch = may_catch(kind)
        traits.accepts_skips = accepts_skips(kind)
        traits.reads_input = reads_input(kind)
        found.append(traits)
    return found


def mode_names():
    """Return the names of the modes, in the order of their numbers."""
    return MODES


cdef class CallSite:
    def __dealloc__(self):
        PyMem_Free(self.order)


cdef class TaskSpec:
    """Identity, signature and statistics of the tasks made of one code object."""

    def measured(self, int64_t ns):
        """Record that a call in a worker thread took ``ns`` nanoseconds.

        Returns whether this confirms a doubt of the inline monitor. The task stays in threads until it proves quick.
        """
        self.calls += 1
        if ns < self.fastest or self.calls == 1:
            self.fastest = ns
        self.runs_inline = not self.slow and self.calls >= TRIALS and self.fastest < FAST
        if self.doubted and self.calls == TRIALS:
            self.doubted = False
            return self.fastest > SLOW
        return False

    cdef int demote(self) except -1:
        """An inline call took too long: use threads for the rest of the process."""
        self.slow = True
        self.runs_inline = False
        return 0

    cdef int doubt(self) except -1:
        """An inline call may have taken too long: measure calls in threads again."""
        self.doubted = True
        self.calls = 0
        self.runs_inline = False
        return 0

    cdef CallSite site(self, Py_ssize_t positional, PyObject* kwnames):
        cdef CallSite site
        for site in self.sites:
            if site.positional == positional and site.key == kwnames:
                self.last = site
                return site
        return self.new_site(positional, () if kwnames is NULL else <object>kwnames, kwnames)

    cdef CallSite new_site(self, Py_ssize_t positional, tuple kwnames, PyObject* key):
        cdef CallSite site = CallSite.__new__(CallSite)
        cdef CallSite known = <CallSite>self.known.get((positional, kwnames))
        cdef Py_ssize_t i
        site.key = key
        site.kwnames = kwnames
        site.positional = positional
        site.count = positional + len(kwnames)
        if known is not None:
            site.shape = known.shape
        else:
            _check_arguments(self, positional, kwnames)
            names = kwnames if self.keeps_order else tuple(sorted(kwnames))
            site.shape = call_shape(self.identity, positional, names)
            if len(self.known) >= VARIANTS:
                self.known.clear()
            self.known[positional, kwnames] = site
        if site.shape.names != kwnames:
            site.order = <Py_ssize_t*>PyMem_Malloc(site.count * sizeof(Py_ssize_t))
            if site.order is NULL:
                raise MemoryError()
            for i in range(positional):
                site.order[i] = i
            for i, name in enumerate(site.shape.names):
                site.order[positional + i] = positional + kwnames.index(name)
        if len(self.sites) < SITES:
            self.sites.append(site)
        else:
            self.sites[self.oldest] = site
            self.oldest = (self.oldest + 1) % SITES
        self.last = site
        return site

    cdef tuple fill(self, dict fills, Py_ssize_t positional, tuple kwnames):
        """The names of a call's keyword arguments, followed by those of lazy defaults that the call does not give."""
        cdef tuple place = (tuple(fills), positional, kwnames)
        cdef tuple names = None if self.filled is None else <tuple>self.filled.get(place)
        if names is None:
            given = set(list(self.signature.parameters)[:positional]) | set(kwnames)
            names = kwnames + tuple([name for name in fills if name not in given])
            if self.filled is None or len(self.filled) >= VARIANTS:
                self.filled = {}
            self.filled[place] = names
        return names


# ------------------------------------------------------------------------------------------------ arguments

def _listed(names):
    *first, last = [repr(name) for name in names]
    return f"{', '.join(first)} and {last}" if first else last


cdef int _check_arguments(TaskSpec spec, Py_ssize_t positional, tuple kwnames) except -1:
    """Raise now what Python would raise when the task runs: the arguments do not fit the signature."""
    if spec.signature is None:
        return 0
    Parameter = _inspect.Parameter
    parameters = list(spec.signature.parameters.values())
    by_position = [p for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    takes_more = any(p.kind is Parameter.VAR_POSITIONAL for p in parameters)
    takes_names = any(p.kind is Parameter.VAR_KEYWORD for p in parameters)
    filled = {p.name for p in by_position[:positional]}
    only_positional = {p.name for p in by_position if p.kind is Parameter.POSITIONAL_ONLY}
    by_name = {p.name for p in by_position if p.kind is Parameter.POSITIONAL_OR_KEYWORD}
    by_name.update(p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY)
    fault = None
    given = set(kwnames)
    if positional > len(by_position) and not takes_more:
        plural = "" if len(by_position) == 1 else "s"
        verb = "was" if positional == 1 else "were"
        fault = f"takes {len(by_position)} positional argument{plural} but {positional} {verb} given"
    elif not takes_names and (unknown := [n for n in kwnames if n not in by_name]):
        if unknown[0] in only_positional:
            fault = f"got the positional-only argument {unknown[0]!r} passed as a keyword argument"
        else:
            fault = f"got an unexpected keyword argument {unknown[0]!r}"
    elif twice := [n for n in kwnames if n in filled and n in by_name]:
        fault = f"got multiple values for argument {twice[0]!r}"
    else:
        missing = [
            p.name for p in parameters
            if p.default is Parameter.empty
            and p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
            and p.name not in filled and (p.name not in given or p.name in only_positional)
        ]
        if missing:
            fault = f"missing argument{'' if len(missing) == 1 else 's'} {_listed(missing)}"
    if fault is not None:
        raise TaskArgumentError(f"{spec.qualname}() {fault}; its signature is {spec.qualname}{spec.signature}")
    return 0


# ------------------------------------------------------------------------------------------------ signatures

# Since Python 3.14 annotations are evaluated when they are first read, and `inspect.signature` reads them. With this
# format, names that exist for type checkers only become forward references instead of errors.
cdef bint _evaluated_late = _sys.version_info >= (3, 14)
cdef dict _unevaluated = {}
cdef object task_type = None
if _evaluated_late:
    from annotationlib import Format as _Format
    _unevaluated = {"annotation_format": _Format.FORWARDREF}


def signature_of(fn, *, follow_wrapped=True, annotated=False):
    """Return the signature of a callable; no annotation is evaluated without need, and none makes it fail.

    Args:
        fn: the callable.
        follow_wrapped: whether to return the signature of the function that a decorator has wrapped.
        annotated: whether annotations are wanted; all are omitted if one cannot be evaluated. If False, those that
            have not been evaluated yet are omitted.

    Raises:
        TypeError, ValueError: it has none; this is so for some built-in callables.
    """
    if not _evaluated_late:
        return _inspect.signature(fn, follow_wrapped=follow_wrapped)
    if annotated:
        try:
            return _inspect.signature(fn, follow_wrapped=follow_wrapped, **_unevaluated)
        except Exception:  # raised by an annotation; if the callable itself is wrong, it is raised again below
            pass
    return _inspect.signature(_bare(fn, follow_wrapped), follow_wrapped=follow_wrapped, **_unevaluated)


def _bare(fn, follow_wrapped):
    """The same callable without annotations, where they can be removed; for its signature only."""
    if isinstance(fn, _types.MethodType):
        return _types.MethodType(_bare(fn.__func__, follow_wrapped), fn.__self__)
    if follow_wrapped:
        inner = _inspect.unwrap(fn, stop=_is_no_wrapper)
        if inner is not fn:
            return _bare(inner, follow_wrapped)
    if getattr(fn, "__signature__", None) is not None:  # which is complete
        return fn
    if isinstance(fn, _functools.partial):
        return _functools.partial(_bare(fn.func, follow_wrapped), *fn.args, **fn.keywords)
    if PyFunction_Check(fn):
        bare = _types.FunctionType(fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)
        bare.__kwdefaults__ = fn.__kwdefaults__
        bare.__dict__.update(fn.__dict__)
        return bare
    call = getattr(type(fn), "__call__", None)
    return _types.MethodType(_bare(call, follow_wrapped), fn) if PyFunction_Check(call) else fn


def _is_no_wrapper(fn):
    """Whether `inspect.signature` does not look at what this callable wraps."""
    return hasattr(fn, "__signature__") or isinstance(fn, _types.MethodType)


# ------------------------------------------------------------------------------------------------ finding a spec

cdef tuple _variant(object fn, str name, Mode mode):
    """The code object of a callable, and what distinguishes tasks of that code; None, None if there is no code."""
    extra = ()
    inner = fn
    if isinstance(inner, _functools.partial):
        extra = ("partial", len(inner.args), tuple(sorted(inner.keywords)))
        inner = inner.func
    if isinstance(inner, _types.MethodType):
        extra += ("bound",)
        inner = inner.__func__
    if not PyFunction_Check(inner):
        extra += ("called",)
        inner = getattr(type(inner), "__call__", None)
    code = getattr(inner, "__code__", None)
    if code is None:
        return None, None
    defaults = inner.__defaults__
    kwdefaults = inner.__kwdefaults__
    module, qualname = _names(fn)
    variant = (
        qualname, module, name, <int>mode,
        len(defaults) if defaults else 0, tuple(kwdefaults) if kwdefaults else (), extra,
    )
    return code, variant


def _names(fn):
    """The module and the qualified name of a callable."""
    while isinstance(fn, _functools.partial):
        fn = fn.func
    if getattr(fn, "__qualname__", None) is None:
        fn = type(fn)
    return str(getattr(fn, "__module__", None) or "?"), str(fn.__qualname__)


def _is_async(fn):
    while isinstance(fn, _functools.partial):
        fn = fn.func
    return _gives_coroutine(fn) or _gives_coroutine(getattr(type(fn), "__call__", None))


def _gives_coroutine(fn):
    # A task answers as its function does, but calling it gives a lazy result.
    return type(fn) is not task_type and _inspect.iscoroutinefunction(fn)


def _is_generator_function(fn):
    while isinstance(fn, _functools.partial):
        fn = fn.func
    return any([
        is_one(one) for is_one in (_inspect.isgeneratorfunction, _inspect.isasyncgenfunction)
        for one in (fn, getattr(type(fn), "__call__", None))
    ])


cdef TaskSpec _named(str module, str qualname, Mode mode, Kind kind):
    cdef TaskSpec spec = TaskSpec.__new__(TaskSpec)
    spec.module = module
    spec.qualname = qualname
    spec.kind = kind
    spec.mode = mode
    spec.identity = (module, qualname, KINDS[kind], MODES[mode], ())
    spec.sites = []
    spec.known = {}
    return spec


cdef TaskSpec _make(object fn, str name, Mode mode, Kind kind, tuple variant):
    cdef TaskSpec spec
    module, qualname = _names(fn)
    spec = _named(module, qualname if name is None else name, mode, kind)
    spec.given_name = name
    spec.binds = hasattr(type(fn), "__get__")
    spec.variant = variant
    spec.plain = variant is not None and PyFunction_Check(fn) and not variant[5]
    spec.defaults = variant[4] if variant is not None else 0
    spec.signature = _outline(fn)
    spec.keeps_order = spec.signature is None or any(
        [parameter.kind is parameter.VAR_KEYWORD for parameter in spec.signature.parameters.values()]
    )
    return spec


class _Given:
    """In place of a default value, which is data: a spec outlives the functions that it was made for."""

    def __repr__(self):
        return "..."


_given = _Given()


def _outline(fn):
    """The signature without the values of defaults and annotations; None if there is none."""
    try:
        signature = signature_of(fn, follow_wrapped=False)
    except (ValueError, TypeError):  # some built-in callables have none
        return None
    empty = _inspect.Parameter.empty
    return signature.replace(return_annotation=empty, parameters=[
        parameter.replace(annotation=empty, default=empty if parameter.default is empty else _given)
        for parameter in signature.parameters.values()
    ])


cdef int _check_definition(object fn, object name, object mode) except -1:
    if isinstance(fn, (classmethod, staticmethod)):
        kind = type(fn).__name__
        raise TaskDefinitionError(f"fn must be a callable, got a `{kind}`: write @{kind} above @cs.task, not below it")
    if not callable(fn):
        raise TaskDefinitionError(f"fn must be a callable, got `{type(fn).__name__}`")
    if isinstance(fn, type):
        return 0
    if _is_generator_function(fn):
        raise TaskDefinitionError(
            f"fn must be a function that returns its value, got the generator function {_names(fn)[1]!r}: return a "
            f"list, or map a task over what the function yields, `f.map(item=generate(...))`"
        )
    if mode in ("thread", "process") and _is_async(fn):
        raise TaskDefinitionError(f"mode={mode!r} is for sync functions; {_names(fn)[1]!r} is async")
    if mode == "process" and ("<" in _names(fn)[1] or name is not None):
        raise TaskDefinitionError(
            f"a task with mode='process' must be importable by its name; "
            f"{_names(fn)[1]!r} is {'renamed' if name is not None else 'defined inside a function'}"
        )
    return 0


cdef TaskSpec builtin_spec(str qualname, Kind kind):
    """The spec of a task of built-in nodes."""
    return _named("cascade", qualname, INLINE, kind)  # it has no signature: any number of arguments


cdef TaskSpec standard_spec(str module, str qualname):
    """The spec of an inline task that is made of a function of the standard library, whose calls are not checked."""
    return _named(module, qualname, INLINE, SYNC)


cdef TaskSpec spec_of(object fn, str name, Mode mode):
    """The spec of tasks made of ``fn`` with this name and mode (None: not given). Looked up by the code object."""
    cdef PyFunctionObject* raw
    cdef TaskSpec spec
    cdef tuple entry
    cdef list known
    if PyFunction_Check(fn):
        raw = <PyFunctionObject*>fn
        entry = <tuple>_specs.get(<size_t>raw.func_code)
        if entry is not None and (raw.func_dict is NULL or PyDict_GET_SIZE(raw.func_dict) == 0):
            for spec in <list>entry[1]:
                if (
                    spec.plain and spec.mode == mode and spec.given_name is name and raw.func_kwdefaults is NULL
                    and spec.defaults == (0 if raw.func_defaults is NULL else PyTuple_GET_SIZE(raw.func_defaults))
                    and <PyObject*>spec.variant[0] == raw.func_qualname
                    and <PyObject*>spec.variant[1] == raw.func_module
                ):
                    return spec
    _check_definition(fn, name, MODES[mode])
    code, variant = _variant(fn, name, mode)
    if code is None or _tells_its_own_signature(fn):
        return _make(fn, name, mode, ASYNC if _is_async(fn) else SYNC, variant)
    entry = <tuple>_specs.get(id(code))
    if entry is None:
        number = id(code)
        known = []
        _specs[number] = (_weakref.ref(code, lambda _: _specs.pop(number, None)), known)
    else:
        known = <list>entry[1]
    for spec in known:
        if spec.variant == variant:
            return spec
    spec = _make(fn, name, mode, ASYNC if _is_async(fn) else SYNC, variant)
    if len(known) >= VARIANTS:
        known.pop(0)
    known.append(spec)
    return spec


def _tells_its_own_signature(fn):
    """Whether attributes of this object, and not its code, determine how it may be called."""
    attributes = getattr(fn, "__dict__", None) or ()
    return "__signature__" in attributes or "_is_coroutine_mark" in attributes


cdef TaskSpec method_spec(TaskSpec spec, object bound):
    """The spec of a method's task bound to an instance: the same identity, one parameter fewer."""
    if spec.method is None:
        spec.method = _make(bound, None, spec.mode, spec.kind, None)
        spec.method.qualname = spec.qualname
        spec.method.identity = spec.identity
    return spec.method
