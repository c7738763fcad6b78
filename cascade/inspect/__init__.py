"""Looking at an expression without running it: its digest, tables, diagrams, JSON, and dry runs."""
