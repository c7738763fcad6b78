"""Tools for tests of programs that use Cascade.

    spy             collects the events of an engine                     spy.py
    override        replaces resources                                   override.py
    FakeChannel     a channel that never waits and records messages      channel.py
    VirtualTime     an engine on which hours of waiting take no time     virtual.py
    fixtures        the pytest fixture `virtual`: a `VirtualTime`        fixtures.py
    conformance     checks of implementations of the protocols           conformance/

``import cascade`` does not load it: the first access to `cascade.testing` does.
"""

from __future__ import annotations

from cascade._support.lazy_names import lazy_names
from cascade.testing.channel import FakeChannel
from cascade.testing.override import override
from cascade.testing.spy import spy
from cascade.testing.virtual import VirtualTime

__all__ = ["FakeChannel", "VirtualTime", "override", "spy"]
__getattr__, __dir__ = lazy_names(__name__, {}, __all__)
