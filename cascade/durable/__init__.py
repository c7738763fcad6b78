"""The state of runs outside the engine: what a state backend is told at each tail call, and where it keeps it."""
