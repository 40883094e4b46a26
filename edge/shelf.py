"""Encoded parts of one stream's past, made once for all who ask for the same."""

from enum import IntEnum

from edge.protocol.codec import Codec

PART_EVENTS = 64
"""Events of one part of a catch-up: one publication."""
SHELF_BYTES_MAX = 2 * 1024 * 1024
"""Of one stream's encoded parts; then all of them are made anew when they are asked for."""


class Form(IntEnum):
    """How a part is sent."""

    PUBLICATION = 0
    """Among the publications of a reply."""
    PUSH = 1
    """As a push behind a reply, in its frame."""
    FRAME = 2
    """As a frame of its own."""

    def encode(self, codec: Codec, channel: str, offset: int, data: bytes) -> bytes:
        """Put a document into this form."""
        if self is Form.PUBLICATION:
            return codec.publication(offset, data)
        push = codec.push(channel, offset, data)
        return push if self is Form.PUSH else codec.frame(push)


Key = tuple[str, Form, int, int, int]
"""Encoding, form, lane (-1: all), from, to."""


class Shelf:
    """Keeps what was encoded. Clear it when what is shown of a range changes."""

    __slots__ = ("_bytes", "_kept")

    def __init__(self) -> None:
        self._kept: dict[Key, bytes] = {}
        self._bytes = 0

    def get(self, key: Key) -> bytes | None:
        """Return what is kept."""
        return self._kept.get(key)

    def put(self, key: Key, made: bytes) -> bytes:
        """Keep and return."""
        if self._bytes + len(made) > SHELF_BYTES_MAX:
            self.clear()
        self._kept[key] = made
        self._bytes += len(made)
        return made

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0
