"""Which comments of a hot stream are shown to whom. Pure, and the same however its input is cut.

*Windows.* Time is the log's: an event's ``at``, the log-append time of its submission. Events of one
quarter of a second are decided together, when an event of a later quarter comes. Always-shown events (all
of moderation, the creator's comments, up to two a second of moderators') go to every lane and close the
window behind them at once, so they wait for nothing. So what a batch holds depends on the stream's events
alone, and with what was shown before (`agents.core.shown`, folded from the log too) so does every mask.

*Picking.* Identical texts are one candidate, with a count; one that was shown within 5 s is none. The
rest are a weighted bottom-k: each comment draws u from a keyed hash of its id, and the candidates with the
smallest −ln(u)/w are shown, w = e^(−c·s), s being the author's decayed shown count (here as logarithms:
ln(−ln u) + c·s). Nobody who does not know the key can choose an id that wins, a stream's shards can be
merged by minimum, and nothing that was shown is ever taken back.

*Why e^(−c·s) and not 1/(1+s).* With 1/(1+s) an author's share grows with the root of their rate: 30 times
the comments, 5.5 times the impressions. With the exponential it stays below 2.5 (``bench sampling``).

*Dealing* is in `agents.core.lanes`: a quarter of the rate goes to all, the best candidate first, less
what the always-shown have used; the rest by lane.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest
from itertools import islice
from math import exp, log
from operator import attrgetter
from typing import Any, Final

from agents.core.lanes import (
    ALL,
    LANES,
    MASK_ALL,
    SPAN_WINDOWS_MIN,
    WINDOW_MS,
    deal,
    permuted,
    room,
    signed,
    span_of,
)
from agents.core.shown import STAFF, Lately, text_key
from schemas.records import Event, FanoutEvent

STEEPNESS: Final = 20.0
"""c: how fast an author's weight falls."""
STAFF_PER_SECOND: Final = 2
LEFT_OUT_PER_BATCH_MAX: Final = 50
"""Comments whose authors get them by a notice: 200 a second of a stream, since every edge reads all notices.
Beyond it an author's app has its own copy alone, which it shows as soon as the comment is acknowledged."""
SHADOWED_PER_BATCH_MAX: Final = 4
"""Comments of shadow-banned authors that go on in one batch; their authors alone see them."""
SPARE_CANDIDATES: Final = 16
"""Beyond the free slots, for when the best ones' authors have been on the lanes that are left."""
BACK_WINDOWS_MAX: Final = 20
"""An event that is older than this against its predecessor means that the log's clock was set back."""
LATELY_WINDOWS: Final = 10_000 // WINDOW_MS
PENDING_EVENTS_MAX: Final = 50_000
"""Of one batch; a larger window is decided in parts."""

_UNIT: Final = 2.0**-52
_key_of = attrgetter("key")


@dataclass(slots=True)
class Candidate:
    """The best of identical texts. ``key``: the smallest are shown."""

    key: float
    event: Event
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """A decision: of (``from_seq``, ``to_seq``], the events that are shown, each with its mask.

    ``left_out``: comments that are on no lane, for their authors; the first `LEFT_OUT_PER_BATCH_MAX`.
    """

    window: int
    from_seq: int
    to_seq: int
    events: Sequence[FanoutEvent]
    left_out: Sequence[Event] = ()


class Sampler:
    """One stream while it is sampled, from behind ``seq`` on. ``rate``: comments a viewer gets a second."""

    __slots__ = (
        "_always",
        "_competing",
        "_draw",
        "_folded",
        "_groups",
        "_handicaps",
        "_lately",
        "_secret",
        "_shadowed",
        "_stream_id",
        "arrived",
        "from_seq",
        "rate",
        "shown",
        "since_at",
        "to_seq",
        "window",
    )  # fmt: skip

    def __init__(self, stream_id: str, seq: int, secret: bytes, rate: float) -> None:
        self._stream_id = stream_id
        self._secret = secret
        self._draw = drawing(secret, stream_id)
        self._lately = Lately()
        self._groups: dict[str, Candidate] = {}
        self._handicaps: dict[str, float] = {}
        self._folded = -1
        self._always: list[Event] = []
        self._shadowed: list[Event] = []
        self._competing: list[Event] = []
        """Comments that are not always shown."""
        self.rate = rate
        self.window = -1
        """Of the last decided or pending event."""
        self.from_seq = seq
        """What is decided."""
        self.to_seq = seq
        """What has arrived."""
        self.since_at = 0
        """Time (``at``) of the first event that is not decided; only while `pending`."""
        self.arrived = 0
        """Comments since the beginning."""
        self.shown = 0
        """Of those, shown to anybody."""

    @property
    def pending(self) -> bool:
        """Whether anything has arrived that is not decided."""
        return self.to_seq > self.from_seq

    def take(self, events: Iterable[Event]) -> list[Batch]:
        """Take the stream's next events; return what that decides."""
        batches: list[Batch] = []
        for event in events:
            window = event["at"] // WINDOW_MS
            if window > self.window or self.window - window > BACK_WINDOWS_MAX:
                batches += self.close()
                self._move(window)
            if self.to_seq == self.from_seq:
                self.since_at = event["at"]
            self.to_seq = event["seq"]
            if self._add(event) or self.to_seq - self.from_seq >= PENDING_EVENTS_MAX:
                batches += self.close()
        return batches

    def close(self) -> list[Batch]:
        """Decide what has arrived; a list of one, or of none."""
        if not self.pending:
            return []
        hidden = nsmallest(SHADOWED_PER_BATCH_MAX, self._shadowed, key=lambda event: self._draw(event["id"]))
        shown = [_shown(event, event["mask"]) for event in (*self._always, *hidden)] + self._picks()
        shown.sort(key=lambda event: event["seq"])
        batch = Batch(self.window, self.from_seq, self.to_seq, shown, self._left_out(shown))
        self._remember(batch.window, batch.to_seq, shown)
        self.shown += sum(event["type"] == "comment" and event["mask"] != 0 for event in shown)
        return [batch]

    def weight(self, author: str) -> float:
        """Return the weight of an author's comments in the present window, 1 for one not shown lately."""
        return exp(-STEEPNESS * self._lately.weight_of(author, self.window))

    def repeats(self, text: str) -> bool:
        """Whether a text (`agents.core.shown.text_key`) was shown too lately to be shown again."""
        return self._lately.repeats(text, self.window)

    def lanes_lately(self) -> list[int]:
        """Return how many comments each lane was shown in the last ten seconds."""
        counts = self._lately.counts(self.window, LATELY_WINDOWS - 1)
        to_all = sum(each.on_all for each in counts)
        return [to_all + sum(each.on_lane[lane] for each in counts) for lane in range(LANES)]

    def fold(self, window: int, to_seq: int, events: Sequence[Mapping[str, Any]]) -> None:
        """Take over a batch that was decided before, from the log."""
        if to_seq <= self._folded:
            return
        self._folded = to_seq
        if window > self.window or self.window - window > BACK_WINDOWS_MAX:
            self._move(window)
        self.to_seq = max(to_seq, self.to_seq)
        self._remember(window, self.to_seq, events)

    def _remember(self, window: int, to_seq: int, events: Sequence[Mapping[str, Any]]) -> None:
        self._lately.add(window, events)
        self.from_seq = to_seq
        self._groups, self._always, self._shadowed, self._competing = {}, [], [], []
        self._handicaps.clear()

    def _move(self, window: int) -> None:
        if window < self.window:
            self._lately.clear()
        self.window = window
        self._handicaps.clear()

    def _add(self, event: Event) -> bool:
        """Take one event; whether it is shown to all and ends the window."""
        if event["type"] != "comment":
            self._always.append(event)
            return True
        if event["mask"] == 0:
            self._shadowed.append(event)
            self._competing.append(event)
            return False
        self.arrived += 1
        if event["role"] != "viewer" and self._is_always(event["role"]):
            self._always.append(event)
            return True
        self._competing.append(event)
        author, text = event["user_id"], text_key(event)
        if self._lately.repeats(text, self.window):
            return False
        key = self._draw(event["id"])
        if self._lately.knows(author):
            key += self._handicap(author)
        found = self._groups.get(text)
        if found is None:
            self._groups[text] = Candidate(key, event)
            return False
        found.copies += 1
        if key < found.key:
            found.key, found.event = key, event
        return False

    def _left_out(self, shown: Iterable[FanoutEvent]) -> list[Event]:
        seqs = {event["seq"] for event in shown}
        found = (event for event in self._competing if event["seq"] not in seqs)
        return list(islice(found, LEFT_OUT_PER_BATCH_MAX))

    def _is_always(self, role: str) -> bool:
        if role in STAFF:
            return self._lately.of_staff(self.window, SPAN_WINDOWS_MIN) < STAFF_PER_SECOND
        return role == "creator"

    def _handicap(self, author: str) -> float:
        found = self._handicaps.get(author)
        if found is None:
            found = self._handicaps[author] = STEEPNESS * self._lately.weight_of(author, self.window)
        return found

    def _picks(self) -> list[FanoutEvent]:
        always = sum(event["type"] == "comment" for event in self._always)
        order = permuted(self._secret, self._stream_id, self.window)
        return picked(self._groups.values(), self._lately, self.window, self.rate, always=always, order=order)


def picked(
    candidates: Iterable[Candidate],
    lately: Lately,
    window: int,
    rate: float,
    *,
    always: int,
    order: Sequence[int],
) -> list[FanoutEvent]:
    """Return what of a window's candidates is shown, each with its mask; as many as there are slots for.

    ``always``: comments that go to all lanes anyway; ``order``: of the lanes, see `permuted`.
    """
    *before, now = lately.counts(window, span_of(rate))
    to_all, free = room(window, rate, before, now._replace(on_all=now.on_all + always))
    best = nsmallest(to_all + sum(free) + SPARE_CANDIDATES, candidates, key=_key_of)
    had = lately.lanes_had(window)
    shown: list[FanoutEvent] = []
    for candidate in best[:]:
        if to_all <= 0:
            break
        author = candidate.event["user_id"]
        if not had.get(author):
            shown.append(_shown(candidate.event, MASK_ALL, candidate.copies))
            had[author] = ALL
            best.remove(candidate)
            to_all -= 1
    masks = deal([candidate.event["user_id"] for candidate in best], free, order, had)
    shown += [
        _shown(each.event, signed(mask), each.copies) for each, mask in zip(best, masks, strict=True) if mask
    ]
    return shown


def drawing(secret: bytes, stream_id: str) -> Callable[[str], float]:
    """Return the draw of a stream: comment id → ln(−ln u), which only those who hold the key know."""
    key = blake2b(stream_id.encode(), key=secret, digest_size=32).digest()

    def draw(comment_id: str) -> float:
        digest = blake2b(comment_id.encode(), key=key, digest_size=8).digest()
        return log(-log(((int.from_bytes(digest) >> 12) + 0.5) * _UNIT))

    return draw


def _shown(event: Event, mask: int, copies: int = 1) -> FanoutEvent:
    return {**event, "mask": mask, "copies": copies}
