"""Tracebacks without the frames of Cascade. `hide` calls nothing of the exception; releasing frames may run user code."""


cdef void hide(object error) noexcept
