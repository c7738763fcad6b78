"""Where the package and the tests lie, for programs that tests start."""

from __future__ import annotations

from pathlib import Path

import cascade as cs

TESTS = Path(__file__).parents[1]
HOME = Path(cs.__file__).parents[1]
