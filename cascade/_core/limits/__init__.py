"""The compiled part of the limits: what waits for what, and which is admitted next. `cascade.limits` has the rest."""
