"""Built-in nodes: those that the engine itself evaluates, and their values."""

from weakref import WeakValueDictionary as _WeakValueDictionary

from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.task_spec cimport INJECT, ROUTER, Kind, kind_of
from cascade._core.expr.task cimport Task, builtin_task, lazy_call


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


cdef class Placeholder:
    """The value of the node of a resource of scope "call": its name. Each call that takes it sets it up."""

    def __init__(self, str name not None):
        self.name = name

    def __repr__(self):
        return f"<resource {self.name}>"


cdef Task _router = builtin_task("router", ROUTER)
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


def injected_name(value):
    """Return the name of the resource that a lazy result asks for; None for any other object."""
    cdef LazyResult lazy
    if type(value) is not LazyResult:
        return None
    lazy = <LazyResult>value
    return value.task.name if (<Task>lazy.task).spec.kind == INJECT else None


_Skipped.__module__ = inject.__module__ = "cascade"
