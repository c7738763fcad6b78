"""The structure of an expression: its key, its template, and the table of templates."""
