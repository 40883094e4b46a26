"""Simulations: what cannot be run on one machine, decided by the code that would decide it there."""
