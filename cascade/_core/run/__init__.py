"""Evaluating an expression: frames, waiting, branching, mailboxes, the scheduler."""
