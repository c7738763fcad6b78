"""Tasks and lazy results: what expressions are made of."""
