"""The cache policy of tasks that write files: a file that exists is not written again."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec

from cascade._core.expr.task import Task
from cascade._support.boundary import boundary
from cascade._support.public import public, shown_as
from cascade.cache.file_marks import TRIES, UnfinishedMarks, is_marked
from cascade.cache.protocol import Hit, NoResult
from cascade.exceptions import CacheKeyError, PolicyError

__all__ = ["FileExists"]

OnePath: TypeAlias = str | os.PathLike[str]
Paths: TypeAlias = OnePath | Sequence[OnePath]


class _Files(msgspec.Struct, frozen=True, array_like=True):
    """The key of a call: its files."""

    several: bool
    made: tuple[bytes, ...]
    inputs: tuple[bytes, ...]

    def value(self) -> Path | list[Path]:
        paths = [Path(os.fsdecode(path)) for path in self.made]
        return paths if self.several else paths[0]


@shown_as(FileNotFoundError)
class _NotMade(FileNotFoundError, NoResult):
    """The task has run but its file does not exist."""


@public
class FileExists:
    """Keeps results that are files: when all of them exist, the task does not run.

    An unfinished file does not count: while the task runs, and afterwards if it does not succeed, a file
    ``.NAME.*.unfinished`` marks it.

    The value is the path as a `pathlib.Path`, or a list of paths if several were given, whether the task has run or
    not; the return value of the task is dropped. Neither the code nor the arguments of the task count, only the files.

    Args:
        path: the path of the file or directory that the task writes, or a list or tuple of paths; or a function that
            takes the arguments of the task and returns one of these.
        newer_than: in the same forms, the files that the task reads. The task runs again if one of its files has an
            older modification time than one of these, or if one of these does not exist or has changed while the task
            was running.

    Raises:
        PolicyError: ``path`` or ``newer_than`` is not one of these.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def report(year): ...
    >>> policy = FileExists(lambda year: f"reports/{year}.txt")
    >>> policy.load(policy.key(report, (2024,), {}), now=0.0) is None
    True
    """

    __slots__ = ("_newer_than", "_path")

    blocking = True

    @boundary
    def __init__(
        self,
        path: Paths | Callable[..., Paths],
        *,
        newer_than: Paths | Callable[..., Paths] | None = None,
    ) -> None:
        for given, name in ((path, "path"), (newer_than, "newer_than")):
            if callable(given) and not isinstance(given, Task):
                continue
            if given is not None or name == "path":
                try:
                    _encoded(given, name)
                except CacheKeyError as error:
                    raise PolicyError(str(error)) from None
        self._path = path
        self._newer_than = newer_than

    @property
    def place(self) -> object:
        """Equal keys of all policies of this class mean the same result: there is one file system."""
        return FileExists

    def key(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Return the key of a call: the paths of its files.

        Raises:
            CacheKeyError: a function has returned something other than paths.
        """
        path = self._path(*args, **kwargs) if callable(self._path) else self._path
        newer = self._newer_than(*args, **kwargs) if callable(self._newer_than) else self._newer_than
        files = _Files(
            several=isinstance(path, (list, tuple)),
            made=_encoded(path, "path"),
            inputs=() if newer is None else _encoded(newer, "newer_than"),
        )
        return msgspec.msgpack.encode(files)

    def load(self, key: bytes, now: float) -> Hit | None:
        """Return the path or paths of the call, if all files exist and none is too old."""
        files = msgspec.msgpack.decode(key, type=_Files)
        try:
            found = _states(files.made)
            for _ in range(TRIES):
                # The marks after the files: a file that another process has begun meanwhile has its mark already. And
                # the files again: a process that fails may remove both its file and the mark.
                if any(map(is_marked, files.made)):
                    return None
                before, found = found, _states(files.made)
                if found == before:
                    break
            else:
                return None
            oldest = min(state.modified for state in found)
            newest = max((state.modified for state in _states(files.inputs)), default=oldest)
        except OSError:
            return None
        return Hit(files.value()) if oldest >= newest else None

    def begin(self, key: bytes) -> Callable[[bool], None]:
        """Mark the files as unfinished; return the function that removes the marks if they are complete.

        They are not if a file of ``newer_than`` has changed meanwhile: the task may have read it before.

        Raises:
            OSError: the marks cannot be created.
        """
        files = msgspec.msgpack.decode(key, type=_Files)
        marks = UnfinishedMarks(files.made)
        inputs = [_state_if_there(path) for path in files.inputs]

        def end(whole: bool) -> None:
            if whole and inputs == [_state_if_there(path) for path in files.inputs]:
                marks.remove()
            else:
                marks.keep()

        return end

    def save(self, key: bytes, value: Any, now: float) -> Hit:
        """Return the path or paths, which replace the return value of the task.

        Raises:
            FileNotFoundError: a file does not exist.
        """
        files = msgspec.msgpack.decode(key, type=_Files)
        for path in files.made:
            if not os.path.exists(path):
                missing = os.fsdecode(path)
                raise _NotMade(errno.ENOENT, "the task has run but has not written the file", missing)
        return Hit(files.value())

    def check(self, task: Task) -> None:
        """Accept every task: its code and data do not count."""

    def __cascade_content__(self) -> dict[str, Any]:
        """Return the settings, for `fingerprint`."""
        return {"path": self._path, "newer_than": self._newer_than}

    def __repr__(self) -> str:
        more = "" if self._newer_than is None else f", newer_than={self._newer_than!r}"
        return f"FileExists({self._path!r}{more})"


class _State(NamedTuple):
    """By what a changed file is known."""

    modified: int
    size: int
    number: int


def _states(paths: Iterable[bytes]) -> list[_State]:
    found = map(os.stat, paths)
    return [_State(status.st_mtime_ns, status.st_size, status.st_ino) for status in found]


def _state_if_there(path: bytes) -> _State | None:
    try:
        return _states([path])[0]
    except OSError:
        return None


def _encoded(paths: Any, name: str) -> tuple[bytes, ...]:
    several = isinstance(paths, (list, tuple))
    given = paths if several else [paths]
    if not given:
        raise CacheKeyError(f"{name} must have at least one path, got an empty `{type(paths).__name__}`")
    encoded = []
    for i, path in enumerate(given):
        where = f"{name}[{i}]" if several else name
        if not isinstance(path, (str, os.PathLike)):
            raise CacheKeyError(f"{where} must be a path, got `{type(path).__name__}`")
        encoded.append(os.fsencode(path))
        if not encoded[-1] or b"\0" in encoded[-1]:
            raise CacheKeyError(f"{where} must be a path, got {path!r}")
    return tuple(encoded)
