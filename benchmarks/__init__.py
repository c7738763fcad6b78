"""The cost of Cascade, as ratios to hand-written loops that make the same Python calls: `python -m benchmarks`."""
