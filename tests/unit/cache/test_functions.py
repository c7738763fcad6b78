"""A function is its code and the data that it holds: another constant or another cell is another function."""

from __future__ import annotations

import dataclasses
import functools
import gc
import sys
import textwrap
import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.cache.fingerprint import _codes, fingerprint
from cascade.cache.policy import ResultCache


def made(source: str, name: str = "f", file: str = "<here>", **names: Any) -> Any:
    module = {"__name__": "somewhere", **names}
    exec(compile(textwrap.dedent(source), file, "exec"), module)
    return module[name]


def adder(n: Any) -> Callable[[Any], Any]:
    def add(x: Any) -> Any:
        return x + n

    return add


def test_closures_of_the_same_code_differ_by_their_cells() -> None:
    assert adder(1).__code__ is adder(2).__code__
    assert fingerprint(adder(1)) == fingerprint(adder(1)) != fingerprint(adder(2))
    assert fingerprint(adder(1)) != fingerprint(adder(1.0)) != fingerprint(adder(True))
    assert fingerprint(adder([{"k": adder(1)}])) != fingerprint(adder([{"k": adder(2)}]))


@given(st.lists(st.integers(0, 2) | st.text(max_size=1), max_size=3), st.lists(st.integers(0, 2), max_size=3))
def test_equal_cells_and_only_these(one: list[Any], other: list[Any]) -> None:
    assert (fingerprint(adder(one)) == fingerprint(adder(other))) == (one == other)


SAME = "def f(x, k=1, *, l=2):\n    y = x + 1\n    return [y for _ in range(3)]\n"

EDITS = [
    SAME.replace("x + 1", "x + 2"),
    SAME.replace("x + 1", "x + 1.0"),
    SAME.replace("x + 1", "x + True"),
    SAME.replace("x + 1", "x - 1"),
    SAME.replace("range(3)", "range(4)"),  # in a function inside it, up to Python 3.11
    SAME.replace("range(3)", "reversed(3)"),
    SAME.replace("k=1", "k=2"),
    SAME.replace("l=2", "l=3"),
    SAME.replace("l=2", "l"),
    SAME.replace("*, l", "l"),
    SAME.replace("k=1,", "k=1, /,"),
    SAME.replace("def", "async def"),
    SAME.replace("y = x + 1", "y = x + 1\n    try: pass\n    finally: y += 1"),
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_another_function(edit: str) -> None:
    assert fingerprint(made(edit)) != fingerprint(made(SAME))


def test_a_range_of_an_exception_handler_counts() -> None:
    one = made("def f(g, h):\n    try:\n        g()\n    except ValueError:\n        return 1\n    h()\n")
    other = made("def f(g, h):\n    try:\n        g()\n        h()\n    except ValueError:\n        return 1\n")
    assert fingerprint(one) != fingerprint(other)


def test_lines_files_and_comments_do_not_count() -> None:
    moved = "# a comment\n\n\n" + SAME.replace("\n    return", "  # why\n\n    return")
    assert fingerprint(made(moved, file="elsewhere.py")) == fingerprint(made(SAME))


def test_where_globals_are_looked_up_counts() -> None:
    assert fingerprint(made(SAME, __name__="here")) != fingerprint(made(SAME, __name__="there"))


def test_a_function_without_a_module_has_a_digest() -> None:
    assert fingerprint(types.FunctionType(adder.__code__, {})) == fingerprint(types.FunctionType(adder.__code__, {}))


def test_defaults_are_taken_as_they_are_now() -> None:
    def f(x: list[int] = [], *, y: dict[str, int] = {}) -> None:  # noqa: B006
        x.append(1)
        y["k"] = 1

    before = fingerprint(f)
    f()
    assert fingerprint(f) != before


def test_attributes_of_a_function_count() -> None:
    def f() -> None: ...

    before = fingerprint(f)
    f.unit = "m"  # type: ignore[attr-defined]
    assert fingerprint(f) != before


def test_what_a_function_says_of_itself_counts() -> None:
    def tool(kind: Any, doc: str) -> Callable[..., Any]:
        def f(x: Any) -> None: ...

        f.__doc__ = doc
        f.__annotations__ = {"x": kind}
        return f

    said = [tool(int, "a"), tool(str, "a"), tool(int, "b"), tool(Any, "a"), tool(list[int], "a"), tool(list[str], "a")]
    assert len({fingerprint(f) for f in said}) == len(said)
    assert [fingerprint(f) for f in said] == [fingerprint(f) for f in said]


@dataclasses.dataclass
class Model:
    weight: float

    def predict(self, x: float) -> float:
        return self.weight * x

    @classmethod
    def of(cls, x: float) -> Model:
        return cls(x)


class Opaque:
    def predict(self, x: float) -> float:
        return x


def test_methods_are_their_function_and_their_instance() -> None:
    assert fingerprint(Model(1.0).predict) == fingerprint(Model(1.0).predict) != fingerprint(Model(2.0).predict)
    assert fingerprint(Model.of) != fingerprint(Model.predict) != fingerprint(Model(1.0).predict)
    with pytest.raises(cs.CacheKeyError, match=r"got `Opaque` - at `value.__self__`"):
        fingerprint(Opaque().predict)


def test_partials_wrappers_and_cached_functions() -> None:
    assert fingerprint(functools.partial(adder(1), 2)) != fingerprint(functools.partial(adder(2), 2))
    assert fingerprint(functools.partial(adder, n=1)) != fingerprint(functools.partial(adder, 1))
    assert fingerprint(functools.lru_cache(adder(1))) != fingerprint(functools.lru_cache(adder(2)))

    def wrapped(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def wrapper(*args: Any) -> Any:
            return fn(*args)

        return wrapper

    assert fingerprint(wrapped(adder(1))) == fingerprint(wrapped(adder(1))) != fingerprint(wrapped(adder(2)))


def test_tasks_and_lazy_results() -> None:
    one, other = cs.task(adder(1)), cs.task(adder(2))
    assert fingerprint(one) == fingerprint(cs.task(adder(1))) != fingerprint(other)
    assert fingerprint(one) != fingerprint(cs.task(adder(1), name="else")) != fingerprint(adder(1))
    assert fingerprint(one(1)) == fingerprint(one(1)) != fingerprint(one(2)) != fingerprint(other(2))
    assert fingerprint(one(one(1))) != fingerprint(one(other(1)))
    assert fingerprint(cs.wait(1.0)) != fingerprint(cs.wait(2.0))


def recursive(n: int) -> Any:
    def f(x: int) -> Any:
        return f(x - n) if x else "end"

    return f


def mutual(n: int) -> tuple[Any, Any]:
    def even(x: int) -> Any:
        return odd(x - 1)

    def odd(x: int) -> Any:
        return even(x - n)

    return even, odd


def test_functions_that_refer_to_themselves_and_one_another() -> None:
    assert fingerprint(recursive(1)) == fingerprint(recursive(1)) != fingerprint(recursive(2))
    even, odd = mutual(1)
    assert fingerprint(even) == fingerprint(mutual(1)[0]) != fingerprint(mutual(2)[0])
    assert fingerprint(even) != fingerprint(odd)
    # The digest does not depend on what was looked at before.
    assert fingerprint([odd, even]) == fingerprint(list(reversed(mutual(1))))
    assert fingerprint({even, odd}) == fingerprint({odd, even}) == fingerprint(set(mutual(1)))


def state(i: int, states: list[Any], last: int) -> Any:
    return lambda x: states[(x + i) % last]


def test_states_that_all_know_one_another() -> None:
    def machine(last: int) -> Any:
        states: list[Any] = []
        for i in range(40):  # each way through them would be 40! ways
            states.append(state(i, states, last))
        return states[0]

    assert fingerprint(machine(7)) == fingerprint(machine(7)) != fingerprint(machine(8))


def test_a_dict_of_handlers_that_know_the_dict() -> None:
    def handlers(n: int) -> dict[str, Any]:
        table: dict[str, Any] = {}
        table["a"] = lambda: table["b"]
        table["b"] = lambda: n
        return table

    assert fingerprint(handlers(1)) == fingerprint(handlers(1)) != fingerprint(handlers(2))
    assert fingerprint(handlers(1)["a"]) == fingerprint(handlers(1)["a"]) != fingerprint(handlers(2)["a"])


def test_a_set_in_a_knot_is_refused() -> None:
    known: set[Any] = set()
    known.add(lambda: known)
    with pytest.raises(cs.CacheKeyError, match="`set` with a function that closes over it"):
        fingerprint(known)


def test_an_empty_cell_is_data() -> None:
    def make(given: bool) -> Any:
        if given:
            later = 1

        def f() -> int:
            return later

        return f

    assert fingerprint(make(False)) == fingerprint(make(False)) != fingerprint(make(True))


def test_the_message_says_which_cell() -> None:
    with pytest.raises(cs.CacheKeyError, match=r"got `object` - at `value.__closure__\['n'\]\[1\].__closure__\['n'\]`"):
        fingerprint(adder([1, adder(object())]))


@pytest.mark.long
def test_a_long_chain_of_functions() -> None:
    f: Any = adder(0)
    for _ in range(20_000):
        f = adder(f)
    assert len(fingerprint(f)) == 32
    while f.__closure__[0].cell_contents:  # one after the other
        f = f.__closure__[0].cell_contents


def test_digests_of_code_go_with_the_code() -> None:
    fingerprint(made(SAME))
    gc.collect()
    before = len(_codes)
    for i in range(50):
        fingerprint(made(SAME.replace("x + 1", f"x + {i + 1000}")))
    gc.collect()
    assert len(_codes) == before


def test_tasks_that_are_callables_of_other_kinds() -> None:
    policy = ResultCache()
    source = """
        import dataclasses
        @dataclasses.dataclass
        class Scale:
            by: int
            def __call__(self, x):
                return x * self.by + 0
    """
    keys = set()
    for text in (source, source.replace("+ 0", "+ 1")):
        module = types.ModuleType("scales")
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "scales", module)
            exec(textwrap.dedent(text), module.__dict__)
            for by in (1, 2):
                keys.add(policy.key(cs.task(module.Scale(by), name="scale"), (3,), {}))
            keys.add(policy.key(cs.task(module.Scale, name="make"), (3,), {}))
    assert len(keys) == 5  # the class by its name: making one runs the same code in both
