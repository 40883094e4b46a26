"""Faults on purpose: a workload, things that go wrong, and the checker, in one seeded run."""
