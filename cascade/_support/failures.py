"""Access to exceptions of the user without running code of their classes.

An exception may be falsy, frozen, unhashable, equal to any other, or raise from each of its methods. So its notes,
cause and traceback are read and set through the descriptors of `BaseException`, and its `__str__` may fail.
Never test an exception for truth or equality: compare with `is`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from types import TracebackType, UnionType
from typing import Any, TypeGuard, TypeVar

from cascade._support.public import public_in

__all__ = [
    "add_note", "another", "bases", "cause_of", "context_of", "describe", "exc_info", "fields", "is_a",
    "is_from_keyboard", "members",
    "message", "name_of", "result_of", "set_cause", "set_context", "set_traceback", "singles", "slots", "traceback_of",
]  # fmt: skip

LONGEST = 2000
"""Characters of a message that are kept: an exception may quote a whole array."""
_MEMBERS = 3  # exceptions of a group that `describe` names
_NOTES = 5  # of one kind on one exception: the same object may be raised again and again
_OWNED = 8  # of one owner: an exception may pass through very many async tasks of a run that await one another

_logger = logging.getLogger("cascade")
E = TypeVar("E", bound=BaseException)

_dict = BaseException.__dict__["__dict__"]
_cause = BaseException.__dict__["__cause__"]
_context = BaseException.__dict__["__context__"]
_suppresses = BaseException.__dict__["__suppress_context__"]
_traceback = BaseException.__dict__["__traceback__"]
_members = BaseExceptionGroup.__dict__["exceptions"]
_args = BaseException.__dict__["args"]
# Of `type`, as a metaclass may override them.
_mro = type.__dict__["__mro__"]
_namespace = type.__dict__["__dict__"]
_module = type.__dict__["__module__"]
_qualname = type.__dict__["__qualname__"]


# ------------------------------------------------------------------------------------------------------- its parts


def is_a(error: object, kind: type[E] | tuple[type[E], ...] | UnionType) -> TypeGuard[E]:
    """Return whether an exception is an instance of a class. Unlike `isinstance`, this ignores ``__class__``."""
    return issubclass(type(error), kind)


def is_from_keyboard(error: BaseException) -> bool:
    """Return whether an exception may be an interrupt from the keyboard, which Python raises in the main thread only.

    There, one that code of the user has raised cannot be distinguished from it.
    """
    return is_a(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def bases(error: BaseException) -> tuple[type, ...]:
    """Return the classes that an exception is an instance of, its own first."""
    found: tuple[type, ...] = _mro.__get__(type(error))
    return found


def name_of(kind: type) -> tuple[str, str]:
    """Return the module and the qualified name of a class."""
    module = _module.__get__(kind)
    return (module if type(module) is str else "?"), _qualname.__get__(kind)


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return the traceback of an exception."""
    found: TracebackType | None = _traceback.__get__(error)
    return found


def fields(error: BaseException) -> dict[str, Any]:
    """Return the `__dict__` of an exception."""
    found: dict[str, Any] = _dict.__get__(error)
    return found


def slots(error: BaseException) -> Iterator[tuple[str, Any]]:
    """Iterate over the names and values of an exception's slots."""
    for kind in bases(error):
        namespace = _namespace.__get__(kind)
        names = namespace.get("__slots__", ())
        for slot in (names,) if isinstance(names, str) else tuple(names):
            private = slot.startswith("__") and not slot.endswith("__")
            name = f"_{name_of(kind)[1].rpartition('.')[2].lstrip('_')}{slot}" if private else slot
            try:
                yield name, namespace[name].__get__(error)
            except (KeyError, AttributeError):  # it has no value
                continue


def cause_of(error: BaseException) -> BaseException | None:
    """Return the `__cause__` of an exception."""
    found: BaseException | None = _cause.__get__(error)
    return found


def context_of(error: BaseException) -> BaseException | None:
    """Return the `__context__` of an exception, unless it is suppressed."""
    found: BaseException | None = None if _suppresses.__get__(error) else _context.__get__(error)
    return found


def members(error: BaseException) -> tuple[BaseException, ...]:
    """Return the exceptions in a group; the empty tuple for any other exception."""
    found: tuple[BaseException, ...] = _members.__get__(error) if is_a(error, BaseExceptionGroup) else ()
    return found


def singles(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an exception; of a group, over its exceptions, recursively."""
    pending = [error]
    for each in pending:
        if is_a(each, BaseExceptionGroup):
            pending.extend(members(each))
        else:
            yield each


def set_cause(error: BaseException, cause: BaseException | None) -> None:
    """Set the `__cause__` of an exception."""
    _cause.__set__(error, cause)


def set_context(error: BaseException, context: BaseException | None) -> None:
    """Set the `__context__` of an exception."""
    _context.__set__(error, context)


def set_traceback(error: BaseException, traceback: TracebackType | None) -> None:
    """Set the traceback of an exception."""
    _traceback.__set__(error, traceback)


def exc_info(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return an exception in the form for ``exc_info`` of `logging`, which would ignore a falsy exception itself."""
    return type(error), error, _traceback.__get__(error)


# ----------------------------------------------------------------------------------------------------------- notes


def add_note(error: BaseException, note: str, kind: str | None = None, owner: str = "") -> None:
    """Add a note to an exception, even if its class refuses notes.

    Args:
        error: the exception.
        note: the note.
        kind: the common beginning of notes of one kind. One exception object may be raised again and again, so only the
            last few notes of a kind are kept. None: the note is kept beside any others.
        owner: the common end of the notes of one run, which has one note of a kind, and at most 8.
    """
    if type(error).add_note is not BaseException.add_note:
        try:
            error.add_note(note)
            return
        except KeyboardInterrupt:
            raise
        except BaseException:  # its class refuses notes: the note is added below
            _logger.debug("%s does not take notes: %s", name_of(type(error))[1], note)
    notes = fields(error).get("__notes__")
    if not isinstance(notes, list):  # there is none, or not a list
        notes = fields(error)["__notes__"] = [*notes] if type(notes) is tuple else []
    if kind is not None:
        same = [index for index, known in enumerate(notes) if type(known) is str and known.startswith(kind)]
        for index in same:
            if notes[index].endswith(owner):
                notes[index] = note
                return
        if owner and sum(type(known) is str and known.endswith(owner) for known in notes) >= _OWNED:
            return
        if len(same) >= _NOTES:
            del notes[same[0]]
    elif note in [known for known in notes if type(known) is str]:
        return
    notes.append(note)


def another(error: BaseException) -> BaseException:
    """Return a copy of an exception with notes of its own, for another awaiter; the same one if it cannot be copied."""
    kind = type(error)
    try:
        args = _args.__get__(error)
        made = kind.__new__(kind, *args)
        _args.__set__(made, args)
        known = fields(error)
        fields(made).update(known)
        if isinstance(known.get("__notes__"), list):
            fields(made)["__notes__"] = [*known["__notes__"]]
        for name, value in slots(error):
            object.__setattr__(made, name, value)
        if type(made) is not kind or message(made) != message(error):
            return error
    except Exception:  # its class cannot be copied
        return error
    _context.__set__(made, _context.__get__(error))
    _cause.__set__(made, cause_of(error))
    _suppresses.__set__(made, _suppresses.__get__(error))
    _traceback.__set__(made, _traceback.__get__(error))
    return made


# --------------------------------------------------------------------------------------------------------- outcomes


def result_of(future: Any) -> Any:
    """Return the result of a `concurrent.futures.Future` that is done, or raise its exception.

    Before Python 3.13.4 and 3.14, `Future.result` ignores a falsy exception.
    """
    error = future.exception()
    if error is None:
        return future.result()
    try:
        raise error
    finally:
        del error, future  # the traceback refers to this frame


# ------------------------------------------------------------------------------------------------------------- text


@public_in("cascade.events")
def describe(error: BaseException, *, notes: bool = False) -> str:
    r"""Return an exception as "Type: message", even if its `__str__` fails.

    The type has its module unless it is a built-in one, as in a traceback. The message may have several lines. For
    a group, its first exceptions follow.

    Args:
        error: any exception.
        notes: whether its notes follow, which contain the place in a graph.

    >>> describe(ZeroDivisionError("division by zero")), describe(KeyError())
    ('ZeroDivisionError: division by zero', 'KeyError')
    >>> describe(ExceptionGroup("two failed", [ValueError("a"), KeyError("b")]))
    "ExceptionGroup: two failed (2 sub-exceptions): ValueError: a; KeyError: 'b'"
    >>> error = ZeroDivisionError("division by zero")
    >>> error.add_note("task jobs.divide at $, iteration 3 of run 1")
    >>> describe(error, notes=True)
    'ZeroDivisionError: division by zero (task jobs.divide at $, iteration 3 of run 1)'
    """
    text = _alone(error, notes)
    inside = members(error)
    if inside:
        shown = "; ".join(_alone(member, notes) for member in inside[:_MEMBERS])
        text = f"{text}: {shown}{'; ...' if len(inside) > _MEMBERS else ''}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def message(error: BaseException, longest: int = LONGEST) -> str:
    """Return the message of an exception; if its `__str__` fails, a text that says so."""
    try:
        text = str.__getitem__(str(error), slice(longest))
    except KeyboardInterrupt:
        raise
    except BaseException as second:  # a `__str__` of the user may raise anything
        return f"<no message: its __str__ raised {name_of(type(second))[1]}>"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _alone(error: BaseException, notes: bool) -> str:
    module, name = name_of(type(error))
    if module != "builtins":
        name = f"{module}.{name}"
    text = message(error)
    known = fields(error).get("__notes__") if notes else None
    noted = [note for note in known if isinstance(note, str)][:_NOTES] if type(known) is list else []
    text = f"{name}: {text}" if text else name
    return f"{text} ({'; '.join(noted)})" if noted else text
