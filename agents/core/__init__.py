"""Decisions of the stages: pure functions and plain state, no I/O, no clock, no randomness."""
