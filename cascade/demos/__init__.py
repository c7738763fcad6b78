"""Programs that show what Cascade does. They use its public names only."""

__all__: list[str] = []
