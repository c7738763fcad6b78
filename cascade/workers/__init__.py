"""Threads and processes that call sync tasks off the event loop."""
