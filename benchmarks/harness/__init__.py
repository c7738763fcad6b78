"""The harness of the benchmarks: samples and their timing, rows, the report, fresh processes, and what lies below
Cascade's public names.
"""
