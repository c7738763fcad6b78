"""The origin of code: the identity of `__main__`, and which modules are installed packages."""

from __future__ import annotations

import os
import secrets
import sys
from hashlib import blake2b
from pathlib import PurePath
from types import ModuleType
from typing import Any

__all__ = ["is_installed", "is_nameless", "module_name", "text_of"]

MAIN = ("__main__", "__mp_main__")  # the second: `__main__` in a worker process
PLACES = {"site-packages", "dist-packages"}

_token = secrets.token_hex(16)  # shared with forked processes, which have the same functions


def module_name(name: Any) -> Any:
    """Return the identity of a module: its name; for `__main__`, which every program has, that of the program.

    That is the module's name after ``python -m``, else the path of the script, else the command after ``python -c``. An
    interactive session has an identity of its own, unknown to other processes.
    """
    return _main() if name in MAIN and type(name) is str else name


def is_nameless(name: Any) -> bool:
    """Whether a module is the `__main__` of an interactive session."""
    return name in MAIN and _main().endswith(_token)


def _main() -> str:
    module: Any = sys.modules.get("__main__")
    spec = getattr(module, "__spec__", None)
    if spec is not None and type(spec.name) is str and spec.name not in MAIN:
        return spec.name
    file = getattr(module, "__file__", None)
    if type(file) is str and not file.startswith("<"):
        known = _files.get(file)
        if known is None:  # cached: the working directory may change later
            known = _files[file] = f"__main__ of {os.path.realpath(file)}"
        return known
    given = sys.orig_argv
    if "-c" in given[:-1] and not sys.flags.interactive:
        return f"__main__ of {given[given.index('-c') + 1]}"
    return f"__main__ of process {_token}"


_files: dict[str, str] = {}
_installed: dict[str, bool] = {}


def is_installed(name: Any) -> bool:
    """Whether a module, by its name, belongs to Python's library, to Cascade or to an installed package."""
    if type(name) is not str:
        return True
    known = _installed.get(name)
    if known is None:
        top = name.partition(".")[0]
        known = top == "cascade" or top == "builtins" or (top in sys.stdlib_module_names and top not in MAIN)
        if known:
            _installed[name] = known
        elif type(module := sys.modules.get(name)) is ModuleType:
            _installed[name] = known = _is_package_file(getattr(module, "__file__", None))
    return known


def _is_package_file(file: Any) -> bool:
    return type(file) is str and not PLACES.isdisjoint(PurePath(file).parts)


_texts: dict[str, tuple[tuple[Any, ...], bytes]] = {}


def text_of(name: str) -> bytes | None:
    """Return the digest of the file of a module that was not imported; None: it is installed, or has no file.

    Nothing is imported: a package that was not imported, either, is searched by its directory.
    """
    if is_installed(name) or name in sys.modules:
        return None
    try:
        file = _file_of(name)
        if file is None or _is_package_file(file):
            return None
        status = os.stat(file)
        seen = file, status.st_mtime_ns, status.st_size
        known = _texts.get(name)
        if known is None or known[0] != seen:
            with open(file, "rb") as opened:
                known = _texts[name] = seen, blake2b(opened.read()).digest()
        return known[1]
    except Exception:  # a finder of the user may raise anything
        return None


def _file_of(name: str) -> str | None:
    path, spec, begun = None, None, ""
    for part in name.split("."):
        begun = f"{begun}.{part}" if begun else part
        module = sys.modules.get(begun)
        if module is not None and begun != name:
            path = getattr(module, "__path__", None)
        else:
            finders = (finder.find_spec(begun, path) for finder in sys.meta_path)
            spec = next((found for found in finders if found is not None), None)
            path = None if spec is None else spec.submodule_search_locations
        if path is None and begun != name:
            return None
    return spec.origin if spec is not None and spec.has_location else None
