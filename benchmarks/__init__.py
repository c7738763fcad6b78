"""What Cascade costs, as ratios to hand-written loops that make the same Python calls: `python -m
benchmarks`.
"""
