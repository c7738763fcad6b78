"""Names of test cases that are the same in every process, as tests that are spread over several have to be."""

from __future__ import annotations

import re
from typing import Any


def case_name(value: Any) -> str:
    """Its text, without addresses and with sets in order."""
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(case_name, value))) + "}"
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))
