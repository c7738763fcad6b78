"""Tracebacks: an exception that reaches user code has no frames of Cascade, unless CASCADE_TRACEBACK=full is set.

Python adds a frame to a traceback when an exception leaves it, so the frames of Cascade stand before those that the
exception had already. They are dropped where it leaves Cascade:

- the compiled core leaves none behind (`tracebacks.h`);
- `hide` drops those that stand first in that of a failure, before anything can look at it;
- functions that users call have `hide_frames` and a bare `raise` in an `except`, which does not add the frame that it
  stands in once more (`cascade._support.boundary`). So the traceback of an error that Cascade itself raises ends at the
  caller's line.

A traceback itself is not changed, as others may hold it: the exception is given one that begins further in.
"""

from cpython.object cimport PyObject

import os as _os
import sys as _sys

from cascade.exceptions import InternalError

cdef extern from "Python.h":
    ctypedef struct PyTracebackObject:
        PyTracebackObject* tb_next
        PyObject* tb_frame
    ctypedef struct PyFrameObject
    ctypedef struct PyCodeObject:
        PyObject* co_filename
    PyCodeObject* PyFrame_GetCode(PyFrameObject*) noexcept  # a new reference
    Py_ssize_t PyUnicode_Tailmatch(PyObject*, PyObject*, Py_ssize_t, Py_ssize_t, int) noexcept
    PyObject* PyException_GetTraceback(PyObject*) noexcept  # a new reference; NULL or None: it has none
    int PyException_SetTraceback(PyObject*, PyObject*) noexcept
    ctypedef struct PyTypeObject
    bint PyObject_TypeCheck(PyObject*, PyTypeObject*) noexcept
    bint PyExceptionInstance_Check(PyObject*) noexcept
    PyObject* Py_None
    void Py_XINCREF(PyObject*) noexcept
    void Py_XDECREF(PyObject*) noexcept

cdef enum Origin:
    OF_CASCADE
    OF_LIBRARY  # a part of the standard library by which Cascade calls
    OF_USER

cdef str _library = _os.path.dirname(_os.__file__)
cdef bint _full = _os.environ.get("CASCADE_TRACEBACK") == "full"
cdef PyTypeObject* _InternalError = <PyTypeObject*>InternalError

# The beginnings of file names.
cdef str _cascade = _os.path.join(_os.path.dirname(_sys.modules["cascade"].__file__), "")
cdef str _demos = _os.path.join(_cascade, "demos", "")  # programs, as those of users
cdef str _core = "cascade/_core/"  # so Cython names the sources
cdef str _asyncio = _os.path.join(_library, "asyncio", "")
cdef str _futures = _os.path.join(_library, "concurrent", "futures", "")
cdef str _threading = _os.path.join(_library, "threading.py")
cdef str _contextlib = _os.path.join(_library, "contextlib.py")


cdef void hide(object error) noexcept:
    """Drop the frames of Cascade that stand first in the traceback of an exception.

    The first frame of other code ends them. Frames of asyncio, thread pools and the like go with those of Cascade that
    stand further in. Releasing the frames may run code of the user, but nothing of the exception's class is called.
    """
    if not _full:
        _hide(<PyObject*>error)


def hide_frames(error):
    """Drop the frames of Cascade that stand first in the traceback of an exception.

    In ``except BaseException as error``, before a bare ``raise``: that does not add the frame which it stands in.

    Args:
        error: any exception; `InternalError` keeps its frames.
    """
    if PyExceptionInstance_Check(<PyObject*>error):  # not `isinstance`, which asks the object for its class
        hide(error)


def keeps_frames():
    """Whether frames of Cascade stay in tracebacks: ``CASCADE_TRACEBACK=full`` was set when Cascade was imported."""
    return _full


cdef void _hide(PyObject* error) noexcept:
    cdef PyObject* before = PyException_GetTraceback(error)
    cdef PyTracebackObject* first = <PyTracebackObject*>before
    cdef PyTracebackObject* at = first
    cdef Origin origin
    if before is NULL:
        return
    if before is not Py_None and not PyObject_TypeCheck(error, _InternalError):
        while at is not NULL:
            origin = _origin(at)
            if origin == OF_USER:
                break
            at = at.tb_next
            if origin == OF_CASCADE:
                first = at
        if <PyObject*>first is not before:
            Py_XINCREF(<PyObject*>first)
            PyException_SetTraceback(error, Py_None if first is NULL else <PyObject*>first)
            Py_XDECREF(<PyObject*>first)
    Py_XDECREF(before)


cdef Origin _origin(PyTracebackObject* traceback) noexcept:
    cdef PyCodeObject* code = PyFrame_GetCode(<PyFrameObject*>traceback.tb_frame)
    cdef PyObject* file = code.co_filename
    cdef Origin origin = OF_USER
    if _begins(file, _cascade):
        origin = OF_USER if _begins(file, _demos) else OF_CASCADE
    elif _begins(file, _core):
        origin = OF_CASCADE
    elif _begins(file, _library) and (
        _begins(file, _asyncio) or _begins(file, _futures) or _begins(file, _threading) or _begins(file, _contextlib)
    ):
        origin = OF_LIBRARY
    Py_XDECREF(<PyObject*>code)
    return origin


cdef bint _begins(PyObject* text, str start) noexcept:
    return PyUnicode_Tailmatch(text, <PyObject*>start, 0, len(start), -1) == 1
