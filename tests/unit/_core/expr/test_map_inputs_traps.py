"""Inputs of maps that look like a series and are none, and parameters that have the name of a setting."""

from __future__ import annotations

import collections
from typing import Any

import pytest

import cascade as cs
from support.tasks import leaf


@cs.task(mode="inline")
def crawl(url: object, concurrency: object = 1) -> tuple[object, object]:
    return url, concurrency


def test_a_parameter_that_is_called_concurrency() -> None:
    assert cs.run(crawl.map(url=["a", "b"])) == [("a", 1), ("b", 1)]
    assert cs.run(crawl.map(url=["a", "b"], concurrency=cs.const(8))) == [("a", 8), ("b", 8)]
    assert cs.run(crawl.map(url=["a", "b"], concurrency=[8, 9])) == [("a", 8), ("b", 9)]
    assert cs.run(crawl.map(url=["a", "b"], concurrency=leaf([8, 9]))) == [("a", 8), ("b", 9)]
    message = r"concurrency must be clear, got concurrency=8, .*: write concurrency=cs.const\(8\) for the parameter"
    with pytest.raises(cs.MapError, match=message):
        crawl.map(url=["a", "b"], concurrency=8)


def test_a_task_that_takes_any_names() -> None:
    @cs.task(mode="inline")
    def any_names(**names: object) -> dict[str, object]:
        return names

    assert cs.run(any_names.map(x=[1, 2], concurrency=1)) == [{"x": 1}, {"x": 2}]
    assert cs.run(any_names.map(x=[1], concurrency=[2])) == [{"x": 1, "concurrency": 2}]
    assert cs.run(any_names.map(x=[1], concurrency=cs.const(2))) == [{"x": 1, "concurrency": 2}]


def test_for_all_other_tasks_it_is_the_setting() -> None:
    one = cs.task(lambda x: x, mode="inline")
    assert cs.run(one.map(x=[1, 2], concurrency=1)) == [1, 2]
    for wrong in (0, -1, True, "1", [1], cs.const(1)):
        with pytest.raises(cs.MapError, match="concurrency must be None or an int >= 1"):
            one.map(x=[1], concurrency=wrong)


class DataFrame:
    """What a table of pandas, polars or pyarrow looks like: iterated over, it gives the names of its columns."""

    columns = ("a", "b")

    def __iter__(self) -> Any:
        return iter(self.columns)

    def __len__(self) -> int:
        return 3


@pytest.mark.parametrize(
    "value",
    [
        "text",
        b"bytes",
        {"a": 1},
        collections.OrderedDict(a=1),
        collections.UserDict(a=1),
        collections.ChainMap({"a": 1}),
        {1, 2},
        3,
        None,
        leaf,
    ],
)
def test_what_is_no_series(value: object) -> None:
    one = cs.task(lambda x: x, mode="inline")
    with pytest.raises(cs.MapError, match=r"input 'x' of a map must be a series of items, got `\w+`: write x=cs.const"):
        one.map(x=value)
    with pytest.raises(cs.MapError, match="must be a series of items"):
        cs.run(one.map(x=cs.task(lambda: value, mode="inline")()))


@pytest.mark.parametrize(
    ("value", "instead"),
    [
        ({"a": 1}, r"x=list\(d\), list\(d.values\(\)\) or list\(d.items\(\)\)"),
        ({1}, r"x=sorted\(s\)"),
        (7, r"x=\[...\]"),
    ],
)
def test_what_to_write_instead(value: object, instead: str) -> None:
    one = cs.task(lambda x: x, mode="inline")
    for target in (lambda: one.map(x=value), lambda: cs.run(one.map(x=cs.task(lambda: value, mode="inline")()))):
        with pytest.raises(cs.MapError, match=f"write x=cs.const.* {instead}"):
            target()


def test_a_table_is_refused_with_what_to_write() -> None:
    one = cs.task(lambda x: x, mode="inline")
    with pytest.raises(cs.MapError, match=r"got the table `DataFrame`: write x=table\[\"column\"\]"):
        one.map(x=DataFrame())
    with pytest.raises(cs.MapError, match="got the table"):
        cs.run(one.map(x=cs.task(DataFrame, mode="inline")()))


def test_arrays() -> None:
    np = pytest.importorskip("numpy")
    one = cs.task(lambda x: x, mode="inline")
    assert cs.run(one.map(x=np.arange(3))) == [0, 1, 2]
    rows = cs.run(one.map(x=np.arange(4).reshape(2, 2)))
    assert [row.tolist() for row in rows] == [[0, 1], [2, 3]]
    for scalar in (np.array(3), np.float64(3)):
        with pytest.raises(cs.MapError, match="must be a series of items"):
            one.map(x=scalar)


def test_series_of_other_kinds_may_hold_lazy_results() -> None:
    double = cs.task(lambda x: 2 * x, mode="inline")
    lazies = [leaf(1), leaf(2)]
    for series in (collections.deque(lazies), iter(lazies), (one for one in lazies), dict.fromkeys(lazies).keys()):
        assert cs.run(double.map(x=series)) == [2, 4]
