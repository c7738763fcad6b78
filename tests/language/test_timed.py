"""What happens at the same time happens as in plain asyncio code: the same values, at the same time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from cascade.testing import VirtualTime
from language.timed import Node, evaluate, observe
from language.timed_programs import timed_programs


def run(node: Node) -> None:
    reference = VirtualTime()
    try:
        expected = reference.run(evaluate(node, reference.clock.time))
    finally:
        reference.close()
    virtual = VirtualTime()
    try:
        for _ in range(2):  # cold, and warm
            begin = virtual.time
            value, events = virtual.run(observe(virtual.engine, node))
            assert (value, [(round(time - begin * 1e9), *rest) for time, *rest in events]) == expected
    finally:
        virtual.close()


@pytest.mark.parametrize("sharing", [False, True], ids=["trees", "sharing"])
def test_as_in_plain_asyncio_code(sharing: bool) -> None:
    @settings(max_examples=500)
    @given(timed_programs(sharing))
    def agrees(node: Node) -> None:
        run(node)

    agrees()
