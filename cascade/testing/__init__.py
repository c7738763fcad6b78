"""What tests of programs need that use Cascade.

    spy             collects the events of an engine                     spy.py
    override        has resources stand in for others                    override.py
    FakeChannel     a channel that never waits and keeps what was sent   channel.py
    VirtualTime     an engine on which hours of waiting take no time     virtual.py
    fixtures        the same as a fixture of pytest, `virtual`           fixtures.py
    conformance     checks of implementations of the protocols           conformance/

Not loaded by ``import cascade``: `cascade.testing` is, when it is first asked for.
"""

from __future__ import annotations

from cascade.testing.channel import FakeChannel
from cascade.testing.override import override
from cascade.testing.spy import spy
from cascade.testing.virtual import VirtualTime

__all__ = ["FakeChannel", "VirtualTime", "override", "spy"]
