"""Channels between runs, and connectors to other processes."""

__all__: list[str] = []
