"""Pickling of tasks and lazy results.

A task is pickled as its function is: by the name under which it is found, with the policies that it was given beside.
A lazy result is pickled as task, arguments and policies. `pickle` recurses into what it meets. So the first lazy result
that it meets lists all lazy results beneath it before its own parts, the innermost first: each finds what it refers to
pickled already, and a million lazy results in one another need no more stack than one. `pickle` itself keeps what is
shared.
"""

# ruff: noqa: SLF001 - tasks and lazy results show what they are made of to this module

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from cascade._core.expr.arities import ARITIES, STEPS
from cascade._core.expr.lazy import LazyResult, restored_node, with_policies_of
from cascade._core.expr.policy import ScopeCache
from cascade._core.expr.task import Task, call_plain, governed, import_task, restored_builtin, standard_task_named, task
from cascade._core.shape.struct_layout import field_names

__all__ = ["reduce_lazy", "reduce_task", "restore_lazy", "restore_task"]

_POLICIES = frozenset({"after", "retry", "timeout", "cache", "constraints"})
_ROLES = _POLICIES | {"concurrency", "return_exceptions", "order"}  # of a map
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray, range, type(...), LazyResult})
_NAMED: tuple[type, ...] = FunctionType, BuiltinFunctionType, type

# --------------------------------------------------------------------------------------------------------------- tasks


def reduce_task(task: Task) -> tuple[Any, ...]:
    """Return what `pickle` needs to make a task again.

    Raises:
        pickle.PicklingError: the name of its function does not lead to it, or a policy cannot be pickled.
    """
    made, parts = _reduced(task)
    given = parts[-1]
    for role, policy in given.items() if type(given) is dict else ():
        if (wrong := _try(policy)) is not None:
            raise pickle.PicklingError(
                f"{role} policy of {_shown(task)} must be picklable, got `{type(policy).__name__}`: {wrong}"
            ) from wrong
    return made, parts


def _reduced(task: Task) -> tuple[Any, tuple[Any, ...]]:
    """Return what makes a task again, and the arguments of that; the last one may be its policies."""
    fn: Any = task.fn
    kind, name, mode = task._definition()
    policies = task._content()[2]
    if kind is not None:
        return Task._unpickled, ("builtin", kind, task.name)
    if (standard := task._standard_name) is not None:
        return Task._unpickled, ("standard", standard)
    if isinstance(fn, MethodType):
        owner = fn.__self__
        of_owner = getattr(owner, fn.__name__, None)
        if type(of_owner) is not Task:
            raise pickle.PicklingError(f"{_shown(task)} must be an attribute of its object to be pickled")
        changed = _changed(policies, of_owner._content()[2])
        return (
            (Task._unpickled, ("method", owner, fn.__name__, changed)) if changed else (getattr, (owner, fn.__name__))
        )
    if _find(task.module, task.name) is task:
        return Task._imported, (task.module, task.name)
    found = _find(*_names(fn))
    if found is task:
        return Task._imported, _names(fn)
    if type(found) is Task and found.fn is fn:
        changed = _changed(policies, found._content()[2])
        if changed is not None and found._definition() == task._definition():
            return Task._unpickled, ("governed", *_names(fn), changed)
    if found is fn or (type(found) is Task and found.fn is fn):
        return Task._unpickled, ("named", *_names(fn), name, mode, policies)
    if isinstance(fn, _NAMED):
        raise pickle.PicklingError(
            f"{_shown(task)} must be importable by its name to be pickled, but that does not lead to it: define it at "
            f"the top level of a module"
        )
    return Task._unpickled, ("made", fn, name, mode, policies)


def restore_task(how: str, *parts: Any) -> Task:
    """Make a task again of what `reduce_task` has returned."""
    if how == "builtin":
        kind, name = parts
        if kind not in ARITIES:
            raise pickle.UnpicklingError(f"kind of a built-in node must be one of {', '.join(ARITIES)}, got {kind!r}")
        return restored_builtin(kind, name)
    if how == "standard":
        return standard_task_named(*parts)
    if how == "method":
        owner, name, policies = parts
        return governed(getattr(owner, name), policies)
    if how == "governed":
        module, qualname, policies = parts
        return governed(import_task(module, qualname), policies)
    if how == "named":
        module, qualname, name, mode, policies = parts
        found = import_task(module, qualname)
        fn = found.fn if type(found) is Task else found
    elif how == "made":
        fn, name, mode, policies = parts
    else:
        raise pickle.UnpicklingError(f"pickle of a task must be of this version of Cascade, got {how!r}")
    made = task(fn, name=name, mode=mode)
    return made if not policies else governed(made, policies)


def _changed(policies: dict[str, Any] | None, known: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the policies that a task has beside those of another one; None: it lacks some of those."""
    given, base = policies or {}, known or {}
    if not given.keys() >= base.keys():
        return None
    return {role: policy for role, policy in given.items() if role not in base or base[role] is not policy}


def _names(fn: Any) -> tuple[str, str]:
    """Return the names of a callable's module and of itself there; "": it has none."""
    return getattr(fn, "__module__", ""), getattr(fn, "__qualname__", "")


def _find(module: str, qualname: str) -> Any:
    """Return what a name leads to; None: nothing."""
    try:
        return import_task(module, qualname)
    except (ImportError, AttributeError, TypeError, ValueError):
        return None


def _shown(task: Task) -> str:
    return f"task {task.module}.{task.name}"


# -------------------------------------------------------------------------------------------------------- lazy results


def reduce_lazy(lazy: LazyResult) -> tuple[Any, ...]:
    """Return what `pickle` needs to make a lazy result again.

    Raises:
        pickle.PicklingError: something in the expression cannot be pickled; the message says what, and where.
    """
    flat = None if _is_listed(lazy) else _Flat(lazy)
    called, (identity, positional, names, roles), operands = lazy._content()
    given = [operand.policy if type(operand) is ScopeCache else operand for operand in operands]
    return LazyResult._unpickled, (flat, called, identity[2], positional, names, roles, given)


def restore_lazy(
    flat: object,
    called: Task,
    kind: str,
    positional: int,
    names: tuple[str, ...],
    roles: tuple[str, ...],
    operands: list[Any],
) -> LazyResult:
    """Make a lazy result again of what `reduce_lazy` has returned, as checked as any call."""
    count = len(operands) - len(roles)
    if type(called) is not Task or count != positional + len(names) or positional < 0:
        raise pickle.UnpicklingError(
            f"pickle of a lazy result must have {positional + len(names)} operands, got {count}"
        )
    _check_roles(kind, names, roles, operands[count:])
    if kind in ARITIES:
        least, most = ARITIES[kind]
        if called._definition()[0] != kind or names or not least <= positional <= most:
            raise pickle.UnpicklingError(f"node of kind {kind!r} must have its operands, got {positional}")
        _check_operands(kind, called, roles, operands)
        made = restored_node(called, kind, operands[:count])
    elif kind == "map":
        if positional or not names:
            raise pickle.UnpicklingError(f"map must have its inputs by name, got {positional} others")
        given = (*names, *_constants(roles))
        call_plain(called, given, given)  # for the check that an item is a call of the task
        made = restored_node(called, kind, operands[:count], names)
    elif kind in {"sync", "async"}:
        made = call_plain(called, tuple(operands[:count]), names)
    else:
        raise pickle.UnpicklingError(f"kind of a lazy result must be one of this version, got {kind!r}")
    return with_policies_of(made, roles, operands[count:])


def _check_operands(kind: str, called: Task, roles: tuple[str, ...], operands: list[Any]) -> None:
    """Refuse the operands of a node that calls no function if the core relies on something else."""
    if kind == "guard" and (roles or type(operands[1]) is not LazyResult):
        raise pickle.UnpicklingError(f"condition must be over a lazy result, got `{type(operands[1]).__name__}`")
    if kind == "router" and type(operands[1]) is not dict:
        raise pickle.UnpicklingError(f"routes must be a dict, got `{type(operands[1]).__name__}`")
    if kind in {"recover", "fallback"} and type(operands[2]) is not tuple and not callable(operands[2]):
        raise pickle.UnpicklingError(f"on must be exception types or a function, got `{type(operands[2]).__name__}`")
    if kind == "recover" and not callable(operands[1]):
        raise pickle.UnpicklingError(f"handler must be a task or a function, got `{type(operands[1]).__name__}`")
    if kind in {"param", "env"} and (
        getattr(operands[0], "kind", None) != kind or getattr(operands[0], "name", None) != called.name
    ):
        raise pickle.UnpicklingError(f"spec of {kind} {called.name!r} must be its own, got {operands[0]!r}")


def _check_roles(kind: str, names: tuple[str, ...], roles: tuple[str, ...], operands: list[Any]) -> None:
    """Refuse names and roles that no call of a kind has, and operands of the roles beside policies."""
    given = [*names, *_constants(roles)]
    known = _ROLES if kind == "map" else _POLICIES
    if not all(type(name) is str for name in given) or len(set(given)) < len(given):
        raise pickle.UnpicklingError(f"names of arguments must be different `str`, got {given!r}")
    if len({role for role in roles if role != "after"}) < len(roles) - roles.count("after"):
        raise pickle.UnpicklingError(f"roles in a lazy result must be there once each, got {roles!r}")
    for role, operand in zip(roles, operands, strict=True):
        if role not in known and not (kind == "map" and role.startswith("const ")):
            raise pickle.UnpicklingError(f"role in a lazy result must be one of this version, got {role!r}")
        if role == "after" and type(operand) is not LazyResult:
            raise pickle.UnpicklingError(f"predecessor must be a lazy result, got `{type(operand).__name__}`")
        if role == "concurrency" and (type(operand) is not int or operand < 1):
            raise pickle.UnpicklingError(f"concurrency must be an int >= 1, got {operand!r}")
        if role == "order" and (
            type(operand) is not tuple
            or [*map(type, operand)] != [str] * len(given)
            or sorted(operand) != sorted(given)
        ):
            raise pickle.UnpicklingError(f"order must be the names of the inputs of the map, got {operand!r}")


def _constants(roles: tuple[str, ...]) -> list[str]:
    """Return the names of the constants of a map."""
    if type(roles) is not tuple or not all(type(role) is str for role in roles):
        raise pickle.UnpicklingError(f"roles in a lazy result must be a tuple of `str`, got {roles!r}")
    return [role[6:] for role in roles if role.startswith("const ")]


class _Local(threading.local):
    """What is being pickled in a thread.

    Attributes:
        listed: the serial numbers of the lazy results in living lists.
        trying: whether something is pickled only to see whether that is possible.
    """

    def __init__(self) -> None:
        self.listed: set[int] = set()
        self.trying = False


_local = _Local()


class _Flat:
    """The lazy results beneath one, the innermost first.

    It lives as long as the pickler, whose memo has it: so a lazy result that is in a living list is pickled, or will
    be, before anything that refers to it.
    """

    def __init__(self, root: LazyResult) -> None:
        self.nodes: list[LazyResult] = []
        self._listed = _local.listed
        self._serials = {root._serial}
        self._ways: dict[int, tuple[LazyResult, int]] = {}  # by serial: what refers to it first, by which of its parts
        self._tasks: set[int] = set()  # ids of those that were checked
        self._search(root)
        self._listed |= self._serials

    def __del__(self) -> None:
        self._listed -= self._serials

    def _search(self, root: LazyResult) -> None:
        """List everything beneath a lazy result in post-order, and check it."""
        stack = [(root, enumerate(self._checked(root)))]
        while stack:
            node, rest = stack[-1]
            for place, part in rest:
                if type(part) is not LazyResult:
                    continue
                serial = part._serial
                if serial not in self._serials and serial not in self._listed:
                    self._serials.add(serial)
                    self._ways[serial] = node, place
                    stack.append((part, enumerate(self._checked(part))))
                    break
            else:
                stack.pop()
                self.nodes.append(node)
        self.nodes.pop()  # the root itself

    def _checked(self, node: LazyResult) -> list[Any]:
        """Return what a node refers to, after a check that it can be pickled, with an error that says where it is."""
        parts = _parts(node)
        if _local.trying:
            return parts
        called = node.task
        if id(called) not in self._tasks:
            self._tasks.add(id(called))
            if (wrong := _try(called)) is not None:
                raise pickle.PicklingError(f"{wrong} - at {self._path(node)}") from None
        for place, part in enumerate(parts):
            if type(part) not in _PLAIN and not _is_array(part) and (wrong := _try(part)) is not None:
                raise pickle.PicklingError(
                    f"argument of {_shown(called)} must be picklable, got `{type(part).__name__}` - at "
                    f"{self._path(node)}{_steps(node)[place]}: {wrong}"
                ) from wrong
        return parts

    def _path(self, node: LazyResult) -> str:
        steps = []
        while (way := self._ways.get(node._serial)) is not None:
            node, place = way
            steps.append(_steps(node)[place])
        if len(steps) > 16:
            steps[8:-8] = [f" … {len(steps) - 16:,} steps … "]
        return "$" + "".join(reversed(steps))

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (self.nodes,)


def _is_listed(lazy: LazyResult) -> bool:
    """Whether a lazy result is beneath one that is being pickled in this thread."""
    return lazy._serial in _local.listed


def _parts(lazy: LazyResult) -> list[Any]:
    """Return what a lazy result refers to, itself or in containers."""
    operands: list[Any] = lazy._content()[2]
    if all(type(operand) in _PLAIN for operand in operands):
        return operands
    return [part for part, _ in _flattened(operands, [""] * len(operands))]


def _steps(lazy: LazyResult) -> list[str]:
    """Return the steps that lead to each of the parts."""
    _, (identity, positional, names, roles), operands = lazy._content()
    steps = [*STEPS.get(identity[2], ())[:positional]]
    steps += [f".args[{place}]" for place in range(len(steps), positional)]
    steps += [f".kwargs[{name!r}]" for name in names]
    steps += [f".{role}" for role in roles]
    return [step for _, step in _flattened(operands, steps)]


def _flattened(operands: list[Any], steps: list[str]) -> Iterator[tuple[Any, str]]:
    """Yield operands, and for containers what is in them, each with the steps that lead there."""
    seen: set[int] = set()
    stack = [*zip(operands, steps, strict=True)][::-1]
    while stack:
        part, step = stack.pop()
        kind = type(part)
        inside: list[tuple[Any, str]] | None = None
        if kind is ScopeCache:
            part = part.policy
        elif kind is list or kind is tuple:
            inside = [(item, f"{step}[{place}]") for place, item in enumerate(part)]
        elif kind is dict:
            inside = [(item, f"{step}[{key!r:.40}]") for key, item in part.items()]
            inside += [(key, f"{step} (a key)") for key in part if type(key) not in _PLAIN]
        elif kind is set or kind is frozenset:
            inside = [(item, f"{step}[...]") for item in part]
        elif (names := field_names(kind)) and _find(*_names(kind)) is kind:
            inside = [(getattr(part, name), f"{step}.{name}") for name in names]
        if inside is None:
            yield part, step
        elif id(part) not in seen:
            seen.add(id(part))
            stack += inside[::-1]


def _is_array(value: Any) -> bool:
    """Whether it is an array of numbers: large, perhaps, and surely picklable."""
    return type(value).__module__ == "numpy" and getattr(getattr(value, "dtype", None), "hasobject", True) is False


class _Nowhere:
    """A file that forgets what is written to it."""

    def write(self, data: object) -> None:
        """Forget."""


def _try(value: object) -> Exception | None:
    """Return the error of pickling a value; None: it can be pickled."""
    before, _local.trying = _local.trying, True
    try:
        pickle.Pickler(_Nowhere()).dump(value)
    except Exception as error:
        return error
    finally:
        _local.trying = before
    return None
