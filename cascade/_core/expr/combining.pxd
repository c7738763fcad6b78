"""Combining: the tasks of calls that only make one value of several."""

from cascade._core.expr.task cimport Task

cdef Task value_task  # of a value or a container, where a lazy result must be


# Whether a task is one of these: an operator is not, as it looks at its operands.
cdef bint combines(Task task) noexcept
