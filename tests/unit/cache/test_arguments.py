"""Arguments are known by their parameters, however a call gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.cache.policy import ResultCache


@cs.task
def add(a: Any, b: Any = 2, *rest: Any, c: Any = 3, **more: Any) -> Any:
    return a + b


def key(*args: Any, policy: ResultCache | None = None, task: cs.Task = add, **kwargs: Any) -> bytes:
    return (policy or ResultCache()).key(task, args, kwargs)


def test_arguments_meet_however_they_are_given() -> None:
    ways = [key(1), key(1, 2), key(1, b=2), key(a=1), key(b=2, a=1), key(1, 2, c=3)]
    assert len(set(ways)) == 1
    others = [key(2), key(1, 3), key(1, 2, 3), key(1, c=2), key(1, d=3), key(1, rest=()), key(1, more={}), key(1.0)]
    assert len({ways[0], *others}) == 1 + len(others)


def test_keyword_arguments_have_no_order_but_where_the_function_sees_it() -> None:
    policy = ResultCache()
    fixed = cs.task(lambda x, y: 0)
    assert policy.key(fixed, (), {"x": 1, "y": 2}) == policy.key(fixed, (), {"y": 2, "x": 1})
    assert policy.key(fixed, (), {"x": 1, "y": 2}) != policy.key(fixed, (), {"x": 2, "y": 1})
    assert len({key(1, x=1, y=2), key(1, y=2, x=1), key(1, x=2, y=1)}) == 3
    of_dict = cs.task(dict)
    assert policy.key(of_dict, (), {"x": 1, "y": 2}) != policy.key(of_dict, (), {"y": 2, "x": 1})


small = st.integers(0, 2)


calls = st.tuples(
    st.lists(small, max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["a", "b", "c", "d", "args"]), small, max_size=3),
)


FUNCTIONS: list[Callable[..., Any]] = [
    lambda a, b=1, /, c=2: 0,
    lambda a, *args, b, c=2: 0,
    lambda *args, **d: 0,
    lambda a=1, /, **b: 0,
    lambda: 0,
]


@given(st.sampled_from(FUNCTIONS), calls, calls)
def test_binding_is_the_one_of_python(fn: Callable[..., Any], one: Any, other: Any) -> None:
    """Calls meet if Python itself gives the function the same variables."""

    def variables(call: Any) -> Any:
        code = fn.__code__
        namespace: dict[str, Any] = {}
        names = code.co_varnames
        fixed = code.co_argcount + code.co_kwonlyargcount
        text = ", ".join(
            [*names[: code.co_posonlyargcount], *(["/"] if code.co_posonlyargcount else [])]
            + [*names[code.co_posonlyargcount : code.co_argcount]]
            + (["*" + names[fixed]] if code.co_flags & 4 else (["*"] if code.co_kwonlyargcount else []))
            + [*names[code.co_argcount : fixed]]
            + (["**" + names[fixed + bool(code.co_flags & 4)]] if code.co_flags & 8 else [])
        )
        exec(f"def same({text}): return sorted(locals().items())", namespace)
        same = namespace["same"]
        same.__defaults__, same.__kwdefaults__ = fn.__defaults__, fn.__kwdefaults__
        try:
            return [(name, sorted(v.items()) if type(v) is dict else v) for name, v in same(*call[0], **call[1])]
        except TypeError:
            return call[0], sorted(call[1].items())

    task = cs.task(fn, name="fn")
    meet = key(*one[0], task=task, **one[1]) == key(*other[0], task=task, **other[1])
    assert meet == (variables(one) == variables(other))
