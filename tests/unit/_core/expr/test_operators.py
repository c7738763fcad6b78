"""Operators, items and attributes of lazy results are nodes; what Python must know at once is refused."""

from __future__ import annotations

import collections.abc
import contextlib
import copy
import math
import operator
from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from support.tasks import give

BINARY = ["+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^", "<", "<=", "==", "!=", ">", ">="]


@pytest.mark.parametrize("sign", BINARY)
def test_a_binary_operator_is_a_node_on_either_side(sign: str) -> None:
    x, y = give(7), give(2)
    for text in (f"x {sign} y", f"x {sign} 2", f"7 {sign} y"):
        made = eval(text, {"x": x, "y": y})
        assert type(made) is cs.LazyResult, text
        assert cs.run(made) == eval(text, {"x": 7, "y": 2}), text


def test_other_operators() -> None:
    assert cs.run([-give(7), +give(7), ~give(7), abs(give(-7))]) == [-7, 7, -8, 7]
    assert cs.run([divmod(give(7), 2), divmod(7, give(2)), pow(give(3), 4, 5), pow(3, give(4), 5)]) == [
        (3, 1),
        (3, 1),
        1,
        1,
    ]

    class Matrix:
        def __matmul__(self, other: object) -> object:
            return "product", other

    assert cs.run(give(Matrix()) @ 3) == ("product", 3)
    x = give(1)
    x += 1
    assert cs.run(x) == 2


def test_what_python_would_do_with_a_sequence_on_the_left_is_a_node_too() -> None:
    x = give(2)
    assert cs.run(["a" + give("b"), [0] * x, (0,) * x]) == ["ab", [0, 0], (0, 0)]
    assert cs.run([[1] + give([2]), (1,) + give((2,))]) == [[1, 2], (1, 2)]  # noqa: RUF005
    assert cs.run([{1} | give({2}), {"a": 1} | give({"b": 2})]) == [{1, 2}, {"a": 1, "b": 2}]


def test_items() -> None:
    table = give({"k": [10, 20, 30], 1: "one"})
    assert cs.run([table["k"], table[1], table["k"][give(2)], table["k"][-1]]) == [[10, 20, 30], "one", 30, 30]
    assert cs.run([table["k"][1:], table["k"][give(1) :], table["k"][: give(2) : 2]]) == [[20, 30], [20, 30], [10]]

    class Grid:
        def __getitem__(self, key: object) -> object:
            return key

    assert cs.run(give(Grid())[1, give(2)]) == (1, 2)
    assert cs.run(give(Grid())[give(0) : give(2), 1, ::2]) == (slice(0, 2), 1, slice(None, None, 2))


def test_an_operator_is_a_call_that_runs_once_and_can_have_policies() -> None:
    seen: list[int] = []

    @cs.task(mode="inline")
    def note(x: int) -> int:
        seen.append(x)
        return x

    x = note(3) + 1
    assert cs.run([x, x * 2, x - x]) == [4, 8, 0]
    assert seen == [3]
    assert cs.run((give("a") + give("b")).after(note(4)).with_retry(2)) == "ab"
    with pytest.raises(ZeroDivisionError) as caught:
        cs.run([1, give(1) / give(0)])
    assert "task operator.truediv at $[1]" in caught.value.__notes__[0]


def test_operators_share_a_template(cold: cs.Engine) -> None:
    for number in range(3):
        assert cs.run(give(number) + number, engine=cold) == 2 * number
    assert cold.templates.stats.builds == 1


def test_equal_operators_are_two_nodes_and_hash_is_that_of_the_identity() -> None:
    x, y = give(1), give(1)
    assert type(x == y) is cs.LazyResult
    assert hash(x) != hash(y)
    assert {x: "x", y: "y"}[x] == "x"
    assert x in {x} and x in [y, x][1:]
    assert len({x, y, x}) == 2


def drive(coroutine: Any) -> None:
    """Take the first step."""
    coroutine.send(None)


async def use_with(x: Any) -> None:
    with x:
        pass


async def use_async_with(x: Any) -> None:
    async with x:
        pass


async def use_async_for(x: Any) -> None:
    async for _ in x:
        pass


USES: list[tuple[Callable[[Any], object], str]] = [
    (bool, "run_if"),
    (lambda x: not x, "run_if"),
    (lambda x: 0 < x < 3, "run_if"),
    (lambda x: x in [1], "run_if"),
    (lambda x: max(x, x), "run_if"),
    (len, r"cs.task\(len\)"),
    (list, r"x\[0\], x\[1\]"),
    (lambda x: [*x], r"x\[0\], x\[1\]"),
    (lambda x: [a + b for a, b in [x]], r"x\[0\], x\[1\]"),
    (lambda x: (lambda a, b: 0)(*x), r"x\[0\], x\[1\]"),
    (sum, r"x\[0\], x\[1\]"),
    (lambda x: 1 in x, "operator.contains"),
    (lambda x: f"{x}", r"cs.task\(format\)"),
    (lambda x: f"{x:.2f}", r"cs.task\(format\)"),
    ("{}".format, r"cs.task\(format\)"),
    (format, r"cs.task\(format\)"),
    (int, r"cs.task\(int\)"),
    (float, r"cs.task\(float\)"),
    (math.sqrt, r"cs.task\(float\)"),
    (complex, r"cs.task\(complex\)"),
    (round, r"cs.task\(round\)"),
    (lambda x: round(x, 2), r"cs.task\(round\)"),
    (math.trunc, r"cs.task\(math.trunc\)"),
    (math.floor, r"cs.task\(math.floor\)"),
    (math.ceil, r"cs.task\(math.ceil\)"),
    (operator.index, "operator.getitem"),
    (lambda x: [1, 2][x], "operator.getitem"),
    (range, "operator.getitem"),
    (hex, "operator.getitem"),
    (reversed, r"x\[::-1\]"),
    (lambda x: dict(**x), r"x\['name'\]"),
    (lambda x: {**x}, r"x\['name'\]"),
    (lambda x: {}.update(x), r"x\['name'\]"),
    (dict, r"x\['name'\]"),
    (next, r"x\[0\]"),
    (bytes, r"cs.task\(bytes\)"),
    (lambda x: contextlib.ExitStack().enter_context(x), "cs.resource"),
    (lambda x: drive(use_with(x)), "cs.resource"),
    (lambda x: drive(use_async_with(x)), "cs.resource"),
    (lambda x: drive(use_async_for(x)), "in an async task"),
]


@pytest.mark.parametrize(("use", "instead"), USES)
def test_what_python_must_know_at_once_is_refused(use: Callable[[Any], object], instead: str) -> None:
    with pytest.raises(TypeError, match=f"a lazy result has no .* before it has run; .*: .*{instead}"):
        use(give(1))


def test_an_attribute_is_refused_by_name_and_is_a_node_by_attr() -> None:
    x = give(3 + 4j)
    with pytest.raises(AttributeError, match=r"'imag': write cs.attr\(x, 'imag'\) .*; a method .* called in a task"):
        x.imag  # noqa: B018
    assert not hasattr(x, "imag") and not hasattr(x, "__array__")
    assert getattr(x, "imag", None) is None


def test_text_is_harmless() -> None:
    x = give(1) + 2
    text = "<LazyResult add(<LazyResult give(1)>, 2)>"
    assert repr(x) == str(x) == f"{x!r}" == f"{x!s}" == "%s" % x == text  # noqa: UP031


def test_it_is_no_container_to_isinstance() -> None:
    x = give(1)
    for kind in (collections.abc.Iterable, collections.abc.Sized, collections.abc.Container, collections.abc.Sequence):
        assert not isinstance(x, kind)
    assert not callable(x)


def test_it_is_immutable() -> None:
    x: Any = give([1])
    with pytest.raises(TypeError, match="was given an item: change its value in a task"):
        x[0] = 2
    with pytest.raises(TypeError, match="was to lose an item: change its value in a task"):
        del x[0]
    with pytest.raises(AttributeError, match="cannot be given the attribute 'name': change its value in a task"):
        x.name = 1
    with pytest.raises(AttributeError):
        del x.name


def test_numpy_leaves_operators_to_the_lazy_result() -> None:
    np = pytest.importorskip("numpy")
    row = np.array([1, 2])
    for made in (row + give(5), give(5) + row, np.float64(2) * give(3), row == give(1)):
        assert type(made) is cs.LazyResult
    assert cs.run(row + give(5)).tolist() == cs.run(give(5) + row).tolist() == [6, 7]
    assert cs.run(row == give(1)).tolist() == [True, False]


def test_the_package_compares_no_lazy_results() -> None:
    """Where `==` would be a node, `in` and `index` on a list of lazy results would raise."""
    x, y = give(1), give(2)
    target = cs.Router(give("a"), {"a": x.after(y, x), "b": y}, default=x).run_if(x, otherwise=y)
    assert cs.run(cs.sequence([target, x.with_retry(2), y])) == [1, 1, 2]
    assert cs.explain([x, y, x]) and cs.visualize([x, y]).mermaid and cs.dry_run([x, target]).ok
    assert copy.copy(give) is give
