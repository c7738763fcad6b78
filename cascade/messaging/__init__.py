"""Channels between runs, and connectors to other processes."""
