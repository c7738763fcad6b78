"""Programs that are right."""
