"""What `import cascade` says where the compiled core cannot be loaded, or only with the interpreter lock."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

Interpreter = Callable[..., str]

ANOTHER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

code = '''
import sys
sys.path[:] = {path}
try:
    import cascade
except ImportError as error:
    text = str(error)
else:
    text = "loaded"
open({place!r}, "a").write(text + chr(10))
'''

def here():
    exec(code.format(path=sys.path, place=place))

def elsewhere(*config):
    interpreters.run_string(interpreters.create(*config), code.format(path=sys.path, place=place))

place = sys.argv[1] if len(sys.argv) > 1 else "/dev/stdout"
"""


def test_in_another_interpreter_it_is_said_that_there_is_one_only(interpreter: Interpreter) -> None:
    first, second = interpreter(ANOTHER + "here()\nelsewhere()").splitlines()
    assert first == "loaded"
    assert "can be used in one interpreter of a process" in second and "missing" not in second


def test_the_first_interpreter_that_imports_it_has_it_although_it_is_not_the_main_one(interpreter: Interpreter) -> None:
    first, second = interpreter(ANOTHER + "elsewhere()\nhere()").splitlines()
    if first == "loaded":  # where interpreters do not share the lock, the core loads in none but the main one
        assert "the first that imports it" in second
    else:
        assert "can be used in one interpreter of a process" in first


@pytest.mark.skipif(sys.version_info < (3, 13), reason="has no name for interpreters that share the lock")
def test_so_it_is_where_interpreters_share_the_lock(interpreter: Interpreter) -> None:
    first, second = interpreter(ANOTHER + "here()\nelsewhere('legacy')").splitlines()
    assert first == "loaded"
    assert "can be used in one interpreter of a process" in second and "missing" not in second


@pytest.mark.skipif(sys.version_info < (3, 14), reason="came with Python 3.14")
def test_so_it_is_in_a_pool_of_interpreters(interpreter: Interpreter) -> None:
    printed = interpreter(
        """
        import cascade
        from concurrent.futures import InterpreterPoolExecutor
        with InterpreterPoolExecutor(1) as pool:
            print(pool.submit(exec, "import cascade").exception())
        """
    )
    assert "can be used in one interpreter of a process" in printed


BROKEN = """
import importlib.abc, sys

class Breaks(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise {error}

sys.meta_path.insert(0, Breaks())
try:
    import cascade
except ImportError as error:
    print(type(error).__name__, "-", error, "-", error.name)
"""


def test_a_core_that_was_not_built_is_missing(interpreter: Interpreter) -> None:
    name = "cascade._core.expr.lazy"
    printed = interpreter(BROKEN.format(name=name, error=f"ModuleNotFoundError('No module', name={name!r})"))
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert printed.startswith(f"ImportError - the compiled core of Cascade is missing for Python {version}: build it")
    assert printed.endswith(f"- {name}\n")


def test_a_core_that_does_not_fit_says_why(interpreter: Interpreter) -> None:
    printed = interpreter(BROKEN.format(name="cascade._core.expr.lazy", error="ImportError('undefined symbol: _PyX')"))
    assert "the compiled core of Cascade does not fit this Python: undefined symbol: _PyX; build it again" in printed


def test_a_missing_dependency_is_named(interpreter: Interpreter) -> None:
    """What `cascade` itself imports; the core is not the one that is missing."""
    code = BROKEN.format(name="msgspec", error="ModuleNotFoundError(\"No module named 'msgspec'\", name='msgspec')")
    code = code.replace("import cascade\n", "import cascade, cascade.expressions.conversion\n")
    assert interpreter(code) == "ModuleNotFoundError - No module named 'msgspec' - msgspec\n"


# ------------------------------------------------------------------------------------- builds without interpreter lock

# What a free-threaded Python does: the lock is off until a module is loaded that needs it, of which Python warns.
FREE = """
import importlib.abc, sys, warnings

class TurnsOn(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "cascade._core.expr.lazy" and not sys._is_gil_enabled():
            if not forced:
                sys._is_gil_enabled = lambda: True
                warnings.warn(
                    f"The global interpreter lock (GIL) has been enabled to load module {name!r}", RuntimeWarning
                )

forced = False
sys._is_gil_enabled = lambda: False
sys.meta_path.insert(0, TurnsOn())
"""
HEARD = """
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    import cascade
    import cascade.engine.engine
for warning in heard:
    print(warning.category.__name__, warning.filename, warning.message)
"""


def test_a_free_threaded_python_says_once_why_its_lock_is_on(interpreter: Interpreter) -> None:
    (said,) = interpreter(FREE + HEARD).splitlines()
    assert said.startswith("RuntimeWarning <string> the interpreter lock (GIL) is on from here on")
    assert said.endswith("the compiled core of Cascade is not safe without it")


def test_a_lock_that_is_forced_off_causes_a_warning(interpreter: Interpreter) -> None:
    (said,) = interpreter(FREE.replace("forced = False", "forced = True") + HEARD).splitlines()
    assert said.startswith("RuntimeWarning <string> the interpreter lock (GIL) stays off, as PYTHON_GIL=0")


def test_where_warnings_are_errors_the_import_fails_with_it(interpreter: Interpreter) -> None:
    code = """
warnings.simplefilter("error")
try:
    import cascade
except RuntimeWarning as error:
    print(error)
import cascade
print(cascade.__name__)
"""
    said, again = interpreter(FREE + code).splitlines()
    assert said.startswith("the interpreter lock (GIL) is on from here on") and again == "cascade"


def test_worker_processes_do_not_say_it_again(interpreter: Interpreter) -> None:
    code = "import multiprocessing.process\nmultiprocessing.process._parent_process = object()\n"
    assert interpreter(FREE + code + HEARD) == ""


def test_where_the_lock_is_on_anyway_nothing_is_said(interpreter: Interpreter) -> None:
    assert interpreter("import warnings\n" + HEARD) == ""
