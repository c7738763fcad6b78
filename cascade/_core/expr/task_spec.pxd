"""Task specs: what all tasks made of one code object share: identity, signature, how its calls behaved so far."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t

from cascade._core.expr.symbol cimport CallShape


# How a node is evaluated. A new kind needs a member here, its name in `_KIND_NAMES` of task_spec.pyx, a place in the
# predicates below, its operands in arities.py, a branch in `execute_builtin` (run/branching.pyx), and a row in
# cascade/graph/kinds.py.
cdef enum Kind:
    SYNC
    ASYNC
    WAIT  # by the engine: the clock
    WAIT_UNTIL  # an instant of it
    TICKS  # the next of its instants that are multiples of a period
    RECV  # by the engine: a mailbox
    ROUTER  # by the engine, as are all that follow: a selector, then the route that it chooses
    GUARD  # a condition, then the node under it or its alternative
    MAP  # each item a call of the task
    PARAM  # a value given to the run
    ENV  # a variable of the environment
    INJECT  # a resource
    SEND  # a message to a mailbox that blocks
    SELECT  # the first message of several mailboxes
    RECOVER  # an expression, or what a handler gives for its failure
    FALLBACK  # an expression, or another one in place of its failure
    OUTCOME  # what became of an expression, as a value
    SCOPE  # an expression as one unit, to which policies apply
    RACE  # the first of several expressions that has a value
    KIND_COUNT  # not a kind: their number


cdef enum Mode:  # where a sync task runs
    DEFAULT  # the engine's default mode
    AUTO
    INLINE
    THREAD
    PROCESS
    MODE_COUNT  # not a mode: their number


cdef tuple KINDS  # names of the kinds, by number
cdef tuple MODES  # names of the modes, by number


# What sets of kinds have in common. Lists of kinds stand here and nowhere else; `KindTraits` shows them to Python.

cdef inline bint calls_function(int kind) noexcept:
    """Whether the function of the node's task is called, once."""
    return kind == SYNC or kind == ASYNC


cdef inline bint takes_policies(int kind) noexcept:
    """Whether a retry, a timeout, a cache or constraints have something that they can apply to."""
    return calls_function(kind) or kind == MAP or kind == SCOPE


cdef inline bint waits(int kind) noexcept:
    """Whether the node only waits, for the clock or for a mailbox."""
    return (
        kind == WAIT or kind == RECV or kind == SEND or kind == SELECT or kind == WAIT_UNTIL or kind == TICKS
    )


cdef inline bint chooses(int kind) noexcept:
    """Whether the node decides itself which of its operands are evaluated, and when."""
    return kind == ROUTER or kind == GUARD or kind == FALLBACK or kind == SCOPE or kind == RACE


cdef inline bint begins_alone(int kind) noexcept:
    """Whether the node begins before any of its operands: all are evaluated because it demands them."""
    return kind == SCOPE or kind == RACE


cdef inline bint may_catch(int kind) noexcept:
    """Whether the failure of an operand may become a value here, instead of ending the run."""
    return kind == RECOVER or kind == FALLBACK or kind == OUTCOME or kind == SCOPE or kind == RACE


cdef inline bint accepts_skips(int kind) noexcept:
    """Whether the node has a value although one of its operands was skipped."""
    return kind == OUTCOME or kind == RACE


cdef inline bint reads_input(int kind) noexcept:
    """Whether the node's value is given to the run from outside."""
    return kind == PARAM or kind == ENV


cdef class CallSite:
    """One way in which a task was called: the call site's own keyword tuple, checked and turned into a symbol once."""

    cdef PyObject* key  # the keyword tuple by identity (owned through `kwnames`), NULL for none
    cdef object kwnames
    cdef Py_ssize_t positional
    cdef Py_ssize_t count  # of all arguments
    cdef CallShape shape
    cdef Py_ssize_t* order  # index at the call site of argument i of the sorted form; NULL: the same


cdef class TaskSpec:
    cdef readonly tuple identity  # (module, qualified name, kind, mode, injected resources): the structure of a task
    cdef readonly str module
    cdef readonly str qualname
    cdef readonly object signature  # inspect.Signature without annotations and values of defaults; None: it has none
    cdef Kind kind
    cdef Mode mode
    cdef bint binds  # the callable is a function, which an attribute look-up binds to its instance
    cdef TaskSpec method  # of the same code bound to an instance, made when first needed
    cdef tuple variant  # what distinguishes tasks of one code object
    cdef str given_name  # to `cascade.task`; None: none was given
    cdef Py_ssize_t defaults  # number of positional defaults
    cdef bint keeps_order  # its calls keep the order of their keyword arguments: it may see it
    cdef bint plain  # a function without keyword defaults: the fast comparison of variants holds
    # how it was called so far
    cdef CallSite last
    cdef list sites  # the call sites met last, by identity of their keyword tuples
    cdef dict known  # (number of positional arguments, names) -> a call site that was checked
    cdef dict filled  # (names of lazy defaults, number of positional arguments, names) -> names with those not given
    cdef Py_ssize_t oldest
    # the auto rule
    cdef readonly int64_t calls  # measured calls in worker threads
    cdef readonly int64_t fastest  # nanoseconds
    cdef bint slow  # an inline call took too long: threads for the rest of the process
    cdef int64_t batch  # in which it was last called inline
    cdef bint doubted  # an inline call may have taken too long: measured in threads again
    cdef readonly bint runs_inline  # what follows from them

    cdef CallSite site(self, Py_ssize_t positional, PyObject* kwnames)
    cdef CallSite new_site(self, Py_ssize_t positional, tuple kwnames, PyObject* key)
    cdef tuple fill(self, dict fills, Py_ssize_t positional, tuple kwnames)
    cdef int demote(self) except -1
    cdef int doubt(self) except -1


cdef object task_type  # the class of tasks; expr/task.pyx supplies it


cdef int kind_of(str name) except -1
cdef int mode_of(str name) except -1
cdef TaskSpec builtin_spec(str qualname, Kind kind)
cdef TaskSpec standard_spec(str module, str qualname)
cdef TaskSpec spec_of(object fn, str name, Mode mode)
cdef TaskSpec method_spec(TaskSpec spec, object bound)
