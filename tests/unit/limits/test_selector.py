"""For which calls a rule or a pause holds."""

from __future__ import annotations

import pytest

import cascade as cs
from cascade.limits import UNLIMITED, Limits


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


NAMES = ("run:order-17", "tag:site=7", "tag:kind=a=b")


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
        ("run:order", False),
        ("tag:site=8", False),
        ("tag:site", False),
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
    "selector", ["", "tag:", "tags:x", "fetch", "gpux", "fetch*", "tasks:x", "task:", "run:", "Task:x", "rum*"]
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
    with pytest.raises(TypeError, match="selector must be a str, got `int`"):
        limits.pause(1)  # type: ignore[arg-type]
    assert not limits.active
