"""The engine's clock for Python code: timers, deadlines, the event loop of virtual time."""

__all__: list[str] = []
