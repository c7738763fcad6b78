"""What every folder may use, on top of the core alone: exceptions read safely, forks, lazy and public names."""

__all__: list[str] = []
