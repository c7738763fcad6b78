"""Loads the compiled core on import, with an explanation if that fails, or if it turns the interpreter lock on."""

from __future__ import annotations

import sys
from importlib import import_module

__all__: list[str] = []  # imported for its effect

_CORE = "cascade._core.expr.lazy"


def _load() -> None:
    """Load the compiled core.

    Raises:
        ImportError: it cannot be loaded; the message says why.
    """
    try:
        if _lock_is_on():
            import_module(_CORE)
        else:
            _load_without_lock()
    except ImportError as error:
        if why := _why(error):
            raise ImportError(why, name=error.name, path=error.path) from error
        raise


def _why(error: ImportError) -> str | None:
    """Return the explanation of a failure; None: its own message suffices, such as that of a missing dependency."""
    if isinstance(error, ModuleNotFoundError):
        if error.name is None or not error.name.startswith("cascade._core"):
            return None
        return (
            f"the compiled core of Cascade is missing for Python {sys.version_info[0]}.{sys.version_info[1]}: "
            f"build it with `pip install .` in a checkout (or `make`)"
        )
    if "interpreter" in str(error):  # in the messages of Python and of Cython about subinterpreters
        return (
            f"Cascade can be used in one interpreter of a process, the main one, and no other (a subinterpreter, "
            f"InterpreterPoolExecutor): use threads or processes - {error}"
        )
    return (
        f"the compiled core of Cascade does not fit this Python: {error}; "
        f"build it again with `pip install .` in a checkout (or `make`)"
    )


# ------------------------------------------------------------------------------------- builds without interpreter lock


def _lock_is_on() -> bool:
    return getattr(sys, "_is_gil_enabled", lambda: True)()  # before Python 3.13 it is always on


def _load_without_lock() -> None:
    """Load the core in a free-threaded Python, which turns its lock on for it, and warn once.

    Python's own warning is suppressed: it names one of many modules, and gives no reason. Worker processes do not warn
    again.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The global interpreter lock", RuntimeWarning)
        import_module(_CORE)
    if _is_worker():
        return
    if _lock_is_on():
        text = (
            "the interpreter lock (GIL) is on from here on, although this build of Python can do without: the compiled "
            "core of Cascade is not safe without it"
        )
    else:
        text = (
            "the interpreter lock (GIL) stays off, as PYTHON_GIL=0 or -X gil=0 requests, although the compiled core of "
            "Cascade is not safe without it: several threads may crash the process or spoil results"
        )
    warnings.warn(text, RuntimeWarning, stacklevel=5)  # at the line that imports `cascade`


def _is_worker() -> bool:
    """Whether `multiprocessing` has started this process: its parent has issued the warning."""
    processes = sys.modules.get("multiprocessing.process")
    return processes is not None and processes.parent_process() is not None


_load()
