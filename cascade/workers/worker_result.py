"""Results of worker processes: packed in the worker, unpacked in the process of the engine.

The process pool transports only bytes and text, no objects of the user. So a result or an exception that cannot be
pickled or unpickled fails its own call and no other.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from multiprocessing.reduction import ForkingPickler
from types import CoroutineType
from typing import Any, NamedTuple

from cascade._core.expr.task import Task
from cascade._core.run.current import CALL
from cascade._support import failures
from cascade.exceptions import WorkerError
from cascade.workers.worker_process import end_if_forked

__all__ = ["RemoteTraceback", "WorkerResult", "is_plain", "make_call", "unpack"]

_MOST = 100  # exceptions that are packed of one failure: causes, contexts and members of groups, recursively
_LONGEST = 50_000  # characters of a traceback
_PROTOCOL = max(4, pickle.DEFAULT_PROTOCOL)
_SHORT = 20_000  # bytes of a pickled result that is unpickled at once
# Instructions of a pickle that look up a class or a function: EXT1, EXT2, EXT4 and STACK_GLOBAL; GLOBAL and INST are
# not in pickles of protocol 4 and later. These bytes also occur in data, which is then unpickled as if it named one.
_NAMES = re.compile(rb"[\x82-\x84\x93]")
_HEAP_TYPE = 1 << 9  # in `type.__flags__`: the class was made by Python code
_args = BaseException.__dict__["args"]


class PackedError(NamedTuple):
    """One exception as plain data. It refers to other exceptions by their index in `WorkerResult.faults`.

    Attributes:
        whole: the pickled exception; None: unpickling that would not restore it.
        kinds: module and qualified name of its class, then those of its bases, nearest first.
        args: the arguments of its built-in base class, each pickled, as text if it cannot be.
        fields: those items of its ``__dict__`` that can be pickled.
        slots: those attributes that can be pickled and lie in slots or belong to the built-in base class.
        text: its message.
        cause: index of its ``__cause__``.
        context: index of its ``__context__``.
        members: of a group, its message and the indices of its members.
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
    """The outcome of a call in a worker process.

    Attributes:
        task: a description of the call: the task and the types of its arguments.
        value: the pickled result; None: the call has failed.
        faults: the exception of the call, then its causes, contexts and members.
        trace: the formatted traceback of the worker.
        seconds: how long the call itself has taken.
    """

    task: str
    value: bytes | None
    faults: list[PackedError]
    trace: str
    seconds: float = 0.0


class RemoteTraceback(Exception):
    """The formatted traceback of a worker process. It becomes the ``__cause__`` at the end of the failure's chain."""

    def __init__(self, trace: str) -> None:
        super().__init__(trace)
        self.trace = trace

    def __str__(self) -> str:
        return f'\n"""\n{self.trace}"""'


# -------------------------------------------------------------------------------------------------- in the worker


def make_call(call: bytes, task: str) -> WorkerResult:
    """Make a pickled call, and pack its outcome. Raises nothing.

    Args:
        call: pickled: the task, its positional and its keyword arguments, and what `cascade.current` is to say.
        task: a description of the call, for messages.
    """
    try:
        found, arguments, keywords, sent = pickle.loads(call)
    except Exception as error:
        _explain(error)
        return _pack(task, error)
    except BaseException as error:  # raised by an argument or a module: it must not end the program or cancel the run
        return _pack(
            task, _pickling_error(f"arguments of task {task} must be unpicklable in its worker process", error)
        )
    process = os.getpid()
    CALL.set(sent)
    start = time.perf_counter()
    try:
        # Its name leads to the task if `@cs.task` decorates the function, else to the function itself.
        value = (found.fn if isinstance(found, Task) else found)(*arguments, **keywords)
    except BaseException as error:
        end_if_forked(process, error)
        return _pack(task, error)._replace(seconds=time.perf_counter() - start)
    seconds = time.perf_counter() - start
    end_if_forked(process)
    try:
        buffer = BytesIO()
        # Unlike `pickle`, it knows connections, sockets and registered types.
        ForkingPickler(buffer, _PROTOCOL).dump(value)
        return WorkerResult(task, buffer.getvalue(), [], "", seconds)
    except BaseException as error:
        kind = failures.name_of(type(value))[1]
        if type(value) is CoroutineType:
            with suppress(BaseException):  # a coroutine that has begun may raise on `close`
                value.close()
        wrong = WorkerError(
            f"result of task {task} must be picklable to leave its worker process, got `{kind}` "
            f"({_described(error)}); return plain data, or use mode='thread'"
        )
        failures.set_cause(wrong, error)
        return _pack(task, wrong)


def _explain(error: Exception) -> None:
    """Note what to do about a name that the program's main module does not have in a worker process."""
    if isinstance(error, AttributeError) and re.search("__(mp_)?main__", str(error)):
        error.add_note(
            "a worker process imports the program's main module by another name, and knows nothing of code that is "
            "typed, or is under `if __name__ == '__main__':`: define tasks and classes at the top level, or in a module"
        )


def _pickling_error(rule: str, error: BaseException) -> WorkerError:
    """Return the error of a call that breaks a rule of pickling."""
    wrong = WorkerError(f"{rule}, got an error instead: {_described(error)}")
    failures.set_cause(wrong, error)
    return wrong


def _described(error: BaseException) -> str:
    """Describe an exception, also if its ``__str__`` raises: an exception here would replace the message."""
    try:
        return failures.describe(error)
    except KeyboardInterrupt:
        return failures.name_of(type(error))[1]


def _text(error: BaseException) -> str:
    """Return the message of an exception, also if its ``__str__`` raises."""
    try:
        return failures.message(error, _LONGEST)
    except KeyboardInterrupt:
        return "<no message: its __str__ raised KeyboardInterrupt>"


def _pack(task: str, error: BaseException) -> WorkerResult:
    trace = _trace(error)
    try:
        return WorkerResult(task, None, _pack_errors(error), trace)
    except BaseException:  # `MemoryError`, or a class whose attributes raise
        fault = PackedError(None, [failures.name_of(type(error))], [], {}, {}, "", None, None, None)
        return WorkerResult(task, None, [fault], trace)


def _pack_errors(error: BaseException) -> list[PackedError]:
    """Pack an exception with its causes, contexts and members."""
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
        args, known = _builtin_parts(each)
        fault = PackedError(
            whole=None,
            kinds=[failures.name_of(kind) for kind in failures.bases(each)[:-1]],
            args=[] if members else _packed_args(args),
            fields={str(name): data for name, value in _items(failures.fields(each))
                    if (data := _dumped_if_loadable(value)) is not None},
            slots={name: data for name, value in (*failures.slots(each), *known)
                   if (data := _dumped_if_loadable(value)) is not None},
            text=_text(each),
            cause=place(failures.cause_of(each)),
            context=place(failures.context_of(each)),
            members=members,
        )  # fmt: skip
        faults.append(fault if members else fault._replace(whole=_pickled_whole(each, fault)))
    return faults


def _items(fields: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(fields.items())  # a copy: pickling a value may change the dict


def _pickled_whole(error: BaseException, fault: PackedError) -> bytes | None:
    """Return an exception pickled, if unpickling restores it: its class, and its message if any way restores that."""
    data = _dumped(error)
    found = None if data is None else _loaded(data)
    if found is None or type(found[0]) is not type(error):
        return None
    if _text(found[0]) == fault.text:
        return data
    made = _rebuilt(fault, [])
    return None if made is not None and _text(made) == fault.text else data


def _builtin_parts(error: BaseException) -> tuple[tuple[Any, ...], list[tuple[str, Any]]]:
    """Return the arguments of the built-in base class of an exception, and its attributes outside ``__dict__``."""
    _, args, *state = _builtin(type(error)).__reduce__(error)
    own = failures.fields(error)
    return args, [(name, value) for name, value in (state[0] if state else {}).items() if name not in own]


def _packed_args(args: tuple[Any, ...]) -> list[bytes]:
    show: Callable[[Any], str] = str if len(args) == 1 else repr  # as the message of the exception shows them
    packed = []
    for value in args:
        data = _dumped_if_loadable(value)
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
    except BaseException:  # classes of the user may raise anything
        return None


def _dumped_if_loadable(value: Any) -> bytes | None:
    """Return a part of an exception pickled, if it can be unpickled. Tried here: a crash hits the worker only."""
    data = _dumped(value)
    return None if data is None or _loaded(data) is None else data


def _trace(error: BaseException) -> str:
    raised = failures.traceback_of(error)
    if raised is not None:
        raised = raised.tb_next  # without `make_call`
    try:
        text = "".join(traceback.format_exception(type(error), error, raised))
    except BaseException:  # the class of the exception may return anything
        text = "".join(traceback.format_tb(raised)) + _described(error) + "\n"
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]}\n...\n{text[-_LONGEST // 2 :]}"


# ------------------------------------------------------------------------------------------------------------ here


def is_plain(packed: WorkerResult) -> bool:
    """Whether unpacking an outcome takes no time: it is short, and runs no code of the user, as it names no class."""
    value = packed.value
    return value is not None and len(value) <= _SHORT and _NAMES.search(value) is None


def unpack(packed: WorkerResult) -> tuple[Any, BaseException | None]:
    """Return the result of a call and None, or None and its exception. Raises nothing."""
    if packed.value is None:
        return None, _unpack_failure(packed)
    try:
        return pickle.loads(packed.value), None
    except BaseException as error:  # classes of the user may raise anything, `SystemExit` included
        return None, _pickling_error(f"result of task {packed.task} must be unpicklable where its run is", error)


def _unpack_failure(packed: WorkerResult) -> BaseException:
    """Restore the exception of a call with its causes, contexts and members."""
    found: dict[int, BaseException] = {}
    for number in range(len(packed.faults)):
        _restore(packed.faults, number, found)
    for number, fault in enumerate(packed.faults):
        if fault.cause is not None:
            failures.set_cause(found[number], found[fault.cause])
        elif fault.context is not None:
            failures.set_context(found[number], found[fault.context])
    if packed.trace:
        failures.set_cause(_root_cause(found[0]), RemoteTraceback(packed.trace))
    return found[0]


def _root_cause(error: BaseException) -> BaseException:
    """Return the last exception in the chain of causes and contexts."""
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
    """Restore an exception: unpickle it, rebuild it from its parts, or make a stand-in. Members of a group first."""
    if number in found:
        return found[number]
    fault = faults[number]
    inside = [_restore(faults, member, found) for member in fault.members[1]] if fault.members else []
    loaded = None if fault.whole is None else _loaded(fault.whole)
    error: BaseException | None
    if loaded is not None and type(loaded[0]) is _imported(*fault.kinds[0]):
        error = loaded[0]
        _set_slots(error, fault)
    else:
        error = _rebuilt(fault, inside)
    found[number] = _stand_in(fault) if error is None else error
    return found[number]


def _rebuilt(fault: PackedError, inside: list[BaseException]) -> BaseException | None:
    """Rebuild an exception from its parts, without calling ``__init__`` or ``__new__`` of its own class."""
    kind = _imported(*fault.kinds[0])
    args = [_loaded(data) for data in fault.args]
    if kind is None or any(found is None for found in args):
        return None
    try:
        if fault.members is not None:
            error: BaseException = _builtin(kind).__new__(kind, fault.members[0], inside)
        else:
            error = _instantiate(kind, tuple(value for found in args if found is not None for value in found))
    except BaseException:
        return None
    _set_fields(error, fault)
    _set_slots(error, fault)
    return error


def _builtin(kind: type[BaseException]) -> Any:
    """Return the nearest base class that is implemented in C: it determines the layout of the instances."""
    found: Any = kind
    while found.__flags__ & _HEAP_TYPE:
        found = found.__base__
    return found


def _instantiate(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    base = _builtin(kind)
    try:
        error: BaseException = base.__new__(kind, *args)
        base.__init__(error, *args)
    except Exception:  # the built-in class does not accept these arguments
        error = base.__new__(kind)
        _args.__set__(error, args)
    return error


def _stand_in(fault: PackedError) -> BaseException:
    """Return a `WorkerError` for an exception whose class cannot be imported. It inherits from its base, too."""
    module, name = fault.kinds[0]
    text = f"a worker process raised `{module}.{name}`, which cannot be made here: {fault.text}"
    error = None
    for place in fault.kinds[1:]:
        base = _imported(*place)
        if base is None or base in (Exception, BaseException) or issubclass(WorkerError, base):
            continue
        try:
            parts = (base,) if issubclass(base, WorkerError) else (WorkerError, base)
            body = {"__module__": module, "__qualname__": name, "__str__": BaseException.__str__}
            kind = type(name.rpartition(".")[2], parts, body)
            error = _instantiate(kind, (text,))
            break
        except BaseException:  # a base that cannot be inherited from
            continue
    error = WorkerError(text) if error is None else error
    _set_fields(error, fault)
    return error


def _set_fields(error: BaseException, fault: PackedError) -> None:
    known = failures.fields(error)
    known.update({name: value[0] for name, data in fault.fields.items() if (value := _loaded(data)) is not None})


def _set_slots(error: BaseException, fault: PackedError) -> None:
    for name, data in fault.slots.items():
        with suppress(BaseException):  # another class of the same name may reject it
            object.__setattr__(error, name, _loaded(data)[0])  # type: ignore[index]


def _loaded(data: bytes) -> tuple[Any] | None:
    """What was pickled, or None if it cannot be had."""
    try:
        return (pickle.loads(data),)
    except BaseException:  # classes of the user may raise anything, `SystemExit` included
        return None


def _imported(module: str, name: str) -> type[BaseException] | None:
    """A class of exceptions by its name."""
    try:
        found: Any = sys.modules.get(module) or import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except BaseException:
        return None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None
