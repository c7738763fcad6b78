"""Templates of the shapes that an engine has met: the cache in memory, and the files on disk."""

__all__: list[str] = []
