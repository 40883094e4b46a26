"""The recent past of one stream, by seq, and what a returning viewer gets from it. Pure.

Events are kept as they came and encoded when the first viewer needs them; stored content is never
rewritten, and deletes and clears are applied to every read (`schemas.overlay`).
"""

import json
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.continuity import Step
from schemas.overlay import Overlay
from schemas.views import event_view

ALL_LANES = -1
OVERLAY_ENTRIES_MAX = 4_096
"""Deletes and clears, before those of events that the ring no longer holds are dropped."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class RingEvent:
    """One event. ``mask``: lanes that show it, one bit a lane, as a signed 64-bit number."""

    __slots__ = ("_body", "_record", "author", "id", "is_comment", "mask", "seq")

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.seq: int = record["seq"]
        self.mask: int = record["mask"]
        self.author: str = record["user_id"]
        self.id: str = record["id"]
        self.is_comment: bool = record["type"] == "comment"
        self._record: Mapping[str, Any] | None = record
        self._body = b""

    @property
    def body(self) -> bytes:
        """The event as viewers see it, JSON; made at the first use."""
        if self._record is not None:
            self._body = _encode(event_view(self._record)).encode(errors="replace")
            self._record = None
        return self._body

    def visible(self, lane: int, user_id: str) -> bool:
        """Whether a viewer sees it, deletes aside."""
        return bool(self.mask >> lane & 1) or self.author == user_id


@dataclass(frozen=True, slots=True)
class Held:
    """Everything after the position is here."""

    after: int


@dataclass(frozen=True, slots=True)
class TooOld:
    """What follows the position is older than the ring, which begins after ``start``."""

    after: int
    start: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """The position is of another epoch, or makes no sense."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The position is beyond the ring's end."""

    after: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing is known of the stream."""


Verdict = Held | TooOld | Foreign | Ahead | Unknown


class Ring:
    """Events of (``start``, ``end``] in one epoch.

    ``epoch`` None: nothing is known. At most ``events_max`` events and ``seconds`` of age, but always the
    last ``events_min``.
    """

    __slots__ = (
        "_allowed",
        "_expired",
        "_marks",
        "_seqs",
        "_sizes",
        "end",
        "epoch",
        "events",
        "overlay",
        "start",
    )

    def __init__(self, *, events_max: int, events_min: int, seconds: float) -> None:
        self._sizes = (events_max, events_min, seconds)
        self.epoch: str | None = None
        self.start = 0
        self.end = 0
        self.events: list[RingEvent] = []
        self._seqs: list[int] = []
        self._expired = 0
        self._allowed = events_max
        self._marks: deque[tuple[float, int]] = deque()  # (when it came, end of the segment)
        self.overlay = Overlay()

    def begin(self, epoch: str, seq: int) -> None:
        """Start over, empty, at a position."""
        self.epoch, self.start, self.end = epoch, seq, seq
        self.events, self._seqs, self.overlay = [], [], Overlay()
        self._marks.clear()
        self._expired, self._allowed = 0, self._sizes[0]

    def append(self, step: Step, now: float) -> None:
        """Take what follows. Another epoch or a gap starts over behind it."""
        if step.epoch != self.epoch or step.from_seq != self.end:
            self.begin(step.epoch, step.from_seq)
        self.events += [RingEvent(event) for event in step.events]
        self._seqs += [event["seq"] for event in step.events]
        self.end = step.to_seq
        self.overlay.add_all(step.events)
        self._marks.append((now, step.to_seq))
        self.trim(now)

    def prepend(self, epoch: str, start: int, events: Sequence[Mapping[str, Any]], now: float) -> bool:
        """Put older events before, all of (``start``, what the ring begins with]; False: they do not fit.

        The ring may then hold that many more than its maximum, until they are as old as it keeps.
        """
        if epoch != self.epoch or start >= self.start:
            return False
        older = [event for event in events if start < event["seq"] <= self.start]
        self.events[:0] = [RingEvent(event) for event in older]
        self._seqs[:0] = [event["seq"] for event in older]
        self.overlay.add_all(older)
        # What was kept beyond its age is young again: it is the newer part of what was asked for.
        self._marks.appendleft((now, max(self.start, self._expired)))
        self._expired = 0
        self._allowed = self._sizes[0] + len(older)
        self.start = start
        return True

    def trim(self, now: float) -> None:
        """Drop what is too old or too much."""
        _, events_min, seconds = self._sizes
        while self._marks and self._marks[0][0] < now - seconds:
            self._expired = max(self._expired, self._marks.popleft()[1])
        count = min(bisect_right(self._seqs, self._expired), len(self.events) - events_min)
        count = max(count, len(self.events) - self._allowed)
        if count > 0:
            self.start = self._seqs[count - 1]
            del self.events[:count], self._seqs[:count]
            self._allowed = max(self._sizes[0], min(self._allowed, len(self.events)))
            self._prune()

    def judge(self, epoch: str, seq: int) -> Verdict:
        """Say what a viewer at a position can be given."""
        if self.epoch is None:
            return Unknown()
        if epoch != self.epoch or seq < 0:
            return Foreign()
        if seq > self.end:
            return Ahead(seq)
        return Held(seq) if seq >= self.start else TooOld(seq, self.start)

    def between(self, after: int, upto: int) -> list[RingEvent]:
        """Return the events of (``after``, ``upto``] that are not deleted or cleared."""
        events = self.events[bisect_right(self._seqs, after) : bisect_right(self._seqs, upto)]
        if not self.overlay.deleted and not self.overlay.cleared:
            return events
        return [event for event in events if not self.hides(event)]

    def hides(self, event: RingEvent) -> bool:
        """Whether a comment is deleted or cleared."""
        return event.is_comment and self.overlay.hides_comment(event.id, event.author, event.seq)

    def _prune(self) -> None:
        overlay = self.overlay
        if len(overlay.deleted) + len(overlay.cleared) > OVERLAY_ENTRIES_MAX:
            overlay.deleted &= {event.id for event in self.events}
            overlay.cleared = {user: seq for user, seq in overlay.cleared.items() if seq > self.start}
