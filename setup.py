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
    "cascade._core.border",
    "cascade._core.callback",
    "cascade._core.choice",
    "cascade._core.clock",
    "cascade._core.containers",
    "cascade._core.control",
    "cascade._core.evaluation",
    "cascade._core.expansion",
    "cascade._core.extract",
    "cascade._core.fork",
    "cascade._core.frame",
    "cascade._core.gc_traverse",
    "cascade._core.key",
    "cascade._core.layout",
    "cascade._core.lazy",
    "cascade._core.mailbox",
    "cascade._core.operands",
    "cascade._core.policy",
    "cascade._core.proof",
    "cascade._core.scheduler",
    "cascade._core.spec",
    "cascade._core.special",
    "cascade._core.start",
    "cascade._core.symbol",
    "cascade._core.table",
    "cascade._core.task",
    "cascade._core.template",
    "cascade._core.waiter",
    "cascade._core.watch",
    "cascade._core.zipped",
]

DIRECTIVES = {
    "language_level": 3,
    "auto_pickle": False,
    "binding": True,
    "boundscheck": False,
    "cdivision": True,
    "embedsignature": True,
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

# Added to the flags that the interpreter itself was built with.
FLAGS = [] if sys.platform == "win32" else ["-O2", "-Wno-unused-function"]
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
