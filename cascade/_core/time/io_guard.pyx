"""The I/O guard: no real sockets, processes, threads and sleeps in a thread that runs under virtual time.

These take real time, and their results depend on no seed. Python calls audit hooks before it opens a socket or starts a
process: the hook here raises an error in threads whose event loop is virtual. It is installed at first use, because a
hook cannot be removed and costs something at each audit event.
"""

from cpython.object cimport PyObject
from libc.string cimport strcmp, strncmp

from cascade.exceptions import VirtualTimeError

cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) int cascade_virtual = 0;
    #else
    static _Thread_local int cascade_virtual = 0;
    #endif
    """
    int cascade_virtual

cdef extern from "Python.h":
    ctypedef int (*AuditHook "Py_AuditHookFunction")(const char*, PyObject*, void*) except -1
    int PySys_AddAuditHook(AuditHook, void*) except -1

cdef bint _set = False


cdef int _audit(const char* event, PyObject* arguments, void* data) except -1:
    if not cascade_virtual:
        return 0
    if event[0] == b"s":
        # "get..." and "send..." too: names are resolved, and datagrams sent, without a connection.
        if strncmp(event, "socket.", 7) == 0 and (
            strcmp(event + 7, "connect") == 0 or strcmp(event + 7, "bind") == 0
            or strncmp(event + 7, "send", 4) == 0 or strncmp(event + 7, "get", 3) == 0
        ) and strcmp(event + 7, "gethostname") != 0:
            raise VirtualTimeError(f"a socket cannot be used under a virtual clock ({event.decode()})")
        if strncmp(event, "subprocess.", 11) == 0:
            raise VirtualTimeError("a process cannot be started under a virtual clock")
    elif event[0] == b"o" and (
        strcmp(event, "os.system") == 0 or strcmp(event, "os.posix_spawn") == 0 or strcmp(event, "os.spawn") == 0
        or strcmp(event, "os.fork") == 0 or strcmp(event, "os.forkpty") == 0 or strcmp(event, "os.exec") == 0
    ):
        raise VirtualTimeError(f"a process cannot be started under a virtual clock ({event.decode()})")
    elif event[0] == b"_" and strncmp(event, "_thread.start", 13) == 0:
        raise VirtualTimeError("a thread cannot be started under a virtual clock")
    elif event[0] == b"t" and strcmp(event, "time.sleep") == 0:  # an audit event since Python 3.13
        raise VirtualTimeError("time.sleep() makes no virtual time pass: wait with cascade.wait or asyncio.sleep")
    return 0


def forbid_real_io():
    """Forbid real I/O in this thread. Calls may be nested."""
    global cascade_virtual, _set
    if not _set:
        PySys_AddAuditHook(_audit, NULL)
        _set = True
    cascade_virtual += 1


def allow_real_io():
    """Undo one call of `forbid_real_io`."""
    global cascade_virtual
    cascade_virtual -= 1
