"""What the garbage collector sees of runs that wait. Importing it completes the types."""
