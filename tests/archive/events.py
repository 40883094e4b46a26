"""Events and segments for the archive's tests."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any
from uuid import uuid4

from schemas.records import Command, Event, OriginDict, Sequenced

EPOCH = "e1-0"
START_MS = 1_700_000_000_000
ORIGIN = OriginDict(offset=0, index=0)


def stream_name() -> str:
    """Return a stream that no other test has: they share one Cassandra."""
    return f"s-{uuid4().hex[:12]}"


def comment(seq: int, **changes: Any) -> Event:
    """Return a comment by ``u<seq % 3>``, one a second."""
    event = Event(
        type="comment",
        seq=seq,
        at=START_MS + seq * 1000,
        id=f"c{seq}",
        user_id=f"u{seq % 3}",
        user_name=f"User {seq % 3}",
        role="viewer",
        text=f"comment {seq}",
        sticker=None,
        command=None,
        mask=-1,
    )
    event.update(changes)  # type: ignore[typeddict-item]
    return event


def order(seq: int, type_: str, target: str | None = None, **changes: Any) -> Event:
    """Return a moderation event."""
    command = Command(target=target, seconds=changes.pop("seconds", None), reason=None, settings=None)
    command["reason"] = changes.pop("reason", None)
    command["settings"] = changes.pop("settings", None)
    who = {"user_id": "mod", "user_name": "Mo", "role": "moderator", "id": f"o{seq}", "text": ""}
    return comment(seq, type=type_, command=command, **(who | changes))


def segment(stream_id: str, events: Sequence[Event], epoch: str = EPOCH) -> Sequenced:
    """Return the record of ``comments.sequenced`` that holds these contiguous events."""
    return Sequenced(
        stream_id=stream_id,
        epoch=epoch,
        from_seq=events[0]["seq"] - 1,
        to_seq=events[-1]["seq"],
        origin=ORIGIN,
        covered=ORIGIN,
        claim="",
        token=0,
        source_token=0,
        events=list(events),
        refused=[],
    )


def seqs(events: Sequence[Event]) -> list[int]:
    """Return the events' numbers."""
    return [event["seq"] for event in events]


def runs(numbers: Sequence[int]) -> list[list[int]]:
    """Cut ascending numbers where they are not contiguous."""
    pieces = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    return [[number for _, number in piece] for _, piece in pieces]
