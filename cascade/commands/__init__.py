"""The commands, one noun a file; `cascade.cli` is the application that they belong to."""
