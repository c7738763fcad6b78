"""`python -m benchmarks.soak [--seconds S] [--agents N] [--alone]`."""

import sys

from benchmarks.soak.soak import main

if __name__ == "__main__":
    sys.exit(main())
