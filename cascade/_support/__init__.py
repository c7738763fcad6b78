"""Helpers for every folder, which import the core only: safe access to exceptions, forks, file locks, lazy names."""

__all__: list[str] = []
