"""Verbs for who runs it: one comment's path, a live view, how much of what is needed."""
