"""For which calls a rule or a pause holds."""

from __future__ import annotations

import re

import pytest

import cascade as cs
from cascade.limits import UNLIMITED, Limits
from cascade.limits.selector import Selector, label_names


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("*", True),
        ("task:*", True),
        ("task:shop.fetch_all", True),
        ("task:fetch_all", True),
        ("task:fetch*", True),
        ("task:shop.*", True),
        ("*fetch*", True),
        ("[rt]*", True),
        ("run:12", True),
        ("run:1?", True),
        ("run:*", True),
        ("task:Fetch_all", False),
        ("task:fetch", False),
        ("task:shop", False),
        ("task:hop.fetch_all", False),
        ("run:1", False),
        ("run:123", False),
        ("task:12", False),
        ("run:fetch*", False),
    ],
)
@pytest.mark.parametrize("kind", ["rule", "pause"])
def test_a_selector_is_a_glob_of_names(limits: Limits, selector: str, holds: bool, kind: str) -> None:
    if kind == "rule":
        limits.set(selector, concurrency=1)
    else:
        limits.pause(selector)
    assert limits.governs("shop.fetch_all", "fetch_all", 12) is holds
    assert (limits.request("shop.fetch_all", "fetch_all", 12, None) is UNLIMITED) is not holds
    assert limits.active
    assert limits.remove(selector) if kind == "rule" else limits.resume(selector)
    assert not limits.active and not limits.governs("shop.fetch_all", "fetch_all", 12)


NAMES = label_names("order-17", {"site": "7", "kind": "a=b"})


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("run:order-17", True),
        ("run:order-*", True),
        ("tag:site=7", True),
        ("tag:site=*", True),
        ("tag:*", True),
        ("tag:kind=a=b", True),
        ("[t]ag:site=7", True),
        ("run:12", True),
        ("tag:site", True),
        ("tag:sit?", True),
        ("run:order", False),
        ("tag:site=8", False),
        ("tag:site=", False),
        ("tag:sit", False),
        ("tag:a", False),
        ("tag:7", False),
        ("task:order-17", False),
    ],
)
def test_a_selector_matches_what_a_run_is_called(limits: Limits, selector: str, holds: bool) -> None:
    limits.pause(selector)
    assert limits.governs("shop.fetch", "fetch", 12, NAMES) is holds
    request = limits.request("shop.fetch", "fetch", 12, None, NAMES)
    assert (request is UNLIMITED) is not holds
    assert not limits.governs("shop.fetch", "fetch", 13) or selector == "run:12"


@pytest.mark.parametrize(
    "selector",
    [
        "",
        "tag:",
        "tags:x",
        "fetch",
        "gpux",
        "fetch*",
        "tasks:x",
        "task:",
        "run:",
        "Task:x",
        "rum*",
        "?",
        "ta?",
        "[abc",
        "[abc]*x",
        "tag:=7",
        "????",
        "[!t]ask:x",
        "task",
        " task:x",
        "task :x",
        "task/x",
    ],
)
def test_what_can_match_nothing_is_no_selector(limits: Limits, selector: str) -> None:
    for refuse in (
        lambda: limits.set(selector, concurrency=1),
        lambda: limits.set(selector, rate="1/s"),
        lambda: limits.pause(selector),
        lambda: limits.resume(selector),
        lambda: limits.remove(selector),
    ):
        with pytest.raises(cs.LimitError, match=r"selector must be 'task:\.\.\.'"):
            refuse()
    with pytest.raises(TypeError, match="selector must be a str or a task, got `int`"):
        limits.pause(1)  # type: ignore[arg-type]
    assert not limits.active


@pytest.mark.parametrize("selector", ["ta*", "?ask:*", "[rt]*", "t[a]g:x", "****", "tas[k]:x", "task:[", "run:[!7]"])
def test_a_glob_that_can_match_a_name_is_a_selector(selector: str) -> None:
    assert Selector(selector).text == selector


@pytest.mark.parametrize(
    ("selector", "meant"),
    [("tags:site=7", "tag:site=7"), ("Task:fetch", "task:fetch"), (" run:7", "run:7"), ("tasks:x*", "task:x*")],
)
def test_an_error_says_what_was_meant(selector: str, meant: str) -> None:
    with pytest.raises(cs.LimitError, match=f"got '{re.escape(selector)}': write '{re.escape(meant)}'"):
        Selector(selector)


@cs.task(mode="inline")
def fetch(page: int) -> int:
    return page


@cs.task(mode="inline", name="odd[name]*")
def odd() -> str:
    return "odd"


def test_a_task_stands_for_its_name(limits: Limits) -> None:
    name = f"{__name__}.fetch"
    limits.set(fetch, concurrency=2, rate="1/s", priority=1)
    limits.pause(fetch)
    assert {state.name for state in limits.snapshot()} == {"gpu", f"task:{name}"}
    assert limits.governs(name, "fetch", 1) and not limits.governs("elsewhere.fetch", "fetch", 1)
    assert limits.resume(f"task:{name}") and not limits.resume(fetch)
    assert limits.remove(fetch) and not limits.remove(fetch)
    assert not limits.active


def test_the_name_of_a_task_is_no_glob(limits: Limits) -> None:
    limits.pause(odd)
    assert limits.governs(f"{__name__}.odd[name]*", "odd[name]*", 1)
    assert not any(limits.governs(f"{__name__}.{name}", name, 1) for name in ("oddn", "odd[name]s"))
    assert limits.resume(odd) and not limits.active


def test_what_is_no_task_is_refused_with_what_to_write(limits: Limits) -> None:
    with pytest.raises(TypeError, match=r"got a lazy result: write the task itself, or 'task:.*\.fetch'"):
        limits.pause(cs.lazy(fetch(1)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got the function plain: write 'task:plain'"):
        limits.pause(plain)  # type: ignore[arg-type]
    with pytest.raises(
        cs.LimitError, match="selector must be the name of a limit where a capacity is given, got <Task"
    ):
        limits.set(fetch, capacity=1)


def plain() -> None: ...
