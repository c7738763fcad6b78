"""Worker threads and processes, which call sync tasks outside the event loop's thread."""
