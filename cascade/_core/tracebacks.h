/* What the compiled modules do to tracebacks, in place of Cython, whose functions each add a frame of their own.

Nothing of the core stands in the traceback of an exception that leaves it, unless CASCADE_TRACEBACK=full is set when the
first frame would be added. Where the core catches an exception, that must have some traceback: the code that Cython
makes for `return` in an `except`, and for `with`, fails without one. So an exception that has none gets a frame there,
which is always the same, and which is dropped again as the exception goes on. */

#ifndef CASCADE_TRACEBACKS_H
#define CASCADE_TRACEBACKS_H

#include <frameobject.h>
#include <stdlib.h>
#include <string.h>

#define CASCADE_CORE "cascade/_core/" /* file names of the sources begin so, too */

static int cascade_keeps_frames(void) {
    static int keeps = -1;
    if (keeps < 0) {
        const char *wanted = getenv("CASCADE_TRACEBACK");
        keeps = wanted != NULL && strcmp(wanted, "full") == 0;
    }
    return keeps;
}

/* Where the traceback of the exception that is being raised is kept; NULL: there is no exception. */
static PyObject **cascade_traceback(void) {
    PyThreadState *state = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *error = state->current_exception;
    return error == NULL ? NULL : &((PyBaseExceptionObject *)error)->traceback;
#else
    return state->curexc_type == NULL ? NULL : &state->curexc_traceback;
#endif
}

/* Called where Cython would add a frame: drop the one that was added where the exception was caught. */
static void cascade_drop_frame(void) {
    PyObject **place = cascade_traceback();
    PyObject *before = place == NULL ? NULL : *place;
    PyCodeObject *code;
    int is_core;
    if (before == NULL || !PyTraceBack_Check(before)) return;
    code = PyFrame_GetCode(((PyTracebackObject *)before)->tb_frame);
    is_core = PyUnicode_CompareWithASCIIString(code->co_filename, CASCADE_CORE) == 0;
    Py_DECREF(code);
    if (is_core) {
        PyObject *next = (PyObject *)((PyTracebackObject *)before)->tb_next;
        Py_XINCREF(next);
        *place = next;
        Py_DECREF(before); /* it holds an empty frame, and no object of the user but its successor, which lives on */
    }
}

/* Called where an exception is caught: if it has no traceback, it gets one. The frame is the same for all of a module;
so is the traceback where there is no memory for another. */
static void cascade_add_frame(void) {
    static PyFrameObject *frame = NULL;
    static PyObject *spare = NULL;
    PyObject **place = cascade_traceback();
    if (place == NULL || (*place != NULL && PyTraceBack_Check(*place))) return;
    if (frame == NULL) {
        PyObject *kind, *error, *traceback, *globals = NULL;
        PyCodeObject *code;
        PyErr_Fetch(&kind, &error, &traceback); /* `PyFrame_New` fails while there is an exception */
        code = PyCode_NewEmpty(CASCADE_CORE, "core", 1);
        if (code != NULL) globals = PyDict_New();
        /* Without builtins it would look for those of the thread. */
        if (globals != NULL && PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) == 0) {
            frame = PyFrame_New(PyThreadState_Get(), code, globals, NULL);
        }
        Py_XDECREF(code);
        Py_XDECREF(globals);
        PyErr_Clear();
        PyErr_Restore(kind, error, traceback);
        if (frame == NULL) return;
    }
    if (PyTraceBack_Here(frame) < 0 && spare != NULL) {
        place = cascade_traceback(); /* of the error of memory, which has taken the place of the exception */
        if (place != NULL && *place == NULL) {
            Py_INCREF(spare);
            *place = spare;
        }
        return;
    }
    if (spare == NULL && (place = cascade_traceback()) != NULL && *place != NULL) {
        Py_INCREF(*place);
        spare = *place;
    }
}

#endif
