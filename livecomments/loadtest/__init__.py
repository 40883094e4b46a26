"""``livecomments loadtest``: viewers by the ten thousand from one machine, and what they saw.

| module | does |
|---|---|
| ``tally`` | counts and percentiles that add up over processes (pure) |
| ``wire`` | the least of WebSocket and protocol that a viewer needs (pure) |
| ``viewer`` | one viewer or author on one socket: follows the client rule, comes back by itself |
| ``crowd`` | a process full of them, told what to do by lines on its stdin |
| ``moderator`` | deletes, clears and bans meanwhile, and how soon they take effect |
| ``conductor`` | starts the processes, reads their tallies and the edges' costs, makes the report |
| ``command`` | the verb |
"""
