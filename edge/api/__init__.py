"""The HTTP API: streams, comments, moderation, the read side of the Schema Registry protocol.

`edge.api.app.build_app` makes it of its parts; `edge.api.server` runs it.
"""
