"""The JSON document of one publication: what a window, a catch-up or a hole looks like to a viewer. Pure."""

from collections.abc import Sequence
from typing import NamedTuple


class Hole(NamedTuple):
    """A range (from, to] that is not shown although it was: the archive has it.

    ``reason``: ``slow`` (skipped for a slow viewer), ``window`` (older than what is kept for catch-up),
    ``epoch`` (the position is of a history that is gone), ``ahead`` (the position is beyond the stream's
    end), ``unknown`` (what the stream had before is not known here), ``lost`` (missing in the log), ``late``
    (comments for single lanes that came too late to be live; those for all are in the publication).
    """

    from_seq: int
    to_seq: int
    reason: str


def document(
    from_seq: int,
    to_seq: int,
    bodies: Sequence[bytes],
    *,
    viewers: int,
    sampled: bool = False,
    hole: Hole | None = None,
    stale: bool = False,
    reactions: bytes = b"",
) -> bytes:
    """Join encoded events (ascending) into the document that covers (``from_seq``, ``to_seq``].

    ``reactions``: the stream's totals by emoji, as a JSON object; empty: as before.
    """
    tail = b""
    if sampled:
        tail += b',"sampled":true'
    if hole is not None:
        tail += b',"hole":{"from":%d,"to":%d,"reason":"%b"}' % (hole[0], hole[1], hole[2].encode())
    if stale:
        tail += b',"stale":true'
    if reactions:
        tail += b',"reactions":%b' % reactions
    return b'{"from":%d,"to":%d,"events":[%b],"omitted":%d,"viewers":%d%b}' % (
        from_seq,
        to_seq,
        b",".join(bodies),
        to_seq - from_seq - len(bodies),
        viewers,
        tail,
    )
