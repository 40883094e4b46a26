"""The stages between the gateway and the edges: ingest, moderate, sequence, sample, persist.

One file a stage, each reading as its row in ``topology.md``. `agents.core` decides and is pure;
`agents.runner` takes, recovers, writes and acknowledges; `agents.worker` is the Faust shell.
"""
