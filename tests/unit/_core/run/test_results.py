"""What a task returns is treated as what it is given: a container of lazy results is an expression."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from cascade.cache.protocol import Hit
from cascade.events import NodeEvent
from support.tasks import add, give, leaf
from support.values import Card, Pair, Point

MODES = ["inline", "thread", "auto", "async", "coroutine", "suspending"]


def returning(value: Callable[[], object], mode: str) -> cs.Task:
    """A task that returns what a function gives."""

    async def later() -> object:
        return value()

    async def suspending() -> object:
        await asyncio.sleep(0)
        return value()

    def coroutine() -> object:
        return later()

    function = {"async": later, "suspending": suspending, "coroutine": coroutine}.get(mode)
    if function is None:
        return cs.task(lambda: value(), mode=mode)  # type: ignore[arg-type]
    return cs.task(function) if mode in ("async", "suspending") else cs.task(function, mode="inline")


CONTAINERS: list[tuple[Callable[[], object], object]] = [
    (lambda: [leaf(1), 2], [1, 2]),
    (lambda: (leaf(1), [leaf(2)]), (1, [2])),
    (lambda: {"a": leaf(1), "b": {"c": (leaf(2),)}}, {"a": 1, "b": {"c": (2,)}}),
    (lambda: {leaf(1), 2}, {1, 2}),
    (lambda: frozenset({leaf(1)}), frozenset({1})),
    (lambda: Point(leaf(1), [leaf(2)]), Point(1, [2])),
    (lambda: Pair(leaf(1), 2), Pair(1, 2)),
    (lambda: Card(leaf(1), Pair(leaf(2), 3)), Card(1, Pair(2, 3))),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("make", "expected"), CONTAINERS)
def test_in_tail_position_and_inside_a_graph(mode: str, make: Callable[[], object], expected: object) -> None:
    fan = returning(make, mode)
    for _ in range(4):  # under the auto rule in threads first, then inline
        for found in (cs.run(fan()), cs.run(give(fan())), cs.run([fan()])[0]):
            assert found == expected
            assert type(found) is type(expected)


@pytest.mark.parametrize("mode", MODES)
def test_a_container_without_a_lazy_result_is_the_object_itself(mode: str) -> None:
    value = [[1], {"a": (2,)}, Point(1, 2), Card(1, 2), {3}]
    fan = returning(lambda: value, mode)
    assert cs.run(fan()) is value
    assert cs.run(give(fan())) is value


def test_a_tail_call_through_a_list_needs_no_memory() -> None:
    @cs.task(mode="inline")
    def count(n: int) -> object:
        return [count(n - 1)] if n else "end"

    found = cs.run(count(500))
    for _ in range(500):
        (found,) = found
    assert found == "end"

    @cs.task(mode="inline")
    def last(n: int, pair: object) -> object:
        return last(n - 1, both(n)) if n else pair

    both = cs.task(lambda n: (leaf(n), leaf(n)), mode="inline")
    assert cs.run(last(2000, None)) == (1, 1)


def test_items_of_a_map() -> None:
    @cs.task(mode="inline")
    def each(n: int) -> object:
        return {"n": leaf(n), "next": add(n, 1)} if n else leaf().run_if(False)

    assert cs.run(each.map(n=[1, 0, 2])) == [{"n": 1, "next": 2}, cs.SKIPPED, {"n": 2, "next": 3}]


class Kept:
    """A cache policy that keeps results by the arguments alone."""

    blocking = False

    def __init__(self) -> None:
        self.place: dict[bytes, object] = {}

    def key(self, task: cs.Task, args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
        return repr(args).encode()

    def load(self, key: bytes, now: float) -> Hit | None:
        return Hit(self.place[key]) if key in self.place else None

    def save(self, key: bytes, value: object, now: float) -> None:
        self.place[key] = value

    def check(self, task: cs.Task) -> None: ...


@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_policies(mode: Any) -> None:
    calls: list[int] = []

    @cs.task(mode=mode)
    def fan(n: int) -> object:
        calls.append(n)
        if len(calls) < 3:
            raise OSError
        return [leaf(n), n]

    async def main() -> None:
        async with cs.Engine(limits={"gpu": 1}) as engine:
            cached = fan.with_retry(max_attempts=3).with_constraints(gpu=1).with_cache(Kept())
            assert await engine.run(cached(7)) == [7, 7]
            assert await engine.run([cached(7), give(cached(7))]) == [[7, 7], [7, 7]]
            assert calls == [7, 7, 7]
            if mode == "thread":
                assert await engine.run(fan(8).with_timeout(60)) == [8, 8]

    asyncio.run(main())


def test_resources() -> None:
    @cs.resource(scope="call")
    def number() -> Any:
        yield 5

    @cs.task(mode="inline")
    def fan(n: int = cs.Inject("number")) -> object:
        return [leaf(n), cs.inject("word")]

    engine = cs.Engine()
    engine.register(number)
    engine.register("word", "word")
    assert cs.run(give([fan()]), engine=engine) == [[5, "word"]]


def test_what_is_skipped_inside() -> None:
    skipped = leaf().run_if(False)

    @cs.task(mode="inline")
    def fan() -> object:
        return [leaf(1), skipped, {"a": [skipped], "b": (skipped, {skipped}, Pair(skipped, 2), Card(3, skipped))}]

    gone = cs.SKIPPED
    expected = [1, gone, {"a": [gone], "b": (gone, {gone}, Pair(gone, 2), Card(3, gone))}]
    assert cs.run(fan()) == expected
    assert cs.run(give(fan())) == expected


def test_a_container_that_a_call_takes_too_is_skipped_there() -> None:
    inner = [leaf().run_if(False), 1]

    @cs.task(mode="inline")
    def fan() -> object:
        return [inner, give(inner), [[inner]], give([inner])]

    listed = [cs.SKIPPED, 1]
    for order in (fan(), [fan(), fan()][0]):
        assert cs.run(order) == [listed, cs.SKIPPED, [[listed]], cs.SKIPPED]
    assert cs.run([give(inner), inner]) == [cs.SKIPPED, listed]


@pytest.mark.parametrize("mode", MODES)
def test_each_start_has_one_end(mode: str) -> None:
    fan = returning(lambda: [leaf(1), [leaf(2)]], mode)
    engine = cs.Engine()
    seen: list[tuple[str, str, str]] = []
    engine.events.subscribe(NodeEvent, lambda event: seen.append((type(event).__name__, event.task, event.path)))
    assert cs.run(give(fan()), engine=engine) == [1, [2]]
    name = fan.module + "." + fan.name
    assert [kind for kind, task, path in seen if task == name] == ["NodeStarted", "NodeFinished"]
    starts = sorted(each[1:] for each in seen if each[0] == "NodeStarted")
    assert starts == sorted(each[1:] for each in seen if each[0] == "NodeFinished")
    leaves = {path for _, task, path in seen if task == f"{leaf.module}.leaf"}
    assert leaves == {"$.args[0].returned[0]", "$.args[0].returned[1][0]"}


@pytest.mark.parametrize("mode", MODES)
def test_what_cannot_be_an_expression_fails_the_task(mode: str) -> None:
    circular: list[object] = [leaf()]
    circular.append(circular)
    for value, message in (
        (circular, "a list inside itself"),
        ({leaf(): 1}, "dict key"),
        ([{"a": [Holder(leaf())]}], r"a `Holder` must not hold a lazy result, got <LazyResult leaf.* - at \$\[0\]"),
        (Holder(leaf()), r"a `Holder` must not hold a lazy result, got <LazyResult leaf.* - at \$"),
    ):
        fan = returning(lambda value=value: value, mode)
        with pytest.raises(cs.StructureError, match=message) as caught:
            cs.run([give(fan())])
        assert f"task {fan.module}.{fan.name} at $[0].args[0]" in caught.value.__notes__[0]
    circular.clear()


class Holder(list):
    """A list of a kind of its own."""

    def __init__(self, value: object) -> None:
        super().__init__([value])


def test_a_list_that_holds_itself_is_data() -> None:
    circular: list[object] = [1]
    circular.append(circular)
    assert cs.run(give(cs.task(lambda: circular, mode="inline")())) is circular
    circular.clear()


def test_a_failure_inside_says_where_it_was() -> None:
    @cs.task(mode="inline")
    def inverse(n: int) -> float:
        return 1 / n

    @cs.task(mode="inline")
    def fan() -> object:
        return {"a": [inverse(1), inverse(0)]}

    with pytest.raises(ZeroDivisionError) as caught:
        cs.run(fan())
    assert "inverse at $['a'][1]" in caught.value.__notes__[0]


def test_deep_results_need_no_stack() -> None:
    def nested(depth: int, value: object) -> object:
        for _ in range(depth):
            value = [value]
        return value

    deep = cs.task(lambda value: nested(100_000, leaf(value)), mode="inline")
    found = cs.run(deep(7))
    for _ in range(100_000):
        (found,) = found
    assert found == 7
    plain = nested(100_000, 7)
    assert cs.run(give(cs.task(lambda: plain, mode="inline")())) is plain
    while isinstance(plain, list):
        plain = plain.pop()


def test_nothing_is_kept_of_an_expression_that_was_a_container() -> None:
    class Token:
        pass

    @cs.task(mode="inline")
    def fan() -> object:
        return [leaf(Token()), Token()]

    cs.run(give(fan()))
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Token]
