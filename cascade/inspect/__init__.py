"""Inspection of an expression without running it: its digest, tables, diagrams, JSON, and dry runs."""

__all__: list[str] = []
