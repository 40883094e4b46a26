"""What ``livecomments bench pipeline`` compares: ours, and the same work on other frameworks, a process each.

Everyone reads the very same records of ``comments.ingested`` and writes records of ``comments.sequenced``'s
schema: decode, filter, number each stream, encode, forward.
"""
