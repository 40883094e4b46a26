"""The least of WebSocket (RFC 6455) and of the Centrifuge protocol (JSON) that a viewer needs. Pure.

A load test's viewer must cost less than what it measures: frames are looked through with regular
expressions, and parsed as JSON only where they are rare.
"""

import json
import re
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

PATH: Final = "/connection/websocket"
PONG: Final = b"\x81\x82\0\0\0\0{}"
TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9

_RANGE: Final = re.compile(rb'"from":(\d+),"to":(\d+)')
_MARK: Final = re.compile(rb'"(?:text|reason)":"lt ([a-j]+) ([a-z])')
_LETTERS, _DIGITS = "abcdefghij", "0123456789"
_IN_LETTERS: Final = str.maketrans(_DIGITS, _LETTERS)
_IN_DIGITS: Final = bytes.maketrans(_LETTERS.encode(), _DIGITS.encode())
_WORDS: Final = "and it is so good to see you all here again tonight with the whole team, hello from afar "
_AT: Final = re.compile(rb'"at":(\d+)')
_COMMENT: Final = b'"type":"comment"'
_HOLE: Final = re.compile(rb'"hole":\{"from":(\d+),"to":(\d+),"reason":"(\w+)"')


class Frame(NamedTuple):
    """One frame from the server."""

    opcode: int
    payload: bytes


class Seen(NamedTuple):
    """One publication. ``sent_us``: when its comments and deletes were submitted, with their `mark`.

    ``at_ms``: when its events were appended to the log, by the broker's clock (ms since 1970).
    """

    start: int
    end: int
    comments: int
    sent_us: list[tuple[int, str]]
    at_ms: list[int]
    hole: str | None


def request(host: str, key: str = "bGl2ZWNvbW1lbnRzLWx0IQ==") -> bytes:
    """Return the handshake's request."""
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def masked(payload: bytes) -> bytes:
    """Return a text frame as a client sends it; a mask of zeros is a mask, and leaves the bytes alone."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, 0x80 | size, 0, 0, 0, 0)) + payload
    return struct.pack(">BBHI", 0x81, 0x80 | 126, size, 0) + payload


def commands(*values: object) -> bytes:
    """Return one frame with several commands."""
    return masked(b"\n".join(json.dumps(value, separators=(",", ":")).encode() for value in values))


def frames(buffer: bytearray) -> Iterator[Frame]:
    """Take whole frames off the front of ``buffer``."""
    while len(buffer) >= 2:
        size, head = buffer[1] & 0x7F, 2
        if size == 126:
            if len(buffer) < 4:
                return
            size, head = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            if len(buffer) < 10:
                return
            size, head = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < head + size:
            return
        frame = Frame(buffer[0] & 0x0F, bytes(buffer[head : head + size]))
        del buffer[: head + size]
        yield frame


def publication(line: bytes) -> Seen | None:
    """Look through a pushed publication; None: it is something else."""
    found = _RANGE.search(line)
    if found is None:
        return None
    hole = _HOLE.search(line) if b'"hole"' in line else None
    return Seen(
        int(found[1]),
        int(found[2]),
        line.count(_COMMENT),
        [(int(us.translate(_IN_DIGITS)), kind.decode()) for us, kind in _MARK.findall(line)],
        [int(ms) for ms in _AT.findall(line)],
        hole[3].decode() if hole else None,
    )


def text_of(now_us: int, kind: str, padding: int) -> str:
    """Return a comment's text that says when it was submitted; about 250 bytes of frame with padding 60.

    In letters and words: digits and repeats are looked at as disguises are, at ten times a comment's cost.
    """
    words = _WORDS * (padding // len(_WORDS) + 1)
    return f"{mark(now_us, kind)} {words[:padding].rstrip()}"


def mark(now_us: int, kind: str) -> str:
    """Return what says when something was submitted (monotonic), and what: one letter.

    v, c: a comment by a viewer, the creator; d, x: a delete, a clear, of which it is the reason.
    """
    return f"lt {str(now_us).translate(_IN_LETTERS)} {kind}"
