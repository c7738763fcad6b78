"""What lazy results and templates show themselves as in notebooks."""

from __future__ import annotations

import gc
import shutil
from typing import Any

import pytest

import cascade as cs
from cascade._core.shape.extract import structure
from cascade.inspect import display
from cascade.inspect.mime import MARKDOWN, MERMAID
from cascade.templates.cache import default_templates

PLAIN = "text/plain"


@cs.task(mode="inline")
def add(a: Any, b: Any) -> Any:
    return a


@cs.task(mode="inline")
def tick(n: int) -> Any:
    return tick(n - 1) if n else None


@pytest.fixture(autouse=True)
def without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)


def chain(length: int) -> Any:
    made: Any = add(0, 0)
    for number in range(length - 1):
        made = add(made, number)
    return made


def test_a_lazy_result_shows_its_picture() -> None:
    target = add(1, add(2, 3))
    bundle = target._repr_mimebundle_()
    assert bundle == {
        PLAIN: repr(target),
        MERMAID: cs.visualize(target).mermaid,
        MARKDOWN: f"```mermaid\n{cs.visualize(target).mermaid}\n```",
    }
    assert target._repr_mimebundle_(include={PLAIN}) == {PLAIN: repr(target)}
    assert target._repr_mimebundle_(None, {MARKDOWN, PLAIN}) == {MERMAID: bundle[MERMAID]}


def test_what_ipython_looks_for_is_no_data() -> None:
    target = add(1, 2)
    for name in (
        "_ipython_canary_method_should_not_exist_",
        "_ipython_display_",
        "_repr_html_",
        "_repr_png_",
        "_repr_pretty_",
    ):
        assert getattr(target, name, None) is None
    assert callable(target._repr_mimebundle_)


def test_names_are_no_markup() -> None:
    @cs.task(name='x"]\nclick n0 "javascript:alert(1)" <b>``` ```mermaid')
    def evil(n: int) -> int:
        return n

    bundle = evil(evil(1))._repr_mimebundle_()
    assert len(bundle[MERMAID].splitlines()) == len(cs.visualize(add(add(1, 2), 3)).mermaid.splitlines())
    assert "<b>" not in bundle[MERMAID]
    assert "javascript:" not in bundle[MERMAID]
    assert bundle[MARKDOWN].count("```") == 2


def test_tail_calls_are_drawn_once_observed() -> None:
    cs.run(tick(3))
    assert "tail call" in tick(3)._repr_mimebundle_()[MERMAID]
    engine = cs.Engine()
    cs.run(tick(3), engine=engine)
    (template,) = engine.templates
    assert "tail call" in template._repr_mimebundle_()[MERMAID]


def test_a_template_and_a_shape_show_their_picture() -> None:
    template = cs.Templates().lookup(add(1, 2))
    assert template._repr_mimebundle_()[PLAIN] == "<Template of 1 node>"
    assert template._repr_mimebundle_()[MERMAID] == cs.visualize(cs.from_json(cs.to_json(add(1, 2)))).mermaid
    shape = cs.from_json(cs.to_json(chain(2)))
    assert shape._repr_mimebundle_()[PLAIN] == "<Shape of 2 nodes>"
    assert shape._repr_mimebundle_()[MERMAID] == cs.visualize(shape).mermaid


@pytest.mark.parametrize("kind", ["lazy result", "template", "shape"])
def test_the_text_says_that_a_graph_is_too_large_to_draw(kind: str) -> None:
    target = chain(201)
    shown = {
        "lazy result": target,
        "template": cs.Templates().lookup(target),
        "shape": cs.from_json(cs.to_json(target)),
    }[kind]
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {PLAIN}
    assert "(no picture: 201 nodes, at most 200 are drawn in a notebook" in bundle[PLAIN]
    assert MERMAID in chain(200)._repr_mimebundle_()


def test_of_a_huge_expression_no_template_is_built() -> None:
    before = default_templates.stats
    bundle = chain(100_000)._repr_mimebundle_()
    assert set(bundle) == {PLAIN}
    assert "too large to be drawn" in bundle[PLAIN]
    assert default_templates.stats == before
    gc.collect()


def test_what_has_no_structure_is_text() -> None:
    loop: list[Any] = [add(1, 2)]
    loop.append(loop)
    bundle = add(loop, 1)._repr_mimebundle_()
    assert set(bundle) == {PLAIN}
    assert "(no picture: cascade.StructureError" in bundle[PLAIN]


def test_the_bound_of_the_key_is_above_that_of_the_nodes() -> None:
    """Nodes with much beside their arguments: an expression that has few enough of them is not refused for its key."""
    calls = [add.with_retry(3).with_constraints(a=1, b=2)(n, b=[n, {"x": add(n, n)}]) for n in range(display.NODES)]
    key, _ = structure(cs.gather(*calls))
    assert len(key) < 4 * display.TOKENS
