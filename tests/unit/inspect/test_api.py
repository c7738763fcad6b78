"""`explain` and `visualize`, as users call them."""

from __future__ import annotations

import cascade as cs


def test_explain_and_visualize_run_nothing() -> None:
    def never(*args: object) -> None:
        raise AssertionError("ran")

    task = cs.task(never, name="thename", mode="inline")
    target = task(task(1), [task()])
    assert "thename" in cs.explain(target)
    picture = cs.visualize(target)
    assert "thename" in picture.mermaid
    assert "thename" in picture.dot


def test_the_picture_shows_tail_calls_that_were_observed(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def loop(n: int) -> object:
        return loop(n - 1) if n else "end"

    before = cs.visualize(loop(3), engine=cold)
    cs.run(loop(3), engine=cold)
    after = cs.visualize(loop(3), engine=cold)
    assert len(after.dot) > len(before.dot)
    assert len(after.mermaid) > len(before.mermaid)
