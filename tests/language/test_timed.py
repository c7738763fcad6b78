"""What happens at the same time happens as in plain asyncio code: the same values, at the same time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.testing import VirtualTime
from language.timed import Node, evaluate, observe
from language.timed_programs import timed_programs


def check(node: Node, cancel: float | None = None) -> None:
    """Compare an engine with the reference."""
    reference, virtual = VirtualTime(), VirtualTime()
    try:
        expected = reference.run(evaluate(node, reference.clock.time, cancel))
        for _ in range(2):  # cold, and warm
            begin = virtual.time
            value, events = virtual.run(observe(virtual.engine, node, cancel))
            assert (value, [(round(time - begin * 1e9), *rest) for time, *rest in events]) == expected
            assert virtual.engine.runs == ()
    finally:
        reference.close()
        virtual.close()


@pytest.mark.parametrize("sharing", [False, True], ids=["trees", "sharing"])
def test_as_in_plain_asyncio_code(sharing: bool) -> None:
    @settings(max_examples=500)
    @given(timed_programs(sharing))
    def agrees(node: Node) -> None:
        check(node)

    agrees()


@pytest.mark.parametrize("sharing", [False, True], ids=["trees", "sharing"])
def test_cancelled_at_any_time(sharing: bool) -> None:
    @settings(max_examples=300)
    @given(timed_programs(sharing), st.integers(0, 40))
    def agrees(node: Node, half_seconds: int) -> None:
        check(node, half_seconds / 2 + 0.0123456)

    agrees()
