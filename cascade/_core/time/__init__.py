"""The engine's clock, and the guard against real time under a virtual one."""
