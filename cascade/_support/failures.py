"""Failures: what is done to an exception of the user without running any of its code.

An exception may be false, frozen, unhashable, equal to any other, or raise from each of its own methods. So its notes,
cause and traceback are read and set where its class cannot interfere, and its text is read without trust in `__str__`.
Never test an exception for truth or equality: compare with `is`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import TracebackType, UnionType
from typing import Any, TypeGuard, TypeVar

__all__ = [
    "add_note", "another", "bases", "cause_of", "context_of", "describe", "exc_info", "fields", "is_a", "members",
    "message", "name_of", "result_of", "set_cause", "set_context", "set_traceback", "singles", "slots", "traceback_of",
]  # fmt: skip

LONGEST = 2000
"""Characters of a message that are kept; an exception may quote a whole array."""
_MEMBERS = 3
_NOTES = 5  # of one kind on one exception: it may be one object that is raised for ever

_logger = logging.getLogger("cascade")
E = TypeVar("E", bound=BaseException)

_dict = BaseException.__dict__["__dict__"]
_cause = BaseException.__dict__["__cause__"]
_context = BaseException.__dict__["__context__"]
_suppresses = BaseException.__dict__["__suppress_context__"]
_traceback = BaseException.__dict__["__traceback__"]
_members = BaseExceptionGroup.__dict__["exceptions"]
_args = BaseException.__dict__["args"]
# Of a class, whatever its metaclass answers.
_mro = type.__dict__["__mro__"]
_namespace = type.__dict__["__dict__"]
_module = type.__dict__["__module__"]
_qualname = type.__dict__["__qualname__"]


# ------------------------------------------------------------------------------------------------------- its parts


def is_a(error: object, kind: type[E] | tuple[type[E], ...] | UnionType) -> TypeGuard[E]:
    """Return what `isinstance` does, whatever the exception answers when it is asked for its class."""
    return issubclass(type(error), kind)


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
    """Return the attributes of an exception that are in no slot."""
    found: dict[str, Any] = _dict.__get__(error)
    return found


def slots(error: BaseException) -> Iterator[tuple[str, Any]]:
    """Iterate over the attributes of an exception that its class keeps in slots."""
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
    """Return what it was raised from."""
    found: BaseException | None = _cause.__get__(error)
    return found


def context_of(error: BaseException) -> BaseException | None:
    """Return what was being handled when it was raised, unless that is not to be shown."""
    found: BaseException | None = None if _suppresses.__get__(error) else _context.__get__(error)
    return found


def members(error: BaseException) -> tuple[BaseException, ...]:
    """Return the exceptions in a group; of any other exception, none."""
    found: tuple[BaseException, ...] = _members.__get__(error) if is_a(error, BaseExceptionGroup) else ()
    return found


def singles(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an exception, or over those in a group and in the groups in it."""
    pending = [error]
    for each in pending:
        if is_a(each, BaseExceptionGroup):
            pending.extend(members(each))
        else:
            yield each


def set_cause(error: BaseException, cause: BaseException | None) -> None:
    """Set what it was raised from."""
    _cause.__set__(error, cause)


def set_context(error: BaseException, context: BaseException | None) -> None:
    """Set what was being handled when it was raised."""
    _context.__set__(error, context)


def set_traceback(error: BaseException, traceback: TracebackType | None) -> None:
    """Set where it came by."""
    _traceback.__set__(error, traceback)


def exc_info(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return an exception as `logging` takes it: it would drop a false one."""
    return type(error), error, _traceback.__get__(error)


# ----------------------------------------------------------------------------------------------------------- notes


def add_note(error: BaseException, note: str, kind: str | None = None, owner: str = "") -> None:
    """Add a note to an exception, whatever its class says to that.

    Args:
        error: the exception.
        note: the note.
        kind: how this note and others of its kind begin; one exception object may be raised again and again, so only
            the last few of a kind are kept. None: it is kept beside any other.
        owner: how the notes of one run end: a run has one note of a kind.
    """
    if type(error).add_note is not BaseException.add_note:
        try:
            error.add_note(note)
            return
        except KeyboardInterrupt:
            raise
        except BaseException:  # it refuses notes; it has them all the same
            _logger.debug("%s does not take notes: %s", name_of(type(error))[1], note)
    notes = fields(error).get("__notes__")
    if not isinstance(notes, list):  # none yet, or something else that cannot take one
        notes = fields(error)["__notes__"] = [*notes] if type(notes) is tuple else []
    if kind is not None:
        same = [index for index, known in enumerate(notes) if type(known) is str and known.startswith(kind)]
        for index in same:
            if notes[index].endswith(owner):
                notes[index] = note
                return
        if len(same) >= _NOTES:
            del notes[same[0]]
    elif note in [known for known in notes if type(known) is str]:
        return
    notes.append(note)


def another(error: BaseException) -> BaseException:
    """Return an exception for one more that is told of a failure: a copy with notes of its own, if one can be made."""
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
    except Exception:  # its class allows none
        return error
    _context.__set__(made, _context.__get__(error))
    _cause.__set__(made, cause_of(error))
    _suppresses.__set__(made, _suppresses.__get__(error))
    _traceback.__set__(made, _traceback.__get__(error))
    return made


# --------------------------------------------------------------------------------------------------------- outcomes


def result_of(future: Any) -> Any:
    """Return what a `concurrent.futures.Future` has that is done, or raise what it has failed with.

    Its own `result` takes a false exception for none, before Python 3.13.4 and 3.14.
    """
    error = future.exception()
    if error is None:
        return future.result()
    try:
        raise error
    finally:
        del error, future  # the traceback leads to this frame


# ------------------------------------------------------------------------------------------------------------- text


def describe(error: BaseException) -> str:
    r"""Return an exception as "Type: message", without trust in its `__str__`.

    The type has its module unless it is a built-in one, as in a traceback. The message may have several lines. Of a
    group, the first exceptions are told with it.

    Args:
        error: any exception.

    >>> describe(ZeroDivisionError("division by zero")), describe(KeyError())
    ('ZeroDivisionError: division by zero', 'KeyError')
    >>> describe(ExceptionGroup("two failed", [ValueError("a"), KeyError("b")]))
    "ExceptionGroup: two failed (2 sub-exceptions): ValueError: a; KeyError: 'b'"
    """
    text = _alone(error)
    inside = members(error)
    if inside:
        told = "; ".join(_alone(member) for member in inside[:_MEMBERS])
        text = f"{text}: {told}{'; ...' if len(inside) > _MEMBERS else ''}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def message(error: BaseException, longest: int = LONGEST) -> str:
    """Return the text of an exception, or what is wrong with it."""
    try:
        text = str.__getitem__(str(error), slice(longest))
    except KeyboardInterrupt:
        raise
    except BaseException as second:  # the exception of a user, and its `__str__`
        return f"<no message: its __str__ raised {name_of(type(second))[1]}>"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _alone(error: BaseException) -> str:
    module, name = name_of(type(error))
    if module != "builtins":
        name = f"{module}.{name}"
    text = message(error)
    return f"{name}: {text}" if text else name
