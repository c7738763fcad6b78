"""`python -m cascade`: the command line."""

from __future__ import annotations

import sys

from cascade.command_line.app import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
