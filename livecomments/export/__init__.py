"""``livecomments export``: the archive as files that analysts' tools read.

`request` (what is asked for), `source` (events out of the archive), `behind` (whether it has them all),
`formats` (events into a file), `directory` (files, and how far it got), `run` (all of it together), `command`
(the verb). Read ``docs/export.md``.
"""
