"""Programs that are wrong."""
