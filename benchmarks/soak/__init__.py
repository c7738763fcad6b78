"""Populations that live for a long time: the soak (`python -m benchmarks.soak`), and the fireflies of `agents`."""
