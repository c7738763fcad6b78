"""What runs expressions: engine, runs, populations, and what the compiled core calls."""
