"""The engine: evaluates expressions as runs and populations, and answers the callbacks of the compiled core."""
