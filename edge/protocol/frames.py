"""WebSocket frames as a server sends them: unmasked, whole, made once and written to many (RFC 6455 §5.2)."""

import struct
from typing import Final

TEXT: Final = 0x81
BINARY: Final = 0x82
"""First byte: FIN and the opcode."""

_SHORT_MAX = 125
_MEDIUM_MAX = 0xFFFF
_MEDIUM = struct.Struct(">BBH")
_LONG = struct.Struct(">BBQ")


def frame(first: int, payload: bytes) -> bytes:
    """Return header and payload. ``first``: TEXT or BINARY."""
    size = len(payload)
    if size <= _SHORT_MAX:
        return bytes((first, size)) + payload
    if size <= _MEDIUM_MAX:
        return _MEDIUM.pack(first, 126, size) + payload
    return _LONG.pack(first, 127, size) + payload
