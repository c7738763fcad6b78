"""Debug mode: where lazy results were written, and which of them were dropped.

Nothing here is called unless the mode is on, which `start_debugging` in `cascade._core.expr.lazy` does.
"""

from cpython.object cimport PyObject

import sys as _sys
import warnings as _warnings

cdef bint active = False
cdef dict _sites = {}  # (file name, line) -> itself: kept for ever, as lazy results do not own theirs
cdef dict _registries = {}  # by file name, for `warnings`: by default, one warning for each line

cdef enum:
    FRAMES = 50  # of Cascade's own that are skipped


cdef PyObject* site() noexcept:
    """Where the code stands that is being executed: (file name, line), which lives for ever; NULL: it is Cascade's."""
    cdef int _i
    try:
        frame = _sys._getframe()
        for _i in range(FRAMES):
            module = frame.f_globals.get("__name__")
            if type(module) is not str or not _is_own(module):
                break
            if module.startswith("cascade.engine."):  # the core itself makes it, for an item of a map
                return NULL
            frame = frame.f_back
        found = (frame.f_code.co_filename, frame.f_lineno)
        found = _sites.setdefault(found, found)
        return <PyObject*>found
    except BaseException:  # no Python code is being executed, or there is no memory
        return NULL


cdef bint _is_own(str module) except -1:
    """Whether a module is a part of Cascade, and no program that uses it."""
    return module == "cascade" or (module.startswith("cascade.") and not module.startswith("cascade.demos."))


cdef int tell(object task, PyObject* where) except -1:
    """Warn that a lazy result was dropped that is a part of no expression that was evaluated."""
    if _sys.is_finalizing():
        return 0
    name = f"{task.module}.{task.name}"
    message = f"lazy result {name}(...) was dropped and never evaluated: return it, pass it on, or run it"
    if where is NULL:
        _warnings.warn(message, RuntimeWarning)
        return 0
    file, line = <object>where
    _warnings.warn_explicit(message, RuntimeWarning, file, line, registry=_registries.setdefault(file, {}))
    return 0


def is_active():
    """Return whether debug mode is on."""
    return active
