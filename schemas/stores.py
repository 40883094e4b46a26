"""Names and shapes of what lives in Redis. All of it is a projection of Kafka.

| key | type | content |
|---|---|---|
| ``window:{stream}:{epoch}`` | sorted set | framed ``fanout`` records as in the log; score ``to_seq`` |
| ``head:{stream}`` | string | ``"<epoch> <to_seq>"`` of the newest segment in the window |
| ``fanout:{stream}`` | Pub/Sub channel | framed ``fanout`` records, each behind the time of its append
  (`message`); published after the window is written |
| ``bans:{stream}`` | hash | user id → JSON ``{"until": ms or null, "kind", "reason"}`` |
| ``bans:*`` | hash | the same, of bans from the whole platform |
| ``members:{stream}`` | set | user ids who may comment in members-only mode |
| ``taken:{stream}`` | hash | ``delete <comment>``, ``clear <user>`` → ms since 1970: acknowledged in the last
  minute, for reads that the log has not reached yet; written by the API, expires |
| ``held:{stream}`` | hash | comment id → JSON of one that waits for a moderator (`agents/core/held.py`) |
| ``stream:{stream}`` | hash | ``creator title state slow_mode_seconds modes``; JSON ``moderators settings`` |
| ``live:{stream}`` | hash | ``viewers users edges p50_ms p99_ms queue_ms sampled why rate arrivals_per_s
shown_per_s``; JSON ``lanes`` (comments of each lane in 10 s), ``reactions``; written by sample, expires |
| ``live`` | sorted set | streams that are watched; score: viewers. One without a hash is over: take it out |
| ``analytics:{stream}`` | string | JSON ``minutes`` and ``rising`` (`agents/analytics.py`); written by
  analyse where that runs, expires |
| ``streams`` | sorted set | known streams; score: creation, ms since 1970 |
| ``edges`` | hash | edge name → ``"<valid until, ms> <JSON>"``: address, load, capacity, draining |
| ``limits:{stream}:{user}`` | hash | the gateways' token bucket (``edge/facts.py``) |
| ``livecomments:sentinel:{window or rules}:{partition}`` | string | what is here of the partition is whole |

A sentinel is written when its part was built (``agents/window.py``, ``agents/projection.py``); a flush takes
it away, and the part is built anew. Where it is missing, a missing key says nothing.
"""

import struct
from typing import NamedTuple

_TIME = struct.Struct(">q")
SENTINEL = "livecomments:sentinel"
EDGES = "edges"
STREAMS = "streams"
REVOKED = "revoked"
LIVE = "live"
LIVE_SECONDS = 30
"""After which a stream of which no edge reports is off the live board."""
ANALYTICS_SECONDS = 2 * 3600
"""After which a stream on which nothing is said has no analytics."""
WINDOW_SECONDS = 15 * 60
"""How long a window serves catch-up."""


class Head(NamedTuple):
    """Where a stream's window ends."""

    epoch: str
    seq: int

    def to_text(self) -> str:
        """As stored."""
        return f"{self.epoch} {self.seq}"

    @classmethod
    def from_text(cls, text: str) -> "Head":
        """From the store; raises ValueError on anything else."""
        epoch, seq = text.split(" ")
        return cls(epoch, int(seq))


def window(stream_id: str, epoch: str) -> str:
    """Key of the catch-up window."""
    return f"window:{stream_id}:{epoch}"


def window_sentinel(partition: int) -> str:
    """Key that says that a partition's windows and heads are whole; missing after a flush."""
    return f"{SENTINEL}:window:{partition}"


def rules_sentinel(partition: int) -> str:
    """Key that says that a partition's bans and settings are whole; missing after a flush."""
    return f"{SENTINEL}:rules:{partition}"


def head(stream_id: str) -> str:
    """Key of the window's end."""
    return f"head:{stream_id}"


def channel(stream_id: str) -> str:
    """Pub/Sub channel."""
    return f"fanout:{stream_id}"


def message(raw: bytes, appended_ms: int) -> bytes:
    """Return a record as it is published: behind its time, ms since 1970 by the broker's clock."""
    return _TIME.pack(appended_ms) + raw


def message_parts(data: bytes) -> tuple[bytes, int]:
    """Return record and time of what was published; of what is none, an empty record."""
    if len(data) < _TIME.size:
        return b"", 0
    return data[_TIME.size :], _TIME.unpack_from(data)[0]


def bans(stream_id: str) -> str:
    """Key of a stream's bans."""
    return f"bans:{stream_id}"


def live(stream_id: str) -> str:
    """Key of what is known of a stream's viewers now."""
    return f"live:{stream_id}"


def analytics(stream_id: str) -> str:
    """Key of what was counted of a stream."""
    return f"analytics:{stream_id}"


def members(stream_id: str) -> str:
    """Key of who may comment in members-only mode."""
    return f"members:{stream_id}"


def taken(stream_id: str) -> str:
    """Key of what was taken away in the last minute."""
    return f"taken:{stream_id}"


def held(stream_id: str) -> str:
    """Key of the comments that wait for a moderator."""
    return f"held:{stream_id}"


def stream(stream_id: str) -> str:
    """Key of a stream's settings."""
    return f"stream:{stream_id}"


def bucket(stream_id: str, user_id: str) -> str:
    """Key of an author's rate bucket."""
    return f"limits:{stream_id}:{user_id}"
