"""The recent past of one stream, by seq, and what a returning viewer gets from it. Pure.

Events are kept as they came and encoded when the first viewer needs them; stored content is never
rewritten, and deletes and clears are applied to every read (`schemas.overlay`).
"""

import json
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.continuity import Step
from schemas.overlay import Overlay
from schemas.views import event_view

ALL_LANES = -1
OVERLAY_ENTRIES_MAX = 4_096
"""Deletes and clears, before those of events that the ring no longer holds are dropped."""
GROWTH_MAX = 4
"""What is put before, and what is held for a read that is under way: at most this many times the maximum."""
POSITION_MAX = 2**53 - 1
"""The largest number that every client holds exactly; a position beyond it makes no sense."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class RingEvent:
    """One event. ``mask``: lanes that show it, one bit a lane, as a signed 64-bit number."""

    __slots__ = ("_body", "_record", "author", "id", "is_comment", "mask", "quoted", "seq")

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.seq: int = record["seq"]
        self.mask: int = record["mask"]
        self.author: str = record["user_id"]
        self.id: str = record["id"]
        self.is_comment: bool = record["type"] == "comment"
        self.quoted: Mapping[str, Any] | None = None
        """The comment that a pin shows."""
        if record["type"] == "pin":
            self.quoted = (record["command"] or {}).get("comment")
        self._record: Mapping[str, Any] | None = record
        self._body = b""

    @property
    def body(self) -> bytes:
        """The event as viewers see it, JSON; made at the first use."""
        if self._record is not None:
            self._body = _view(self._record)
            if self.quoted is None:
                self._record = None
        return self._body

    def unquote(self) -> None:
        """Show the comment no more: it was taken away."""
        if self._record is not None and self.quoted is not None:
            self.quoted = None
            self._record = {**self._record, "command": {**self._record["command"], "comment": None}}

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
        "_deletes",
        "_expired",
        "_first",
        "_marks",
        "_prune_at",
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
        self._first = 0  # how many events were trimmed, less those put before
        self._expired = 0
        self._allowed = events_max
        self._marks: deque[tuple[float, int]] = deque()  # (when it came, end of the segment)
        self.overlay = Overlay()
        self._deletes: list[tuple[int, str]] = []  # (seq, whom) of those in `overlay`
        self._prune_at = OVERLAY_ENTRIES_MAX

    @property
    def full(self) -> bool:
        """Whether nothing more can be put before."""
        return len(self.events) >= GROWTH_MAX * self._sizes[0]

    def begin(self, epoch: str, seq: int) -> None:
        """Start over, empty, at a position."""
        self.epoch, self.start, self.end = epoch, seq, seq
        self.events, self._seqs, self.overlay, self._deletes = [], [], Overlay(), []
        self._marks.clear()
        self._first = self._expired = 0
        self._allowed, self._prune_at = self._sizes[0], OVERLAY_ENTRIES_MAX

    def append(self, step: Step, now: float, *, hold: bool = False, keep_after: int | None = None) -> bool:
        """Take what follows; whether it hides anything. Another epoch or a gap starts over behind it.

        ``hold``: drop nothing because of it (while somebody reads what goes before), within GROWTH_MAX.
        ``keep_after``: as for `trim`.
        """
        if step.epoch != self.epoch or step.from_seq != self.end:
            self.begin(step.epoch, step.from_seq)
        self.events += [RingEvent(event) for event in step.events]
        self._seqs += [event["seq"] for event in step.events]
        self.end = step.to_seq
        hides = self._overlay(step.events)
        self._marks.append((now, step.to_seq))
        if not hold or len(self.events) > GROWTH_MAX * self._sizes[0]:
            self.trim(now, keep_after)
        return hides

    def prepend(self, epoch: str, start: int, events: Sequence[Mapping[str, Any]], now: float) -> bool:
        """Put older events before, all of (``start``, what the ring begins with]; False: they do not fit.

        The ring may then hold more than its maximum, until they are as old as it keeps; of more than
        GROWTH_MAX allows it takes the newest.
        """
        if epoch != self.epoch or start >= self.start or self.full:
            return False
        older = [event for event in events if start < event["seq"] <= self.start]
        room = GROWTH_MAX * self._sizes[0] - len(self.events)
        if len(older) > room:
            start, older = older[-room - 1]["seq"], older[-room:]
        self.events[:0] = [RingEvent(event) for event in older]
        self._seqs[:0] = [event["seq"] for event in older]
        self._first -= len(older)
        self._overlay(older)
        # What was kept beyond its age is young again: it is the newer part of what was asked for.
        self._marks.appendleft((now, max(self.start, self._expired)))
        self._expired = 0
        events_max = self._sizes[0]
        self._allowed = min(len(self.events) + events_max, GROWTH_MAX * events_max)
        self.start = start
        return True

    def trim(self, now: float, keep_after: int | None = None) -> None:
        """Drop what is too old or too much, but nothing behind ``keep_after``: that was not sent yet."""
        events_max, events_min, seconds = self._sizes
        while self._marks and self._marks[0][0] < now - seconds:
            self._expired = max(self._expired, self._marks.popleft()[1])
        old = min(bisect_right(self._seqs, self._expired), len(self.events) - events_min)
        count = max(old, len(self.events) - self._allowed)
        if keep_after is not None:
            count = min(count, bisect_right(self._seqs, keep_after))
        if count > 0:
            self.start = self._seqs[count - 1]
            del self.events[:count], self._seqs[:count]
            self._first += count
            if old == count:
                self._allowed = max(events_max, min(self._allowed, len(self.events)))
            self._prune()

    def judge(self, epoch: str, seq: int) -> Verdict:
        """Say what a viewer at a position can be given."""
        if self.epoch is None:
            return Unknown()
        if epoch != self.epoch or not 0 <= seq <= POSITION_MAX:
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

    def backwards(self, upto: int) -> Iterator[RingEvent]:
        """Yield the events up to ``upto`` that are not deleted or cleared, the last first."""
        for at in range(bisect_right(self._seqs, upto) - 1, -1, -1):
            if not self.hides(self.events[at]):
                yield self.events[at]

    def cuts(self, after: int, upto: int, size: int) -> list[int]:
        """Return where to cut (``after``, ``upto``] into parts of ``size`` events at most.

        Ascending seqs, the last of which is ``upto``. Whoever asks, the cuts are at the same places, so
        that the parts between them are the same.
        """
        first, last = bisect_right(self._seqs, after), bisect_right(self._seqs, upto)
        found = [self._seqs[at] for at in range(first + -(self._first + first + 1) % size, last, size)]
        if not found or found[-1] != upto:
            found.append(upto)
        return found

    def hides(self, event: RingEvent) -> bool:
        """Whether a comment is deleted or cleared. A pin that shows one goes on without it."""
        hides = self.overlay.hides_comment
        if (quoted := event.quoted) is not None and hides(quoted["id"], quoted["user_id"], quoted["seq"]):
            event.unquote()
        return event.is_comment and hides(event.id, event.author, event.seq)

    def _overlay(self, events: Sequence[Mapping[str, Any]]) -> bool:
        hides = False
        for event in events:
            if self.overlay.add(event):
                hides = True
                if event["type"] == "delete":
                    self._deletes.append((event["seq"], event["command"]["target"]))
        return hides

    def _prune(self) -> None:
        """Forget retractions that are older than the ring, of events that it does not hold.

        A younger one is kept: what it hides may be put before yet.
        """
        overlay = self.overlay
        if len(overlay.deleted) + len(overlay.cleared) <= self._prune_at:
            return
        self._deletes = [each for each in self._deletes if each[0] > self.start]
        held = {event.id for event in self.events} | {e.quoted["id"] for e in self.events if e.quoted}
        overlay.deleted &= held.union(whom for _, whom in self._deletes)
        overlay.cleared = {user: seq for user, seq in overlay.cleared.items() if seq > self.start}
        self._prune_at = max(OVERLAY_ENTRIES_MAX, 2 * (len(overlay.deleted) + len(overlay.cleared)))


def _view(record: Mapping[str, Any]) -> bytes:
    """Encode an event. One that cannot be shown is shown without its content: its seq counts all the same."""
    try:
        view = event_view(record, quoting=True)
    except (KeyError, TypeError, ValueError):
        view = {"type": record["type"], "seq": record["seq"], "at": record["at"]}
    return _encode(view).encode(errors="replace")
