"""The state of runs outside the engine: state backends, which record each tail call."""
