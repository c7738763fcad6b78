"""The compiled modules. Everything else about the package is in `pyproject.toml`.

`CASCADE_ANNOTATE=1` also writes Cython's annotated HTML beside the generated C, into `build/cython/`.
`CASCADE_EXTENSIONS=0` leaves them out: for an editable install whose extensions are built in place by `build_ext`.
`CASCADE_SANITIZE=1` builds them with AddressSanitizer and UBSan, for `make sanitize`; gcc or clang.
"""

import os
import sys

from Cython.Build import cythonize
from Cython.Compiler.Code import UtilityCode
from setuptools import Extension, setup

MODULES = [
    "cascade._core.fork",
    "cascade._core.tracebacks",
    "cascade._core.expr.builtin_nodes",
    "cascade._core.expr.combining",
    "cascade._core.expr.data",
    "cascade._core.expr.debug",
    "cascade._core.expr.failure_types",
    "cascade._core.expr.lazy",
    "cascade._core.expr.map_inputs",
    "cascade._core.expr.operator_tasks",
    "cascade._core.expr.operators",
    "cascade._core.expr.outcome",
    "cascade._core.expr.policy",
    "cascade._core.expr.symbol",
    "cascade._core.expr.task",
    "cascade._core.expr.task_spec",
    "cascade._core.expr.waits",
    "cascade._core.limits.admission",
    "cascade._core.limits.pools",
    "cascade._core.limits.requests",
    "cascade._core.limits.wait_queue",
    "cascade._core.run.aborting",
    "cascade._core.run.branching",
    "cascade._core.run.callback",
    "cascade._core.run.catching",
    "cascade._core.run.choice",
    "cascade._core.run.demand",
    "cascade._core.run.dispatch",
    "cascade._core.run.ending",
    "cascade._core.run.evaluation",
    "cascade._core.run.frame",
    "cascade._core.run.gc_traverse",
    "cascade._core.run.held",
    "cascade._core.run.inline_monitor",
    "cascade._core.run.mailbox",
    "cascade._core.run.operands",
    "cascade._core.run.place",
    "cascade._core.run.regions",
    "cascade._core.run.results",
    "cascade._core.run.scheduler",
    "cascade._core.run.stopped",
    "cascade._core.run.unseen",
    "cascade._core.run.waiting",
    "cascade._core.shape.canonical",
    "cascade._core.shape.containers",
    "cascade._core.shape.extract",
    "cascade._core.shape.key",
    "cascade._core.shape.struct_layout",
    "cascade._core.shape.table",
    "cascade._core.shape.template",
    "cascade._core.shape.verify",
    "cascade._core.time.clock",
    "cascade._core.time.durations",
    "cascade._core.time.io_guard",
]

DIRECTIVES = {
    "language_level": 3,
    "auto_pickle": False,
    # A method must check what it is called on: a function that is bound like those of Python does not, and reads the
    # memory of whatever it is given. Static methods, which pickles name, are bound: they are found by their class.
    "binding": False,
    "boundscheck": False,
    "cdivision": True,
    "embedsignature": True,
    "embedsignature.format": "clinic",
    "initializedcheck": False,
}

# What a list comprehension of Cython 3.3 appends is let go of twice where there is no memory: by this function, and by
# the code that called it and jumps to its error path.
APPEND = UtilityCode.load_cached("ListCompAppendAndDecref", "Optimize.c")
END = "Py_DECREF(x);\n    return result"
if END in APPEND.impl:
    APPEND.impl = APPEND.impl.replace(END, "if (result == 0) " + END)
else:
    print("setup.py: this Cython has another ListCompAppendAndDecref than 3.3.1; it is used as it is", file=sys.stderr)

# The functions of the core add no frame to a traceback, unless CASCADE_TRACEBACK=full is set: `_core/tracebacks.h`.
HEADER = '\n#include "tracebacks.h"\n'
TRACEBACK = UtilityCode.load_cached("AddTraceback", "Exceptions.c")
ADD = "PyObject *ptype, *pvalue, *ptraceback;\n\n    if (c_line) {"
CAUGHT = UtilityCode.load_cached("GetException", "Exceptions.c")
GET = "PyObject *local_type = NULL, *local_value, *local_tb = NULL;\n"
if TRACEBACK.impl.count(ADD) == 1 and CAUGHT.impl.count(GET) == 1:
    DROP = "if (likely(!cascade_keeps_frames())) {\n        cascade_drop_frame();\n        return;\n    }"
    TRACEBACK.impl = TRACEBACK.impl.replace(ADD, ADD.replace("\n\n", f"\n\n    {DROP}\n"))
    CAUGHT.impl = CAUGHT.impl.replace(GET, f"{GET}    cascade_add_frame();\n")
    TRACEBACK.proto = HEADER + (TRACEBACK.proto or "")
    CAUGHT.proto = HEADER + (CAUGHT.proto or "")
else:
    print("setup.py: this Cython has another AddTraceback than 3.3.1; it is used as it is", file=sys.stderr)

# Added to the flags that the interpreter itself was built with.
FLAGS = [] if sys.platform == "win32" else ["-O2", "-Wno-unused-function"]
if sys.platform == "linux":
    # Functions of the interpreter are called without a jump in between: a tail call has some hundred such calls.
    FLAGS += ["-fno-plt", "-fno-semantic-interposition"]
LINK_FLAGS: list[str] = []

if os.environ.get("CASCADE_SANITIZE") == "1":
    SANITIZE = "-fsanitize=address,undefined,float-cast-overflow"
    # Memory that the core keeps for its next object of a type is no longer seen to be freed: so it keeps none.
    FLAGS += ["-O1", "-g", "-fno-omit-frame-pointer", "-DCYTHON_USE_FREELISTS=0", SANITIZE]
    LINK_FLAGS += [SANITIZE]

# The core makes its objects from C, one constructor inside another. One that takes its arguments as a vectorcall is
# quicker from Python, but costs each of those a detour.
MACROS = [("CYTHON_VECTORCALL_TPNEW", "0")]

ANNOTATE = os.environ.get("CASCADE_ANNOTATE") == "1"

if os.environ.get("CASCADE_EXTENSIONS") == "0":
    MODULES.clear()

setup(
    ext_modules=cythonize(
        [
            Extension(
                name,
                [name.replace(".", "/") + ".pyx"],
                define_macros=MACROS,
                include_dirs=["cascade/_core"],
                depends=["cascade/_core/tracebacks.h"],
                extra_compile_args=FLAGS,
                extra_link_args=LINK_FLAGS,
            )
            for name in MODULES
        ],
        # Away from the sources: no generated C can get into an archive.
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
        annotate=ANNOTATE,
        force=ANNOTATE,
        quiet=True,
    ),
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
