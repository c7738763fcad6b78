"""One question a file. Each file is a topic of `python -m benchmarks`; its `benchmarks()` yields the benchmarks."""
