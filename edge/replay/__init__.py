"""Replays: a stream's archived comments, played in step with a video (docs/protocol.md)."""
