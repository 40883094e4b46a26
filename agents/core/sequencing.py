"""Giving numbers: the one place where a stream's order is decided.

`Sequencer` holds one partition: per stream the epoch, the last number and the covered origin, and
the ids of the duplicate window. Its decisions depend on the items alone: not on the clock, not on
how the input was cut into batches, not on which worker runs it. `fold` brings it back from what it
has put out.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.records import Command, Event, ModeratedItem, Origin, Refused, Sequenced

NUMBERED = frozenset({"allow", "shadow", "approved"})
MASK_ALL = -1
MASK_AUTHOR_ONLY = 0
DISCREET = frozenset({"shadow", "hold"})
"""Commands that viewers are not told of: whoever is shadow-banned or held would read it in the stream."""


@dataclass(slots=True)
class Place:
    """Where a stream stands."""

    epoch: str
    seq: int
    origin: Origin
    at: int


@dataclass(slots=True)
class Seen:
    """Ids decided within the duplicate window, by log-append time."""

    window_ms: int
    times: OrderedDict[tuple[str, str, str], int] = field(default_factory=OrderedDict)
    _looked: int = 0
    """Nothing older was first in line when it was last looked."""

    def has(self, key: tuple[str, str, str], at: int) -> bool:
        """Whether ``key`` was decided within the window before ``at``."""
        earlier = self.times.get(key)
        return earlier is not None and earlier >= at - self.window_ms

    def add(self, key: tuple[str, str, str], at: int) -> None:
        """Note a decision; forget what no item from now on can meet."""
        earlier = self.times.get(key)
        if earlier is None:
            self.times[key] = at
        else:
            self.times[key] = max(at, earlier)
            self.times.move_to_end(key)
        if self._looked < at - self.window_ms:
            self._forget(at - self.window_ms)

    def _forget(self, before: int) -> None:
        self._looked = before
        while self.times:
            oldest, time = next(iter(self.times.items()))
            if time >= before:
                break
            del self.times[oldest]


@dataclass(slots=True)
class Draft:
    """What one stream gets from one step, before it is cut into records.

    ``origins`` are those of ``events``; ``origin`` is that of the last item decided, refused ones
    included.
    """

    stream_id: str
    epoch: str
    from_seq: int
    origin: Origin
    events: list[Event] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    notices: list[ModeratedItem] = field(default_factory=list)


class Sequencer:
    """One partition's numbers."""

    __slots__ = ("epoch", "places", "seen")

    def __init__(self, epoch: str, window_ms: int) -> None:
        self.epoch = epoch
        self.places: dict[str, Place] = {}
        self.seen = Seen(window_ms)

    def decide(self, items: Iterable[ModeratedItem], covered: Origin) -> dict[str, Draft]:
        """Give numbers to what is new in ``items``, which come in order of origin.

        Skips items at or below ``covered`` (the partition's) or their stream's own origin, and ids
        that were decided before. Returns a draft for each stream with anything decided, in the
        order of their first items.
        """
        drafts: dict[str, Draft] = {}
        seen = self.seen
        for item in items:
            origin = Origin(item["offset"], item["index"])
            if origin <= covered:
                continue
            stream_id, verdict, at = item["stream_id"], item["verdict"], item["at"]
            place = self.places.get(stream_id) or self._begin(stream_id)
            if origin <= place.origin:
                continue
            place.origin, place.at = origin, at
            if verdict == "silent":
                continue
            key = (stream_id, item["user_id"], item["id"])
            # An approved comment was decided before, as held: `moderate` lets it through once.
            if verdict != "approved" and seen.has(key, at):
                continue
            seen.add(key, at)
            draft = drafts.get(stream_id)
            if draft is None:
                draft = drafts[stream_id] = Draft(stream_id, place.epoch, place.seq, origin)
            draft.origin = origin
            if verdict in NUMBERED:
                place.seq += 1
                draft.events.append(_event(item, place.seq))
                draft.origins.append(origin)
            else:
                draft.refused.append(Refused(id=item["id"], user_id=item["user_id"], at=at))
                draft.notices.append(item)
        return drafts

    def fold(self, segment: Sequenced) -> None:
        """Take over one of the sequencer's own segments. By maximum: folding twice is folding once."""
        stream_id = segment["stream_id"]
        if not stream_id:
            return
        for event in segment["events"]:
            self.seen.add((stream_id, event["user_id"], event["id"]), event["at"])
        for refused in segment["refused"]:
            self.seen.add((stream_id, refused["user_id"], refused["id"]), refused["at"])
        times = [row["at"] for row in (*segment["events"][-1:], *segment["refused"][-1:])]
        origin = Origin.from_wire(segment["origin"])
        self.raise_to(stream_id, Place(segment["epoch"], segment["to_seq"], origin, max(times, default=0)))

    def raise_to(self, stream_id: str, place: Place) -> None:
        """Move a stream to ``place`` unless it is there or beyond. A place of another epoch starts over."""
        known = self.places.get(stream_id)
        if place.epoch != self.epoch:
            place = Place(self.epoch, 0, place.origin, place.at)
        if known is None or (place.origin, place.seq) > (known.origin, known.seq):
            self.places[stream_id] = place

    def _begin(self, stream_id: str) -> Place:
        place = self.places[stream_id] = Place(self.epoch, 0, Origin(-1, 0), 0)
        return place


def _event(item: ModeratedItem, seq: int) -> Event:
    type_, command = _told(item)
    return Event(
        type=type_,
        seq=seq,
        at=item["at"],
        id=item["id"],
        user_id=item["user_id"],
        user_name=item["user_name"],
        role=item["role"],
        text=item["text"],
        sticker=item["sticker"],
        command=command,
        mask=MASK_AUTHOR_ONLY if item["verdict"] == "shadow" or type_ in DISCREET else MASK_ALL,
    )


def _told(item: ModeratedItem) -> tuple[str, Command | None]:
    """Return an event's type and command: holding a comment that is shown takes it down, as a delete does.

    A pin alone quotes its comment from here on; a comment has no command, whatever let it through.
    """
    type_, command = item["type"], item["command"]
    if type_ == "comment" or command is None:
        return type_, None
    if type_ == "pin" or command.get("comment") is None:
        return type_, command
    return "delete" if type_ == "hold" else type_, {**command, "comment": None}
