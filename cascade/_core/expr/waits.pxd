"""Waits: built-in nodes that complete when the engine's clock has come so far."""
