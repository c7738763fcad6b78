"""Built-in nodes: those that the engine itself evaluates, and their values."""

from types import FunctionType as _FunctionType
from weakref import WeakValueDictionary as _WeakValueDictionary

from cascade._core.expr cimport lazy as _lazy
from cascade._core.expr.failure_types cimport any_failure
from cascade._core.expr.lazy cimport LazyResult, refuse_task, scope_call
from cascade._core.expr.policy cimport failures_of
from cascade._core.expr.task_spec cimport (
    FALLBACK, INJECT, OUTCOME, RACE, RECOVER, ROUTER, Kind, kind_of,
)
from cascade._core.expr.task cimport Task, builtin_task, check_takes_one, lazy_call

from cascade._core.expr.handlers import itself as _itself
from cascade.exceptions import PolicyError

cdef enum:
    HAS_VARARGS = 4  # of a code object


class _Skipped:
    """The value of a skipped member in the result of several targets or of a map."""

    __slots__ = ()

    def __repr__(self):
        return "SKIPPED"

    def __reduce__(self):
        return "SKIPPED"

    def __bool__(self):
        return False


cdef object skipped_member = _Skipped()
SKIPPED = skipped_member


cdef class Skip:
    """The value of a skipped node, inside the engine: which condition was false."""


cdef class Failed:
    """The value of a node that has failed, inside the engine, where a node that may catch the failure needs it."""

    cdef object error(self):
        """The failure as one exception: an exception group if something failed as it was stopped because of it."""
        if len(self.errors) == 1:
            return self.errors[0]
        if self.group is None:
            self.group = BaseExceptionGroup("several tasks failed", self.errors)
        return self.group


cdef class Placeholder:
    """The value of the node of a resource of scope "call": its name. Each call that takes it sets it up."""

    def __init__(self, str name not None):
        self.name = name

    def __repr__(self):
        return f"<resource {self.name}>"


cdef Task _router = builtin_task("router", ROUTER)
cdef Task _recover = builtin_task("recover", RECOVER)
cdef Task _fallback = builtin_task("fallback", FALLBACK)
cdef Task _outcome = builtin_task("outcome", OUTCOME)
cdef Task _race = builtin_task("race", RACE)
cdef object _named = _WeakValueDictionary()  # (kind, name) -> task: one for each resource, param and variable


cdef Task _task_of(Kind kind, str name):
    cdef Task task = <Task>_named.get((<int>kind, name))
    if task is None:
        task = builtin_task(name, kind)
        _named[<int>kind, name] = task
    return task


def router_call(selector, dict routes, *default):
    """Make the node of a router: its selector, its routes, and a default if there is one."""
    return lazy_call(_router, (selector, routes, *default))


def input_call(spec):
    """Make the node of a param or an environment variable, with the ``kind`` and ``name`` of ``spec``."""
    return lazy_call(_task_of(<Kind>kind_of(spec.kind), spec.name), (spec,))


def inject(name):
    """Ask for a resource of the engine, by name.

    Args:
        name: the name of a resource that is registered with the engine when the run starts.

    Returns:
        A `LazyResult` whose value is the resource. Use it as an argument of a task, or as a default of a parameter.

    Raises:
        TypeError: ``name`` is not a non-empty str.

    >>> import cascade as cs
    >>> cs.inject("db")
    <LazyResult db()>
    """
    if type(name) is not str or not name:
        raise TypeError(f"name of a resource must be a non-empty str, got {name!r}")
    return lazy_call(_task_of(INJECT, name), ())


# ------------------------------------------------------------------------------------------------ failures as values


def recover_call(value, handler, on):
    """Make the node that calls a handler with the failure of a value."""
    refuse_task(value, "value")
    _check_handler(handler)
    return lazy_call(_recover, (value, handler, _caught(on)))


def fallback_call(value, other, on):
    """Make the node that takes another value in place of a failure."""
    refuse_task(value, "value")
    refuse_task(other, "other")
    return lazy_call(_fallback, (value, other, _caught(on)))


def outcome_call(value):
    """Make the node whose value is the `Outcome` of a value."""
    refuse_task(value, "value")
    return lazy_call(_outcome, (value,))


def scope_of(value):
    """Make the node of an expression as one unit."""
    refuse_task(value, "value")
    return scope_call(value)


def race_call(tuple values not None):
    """Make the node whose value is the first one of several values."""
    if not values:
        raise PolicyError("race() must be given at least one value, got none")
    for i, value in enumerate(values):
        refuse_task(value, f"values[{i}]")
    return lazy_call(_race, values)


cpdef LazyResult own_failure(object value):
    """Make the node whose value is the exception, if a value fails."""
    return lazy_call(_recover, (value, _itself, any_failure))


_lazy.catching_calls = recover_call, fallback_call, outcome_call


cdef int _check_handler(object handler) except -1:
    """Refuse what cannot be called with an exception, as far as that is known: an error there would be found late."""
    if type(handler) is Task:
        check_takes_one(<Task>handler)
    elif type(handler) is _FunctionType:
        _check_function(handler)
    elif isinstance(handler, type) and issubclass(handler, BaseException):
        raise PolicyError(
            f"handler must be a task or function of one argument, the exception, got the class `{handler.__name__}`; "
            f"to say which failures are caught, write on={handler.__name__}"
        )
    elif not callable(handler) or type(handler) is LazyResult:
        raise PolicyError(
            f"handler must be a task or function of one argument, the exception, got `{type(handler).__name__}`; to "
            f"take a value instead, write cs.fallback(x, value)"
        )
    return 0


cdef int _check_function(object function) except -1:
    """Refuse a function that cannot be called with one positional argument."""
    cdef Py_ssize_t most = function.__code__.co_argcount
    cdef Py_ssize_t least = most - len(function.__defaults__ or ())
    cdef int flags = function.__code__.co_flags
    if least <= 1 and (most >= 1 or flags & HAS_VARARGS) and (
        len(function.__kwdefaults__ or ()) == function.__code__.co_kwonlyargcount
    ):
        return 0
    raise PolicyError(
        f"handler must be a task or function of one argument, the exception, got {function.__qualname__} with other "
        f"parameters"
    )


cdef object _caught(object on):
    """What is caught, as the core takes it: a tuple of types, or a predicate."""
    kinds = failures_of(on, "on")
    if type(kinds) is tuple:
        for kind in <tuple>kinds:
            if not issubclass(kind, Exception):
                raise PolicyError(
                    f"on must be types of failures, got {kind.__name__}: cancellations, KeyboardInterrupt, SystemExit "
                    f"and other exceptions that are no `Exception` are never caught"
                )
    return kinds


def injected_name(value):
    """Return the name of the resource that a lazy result asks for; None for any other object."""
    cdef LazyResult lazy
    if type(value) is not LazyResult:
        return None
    lazy = <LazyResult>value
    return value.task.name if (<Task>lazy.task).spec.kind == INJECT else None


_Skipped.__module__ = inject.__module__ = "cascade"
