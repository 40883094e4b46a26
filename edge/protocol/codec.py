"""Bytes to commands and results to bytes, in the two encodings of the Centrifuge client protocol.

JSON: one document a line. Protobuf: each message behind its length as a varint. Both are stateless, and a
publication of a window is the same bytes for everybody who gets it, whatever the connection.
"""

from typing import Protocol

from edge.protocol.commands import Command, Result


class MalformedError(Exception):
    """The client's fault: bytes that are no commands of this protocol."""


class Codec(Protocol):
    """One encoding. Every method is pure."""

    @property
    def name(self) -> str:
        """``json`` or ``protobuf``."""

    @property
    def ping(self) -> bytes:
        """The server's ping, as a whole WebSocket frame."""

    def commands(self, message: bytes) -> list[Command]:
        """Decode one WebSocket message; raises MalformedError."""

    def reply(self, id_: int, result: Result) -> bytes:
        """Encode the answer to command ``id_``."""

    def publication(self, offset: int, data: bytes) -> bytes:
        """Encode a publication as it stands in a subscribe or history reply. ``data``: JSON."""

    def push(self, channel: str, offset: int, data: bytes) -> bytes:
        """Encode a live publication. ``data``: JSON."""

    def unsubscribed(self, channel: str, code: int, reason: str) -> bytes:
        """Encode the news that the server ended a subscription."""

    def frame(self, *messages: bytes) -> bytes:
        """Put encoded messages into one WebSocket frame."""
