"""Checkpoint entries of the stages that number or follow streams (record ``position``)."""

from schemas.codec import codec
from schemas.records import Origin, Position

WATERMARK = b"\x00watermark/"
"""Begins the key of a partition's watermark; no stream id begins so."""

_CODEC = codec("position")


def watermark_key(partition: int) -> bytes:
    """Return the key of the partition's watermark."""
    return WATERMARK + str(partition).encode()


def is_watermark(key: bytes) -> bool:
    """Whether the entry is a watermark."""
    return key.startswith(WATERMARK)


def encode(
    epoch: str,
    seq: int,
    origin: Origin,
    offset: int,
    *,
    at: int,
    source_token: int = -1,
    more: str | None = None,
) -> bytes:
    """Return an entry's value; ``offset``: output records up to it are counted."""
    position = Position(
        epoch=epoch,
        seq=seq,
        origin=origin.to_wire(),
        segment_offset=offset,
        at=at,
        source_token=source_token,
        more=more,
    )
    return _CODEC.encode(position)


def decode(value: bytes) -> Position:
    """Return an entry; UndecodableError on anything else."""
    position: Position = _CODEC.decode(value)
    return position


def rank(record: str, value: bytes) -> tuple[int, int, int]:
    """Return what entries of one key are folded by: the higher one holds. ``record``: position or rules."""
    entry = codec(record).decode(value)
    return entry["segment_offset"], entry["origin"]["offset"], entry["origin"]["index"]
