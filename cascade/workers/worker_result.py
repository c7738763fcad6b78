"""Results of workers: what a call in a worker process has come to, packed there and unpacked here.

The pool that carries one sees nothing of the user's in it, only bytes and text. So a result or an exception that
cannot be pickled, or not be unpickled, fails its own call and no other.
"""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from multiprocessing.reduction import ForkingPickler
from types import CoroutineType
from typing import Any, NamedTuple

from cascade._core.expr.task import Task
from cascade._support import failures
from cascade.exceptions import WorkerError

__all__ = ["RemoteTraceback", "WorkerResult", "make_call", "unpack"]

_MOST = 100  # exceptions in one failure: its causes, contexts and members, and theirs
_LONGEST = 50_000  # characters of a traceback
_HEAP_TYPE = 1 << 9  # in `type.__flags__`: it was made by Python code
_args = BaseException.__dict__["args"]


class PackedError(NamedTuple):
    """One exception, as plain data. Others are given by their numbers in the result.

    Attributes:
        whole: the pickled exception; None: that would not give it back.
        kinds: module and qualified name of its class, then those of its bases, nearest first.
        args: what the built-in class that it is made of takes, each pickled; as text if that cannot be.
        fields: its attributes that can be pickled.
        slots: the same, of those that are in slots, and of those that the built-in class has.
        text: its message.
        cause: what it was raised from.
        context: what was being handled.
        members: of a group, its message and members.
    """

    whole: bytes | None
    kinds: list[tuple[str, str]]
    args: list[bytes]
    fields: dict[str, bytes]
    slots: dict[str, bytes]
    text: str
    cause: int | None
    context: int | None
    members: tuple[str, list[int]] | None


class WorkerResult(NamedTuple):
    """What a call has come to.

    Attributes:
        task: which was called, and the kinds of its arguments.
        value: the pickled result; None: it has failed.
        faults: what it has failed with, the first, and all that hangs on that.
        trace: the traceback in the worker.
    """

    task: str
    value: bytes | None
    faults: list[PackedError]
    trace: str


class RemoteTraceback(Exception):
    """The traceback of a failure in its worker process: the cause of that failure, or of what it was caused by."""

    def __init__(self, trace: str) -> None:
        super().__init__(trace)
        self.trace = trace

    def __str__(self) -> str:
        return f'\n"""\n{self.trace}"""'


# -------------------------------------------------------------------------------------------------- in the worker


def make_call(call: bytes, task: str) -> WorkerResult:
    """Make a call that was pickled, and pack what it comes to. Raises nothing.

    Args:
        call: the task, its positional and its keyword arguments, pickled.
        task: the call in words, for messages.
    """
    try:
        found, arguments, keywords = pickle.loads(call)
    except Exception as error:
        return _pack(task, error)
    except BaseException as error:  # of an argument, or of a module: no exit of the program, no cancellation of the run
        return _pack(task, _wrong(f"arguments of task {task} must be unpicklable in its worker process", error))
    try:
        # The name leads to the task if it was made with the decorator, else to the function that it was made of.
        value = (found.fn if isinstance(found, Task) else found)(*arguments, **keywords)
    except BaseException as error:
        return _pack(task, error)
    try:
        buffer = BytesIO()
        ForkingPickler(buffer).dump(value)  # which knows more than `pickle`: connections, sockets, what others register
        return WorkerResult(task, buffer.getvalue(), [], "")
    except BaseException as error:
        kind = failures.name_of(type(value))[1]
        if type(value) is CoroutineType:
            with suppress(BaseException):  # it may have begun, and have something to say to that
                value.close()
        wrong = WorkerError(
            f"result of task {task} must be picklable to leave its worker process, got `{kind}` "
            f"({_described(error)}); return plain data, or use mode='thread'"
        )
        failures.set_cause(wrong, error)
        return _pack(task, wrong)


def _wrong(rule: str, error: BaseException) -> WorkerError:
    """What a call fails with when a rule of pickling is broken."""
    wrong = WorkerError(f"{rule}, got an error instead: {_described(error)}")
    failures.set_cause(wrong, error)
    return wrong


def _described(error: BaseException) -> str:
    """An exception in words, whatever its text raises: what is raised here would reach the user without them."""
    try:
        return failures.describe(error)
    except KeyboardInterrupt:
        return failures.name_of(type(error))[1]


def _text(error: BaseException) -> str:
    """The text of an exception, whatever it raises."""
    try:
        return failures.message(error, _LONGEST)
    except KeyboardInterrupt:
        return "<no message: its __str__ raised KeyboardInterrupt>"


def _pack(task: str, error: BaseException) -> WorkerResult:
    trace = _trace(error)
    try:
        return WorkerResult(task, None, _faults(error), trace)
    except BaseException:  # memory, or a class that nothing can be asked about
        fault = PackedError(None, [failures.name_of(type(error))], [], {}, {}, "", None, None, None)
        return WorkerResult(task, None, [fault], trace)


def _faults(error: BaseException) -> list[PackedError]:
    """An exception, and those that hang on it, as data."""
    pending = [error]
    places = {id(error): 0}

    def place(other: BaseException | None) -> int | None:
        if other is None:
            return None
        if id(other) not in places:
            if len(pending) >= _MOST:
                return None
            places[id(other)] = len(pending)
            pending.append(other)
        return places[id(other)]

    faults = []
    for each in pending:
        members = None
        if failures.is_a(each, BaseExceptionGroup):
            inside = [place(member) for member in failures.members(each)]
            members = str(each.message), [number for number in inside if number is not None]
        args, known = _parts(each)
        fault = PackedError(
            whole=None,
            kinds=[failures.name_of(kind) for kind in failures.bases(each)[:-1]],
            args=[] if members else _packed_args(args),
            fields={str(name): data for name, value in _copied(failures.fields(each))
                    if (data := _tried(value)) is not None},
            slots={name: data for name, value in (*failures.slots(each), *known)
                   if (data := _tried(value)) is not None},
            text=_text(each),
            cause=place(failures.cause_of(each)),
            context=place(failures.context_of(each)),
            members=members,
        )  # fmt: skip
        faults.append(fault if members else fault._replace(whole=_whole(each, fault)))
    return faults


def _copied(fields: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(fields.items())  # to pickle a value may change them


def _whole(error: BaseException, fault: PackedError) -> bytes | None:
    """An exception pickled, if that gives it back; at least its class, and its text unless nothing does."""
    data = _dumped(error)
    found = None if data is None else _loaded(data)
    if found is None or type(found[0]) is not type(error):
        return None
    if _text(found[0]) == fault.text:
        return data
    made = _made(fault, [])
    return None if made is not None and _text(made) == fault.text else data


def _parts(error: BaseException) -> tuple[tuple[Any, ...], list[tuple[str, Any]]]:
    """What the built-in class of an exception is made of: arguments, and attributes outside its ``__dict__``."""
    _, args, *state = _builtin(type(error)).__reduce__(error)
    own = failures.fields(error)
    return args, [(name, value) for name, value in (state[0] if state else {}).items() if name not in own]


def _packed_args(args: tuple[Any, ...]) -> list[bytes]:
    show: Callable[[Any], str] = str if len(args) == 1 else repr  # as they stand in the text of the exception
    packed = []
    for value in args:
        data = _tried(value)
        if data is None:
            try:
                data = pickle.dumps(str.__str__(show(value)))
            except BaseException:
                data = pickle.dumps(f"<{type(value).__name__}>")
        packed.append(data)
    return packed


def _dumped(value: Any) -> bytes | None:
    try:
        return pickle.dumps(value)
    except BaseException:  # whatever the classes in it raise
        return None


def _tried(value: Any) -> bytes | None:
    """A part of an exception pickled, if it can be unpickled: if that ends a process, it is not that of the run."""
    data = _dumped(value)
    return None if data is None or _loaded(data) is None else data


def _trace(error: BaseException) -> str:
    raised = failures.traceback_of(error)
    if raised is not None:
        raised = raised.tb_next  # without `make_call`
    try:
        text = "".join(traceback.format_exception(type(error), error, raised))
    except BaseException:  # its class may answer anything
        text = "".join(traceback.format_tb(raised)) + _described(error) + "\n"
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]}\n...\n{text[-_LONGEST // 2 :]}"


# ------------------------------------------------------------------------------------------------------------ here


def unpack(packed: WorkerResult) -> tuple[Any, BaseException | None]:
    """Return the result of a call and None, or None and what it has failed with. Raises nothing."""
    if packed.value is None:
        return None, _failure(packed)
    try:
        return pickle.loads(packed.value), None
    except BaseException as error:  # whatever the classes in it raise, an exit among it
        return None, _wrong(f"result of task {packed.task} must be unpicklable where its run is", error)


def _failure(packed: WorkerResult) -> BaseException:
    """An exception with all that hangs on it."""
    found: dict[int, BaseException] = {}
    for number in range(len(packed.faults)):
        _restore(packed.faults, number, found)
    for number, fault in enumerate(packed.faults):
        if fault.cause is not None:
            failures.set_cause(found[number], found[fault.cause])
        elif fault.context is not None:
            failures.set_context(found[number], found[fault.context])
    if packed.trace:
        failures.set_cause(_first(found[0]), RemoteTraceback(packed.trace))
    return found[0]


def _first(error: BaseException) -> BaseException:
    """What an exception has come of in the first place."""
    seen = {id(error)}
    while True:
        before = failures.cause_of(error)
        if before is None:
            before = failures.context_of(error)
        if before is None or id(before) in seen:
            return error
        seen.add(id(before))
        error = before


def _restore(faults: list[PackedError], number: int, found: dict[int, BaseException]) -> BaseException:
    """The exception itself; what can be made of its parts; or what stands for it. Of a group, its members first."""
    if number in found:
        return found[number]
    fault = faults[number]
    inside = [_restore(faults, member, found) for member in fault.members[1]] if fault.members else []
    loaded = None if fault.whole is None else _loaded(fault.whole)
    error: BaseException | None
    if loaded is not None and type(loaded[0]) is _found(*fault.kinds[0]):
        error = loaded[0]
        _set_slots(error, fault)
    else:
        error = _made(fault, inside)
    found[number] = _stand_in(fault) if error is None else error
    return found[number]


def _made(fault: PackedError, inside: list[BaseException]) -> BaseException | None:
    """An exception made of its parts, without a call of what its class has written for that."""
    kind = _found(*fault.kinds[0])
    args = [_loaded(data) for data in fault.args]
    if kind is None or any(found is None for found in args):
        return None
    try:
        if fault.members is not None:
            error: BaseException = _builtin(kind).__new__(kind, fault.members[0], inside)
        else:
            error = _new(kind, tuple(value for found in args if found is not None for value in found))
    except BaseException:
        return None
    _set_fields(error, fault)
    _set_slots(error, fault)
    return error


def _builtin(kind: type[BaseException]) -> Any:
    """The class of exceptions in C that a class is made of, whose instances are like those of no other."""
    found: Any = kind
    while found.__flags__ & _HEAP_TYPE:
        found = found.__base__
    return found


def _new(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    base = _builtin(kind)
    try:
        error: BaseException = base.__new__(kind, *args)
        base.__init__(error, *args)
    except Exception:  # these are not what the built-in class takes
        error = base.__new__(kind)
        _args.__set__(error, args)
    return error


def _stand_in(fault: PackedError) -> BaseException:
    """An error of ours for an exception whose class is not to be had: of the nearest of its bases, too."""
    module, name = fault.kinds[0]
    text = f"a worker process raised `{module}.{name}`, which cannot be made here: {fault.text}"
    error = None
    for place in fault.kinds[1:]:
        base = _found(*place)
        if base is None or base in (Exception, BaseException) or issubclass(WorkerError, base):
            continue
        try:
            parts = (base,) if issubclass(base, WorkerError) else (WorkerError, base)
            body = {"__module__": module, "__qualname__": name, "__str__": BaseException.__str__}
            kind = type(name.rpartition(".")[2], parts, body)
            error = _new(kind, (text,))
            break
        except BaseException:  # a base that is not to be inherited from
            continue
    error = WorkerError(text) if error is None else error
    _set_fields(error, fault)
    return error


def _set_fields(error: BaseException, fault: PackedError) -> None:
    known = failures.fields(error)
    known.update({name: value[0] for name, data in fault.fields.items() if (value := _loaded(data)) is not None})


def _set_slots(error: BaseException, fault: PackedError) -> None:
    for name, data in fault.slots.items():
        with suppress(BaseException):  # it is another class of the same name, and may do anything
            object.__setattr__(error, name, _loaded(data)[0])  # type: ignore[index]


def _loaded(data: bytes) -> tuple[Any] | None:
    """What was pickled, or None if it cannot be had."""
    try:
        return (pickle.loads(data),)
    except BaseException:  # whatever the classes in it raise, an exit among it
        return None


def _found(module: str, name: str) -> type[BaseException] | None:
    """A class of exceptions by its name."""
    try:
        found: Any = sys.modules.get(module) or import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except BaseException:
        return None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None
