"""Tracebacks without the frames of Cascade.

`hide` calls nothing of the exception. The frames that it releases may run code of the user.
"""


cdef void hide(object error) noexcept
