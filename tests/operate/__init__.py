"""Tests of the operators' verbs."""
