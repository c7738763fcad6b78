"""The name of this process, for events: unique among the processes that may write them to one place."""

from __future__ import annotations

import os
import secrets
import sys

__all__ = ["this_process"]

_known: tuple[int, str] = (0, "")  # the process for which the name was made, and the name


def this_process() -> str:
    """Return the name: host, number and a random part, as numbers are used again: "shop-3:4711:9f2c01"."""
    global _known
    pid = os.getpid()
    if _known[0] != pid:  # for the first time, or in a forked process
        if sys.platform == "win32":
            import platform

            host = platform.node()
        else:
            host = os.uname().nodename
        _known = pid, f"{host}:{pid}:{secrets.token_hex(3)}"
    return _known[1]
