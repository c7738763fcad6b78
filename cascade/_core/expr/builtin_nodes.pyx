"""Nodes that the engine itself evaluates: what stands for them in an expression, and what they give."""

from weakref import WeakValueDictionary as _WeakValueDictionary

from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.task_spec cimport INJECT, ROUTER, TARGETS, Kind, kind_of
from cascade._core.expr.task cimport Task, builtin_task, lazy_call


class _Skipped:
    """What stands for a skipped member in the result of several targets or of a map."""

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
    """The value of a node that was skipped, inside the engine: which condition was false."""


cdef class Placeholder:
    """The value of the node of a resource that is set up for each call which takes it: its name."""

    def __init__(self, str name not None):
        self.name = name

    def __repr__(self):
        return f"<resource {self.name}>"


cdef Task _router = builtin_task("router", ROUTER)
cdef Task _targets = builtin_task("targets", TARGETS)
cdef object _named = _WeakValueDictionary()  # (kind, name) -> task: one for each resource, param and variable


cdef Task _task_of(Kind kind, str name):
    cdef Task task = <Task>_named.get((<int>kind, name))
    if task is None:
        task = builtin_task(name, kind)
        _named[<int>kind, name] = task
    return task


def router_call(selector, dict routes, *default):
    """The node of a router: its selector, its routes, and a default if it has one."""
    return lazy_call(_router, (selector, routes, *default))


def input_call(spec):
    """The node of a param or of a variable of the environment, whose ``kind`` and ``name`` the spec tells."""
    return lazy_call(_task_of(<Kind>kind_of(spec.kind), spec.name), (spec,))


def inject(name):
    """A lazy result that gives a resource of the engine.

    Args:
        name: of a resource that is registered with the engine when the run starts.

    Returns:
        A `LazyResult`: an argument of a task, or a default of a task's parameter.

    Raises:
        TypeError: ``name`` is no `str`.

    >>> import cascade as cs
    >>> cs.inject("db")
    <LazyResult db()>
    """
    if type(name) is not str or not name:
        raise TypeError(f"name of a resource must be a non-empty str, got {name!r}")
    return lazy_call(_task_of(INJECT, name), ())


def targets_call(targets):
    """The node that gives the values of several targets as a list, with `SKIPPED` for those that were skipped."""
    return lazy_call(_targets, tuple(targets))


def injected_name(value):
    """The name of the resource that a lazy result asks for; None for anything else."""
    cdef LazyResult lazy
    if type(value) is not LazyResult:
        return None
    lazy = <LazyResult>value
    return value.task.name if (<Task>lazy.task).spec.kind == INJECT else None


_Skipped.__module__ = inject.__module__ = "cascade"
