"""`python -m cascade`: the command line."""

from __future__ import annotations

import sys

from cascade.command_line.app import main

if __name__ == "__main__":
    sys.exit(main())
