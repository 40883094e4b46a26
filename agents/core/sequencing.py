"""Giving numbers: the one place where a stream's order is decided.

`Sequencer` holds one partition: per stream the epoch, the last number and the covered origin, and
the ids of the duplicate window. Its decisions depend on the items alone: not on the clock, not on
how the input was cut into batches, not on which worker runs it. `fold` brings it back from what it
has put out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from schemas.content import identity, identity_of, spelled
from schemas.records import Command, Event, ModeratedItem, Origin, Sequenced

NUMBERED = frozenset({"allow", "shadow", "approved"})
MASK_ALL = -1
MASK_AUTHOR_ONLY = 0
DISCREET = frozenset({"shadow", "hold"})
"""Commands that viewers are not told of: whoever is shadow-banned or held would read it in the stream."""


@dataclass(slots=True)
class Place:
    """Where a stream stands. ``origin``: as in `schemas.records.Origin`; one is made for each comment."""

    epoch: str
    seq: int
    origin: tuple[int, int]
    at: int


class Seen:
    """What was decided within the duplicate window, ``window_ms``, by log-append time; and some before it.

    Comments are known by `schemas.content.identity`. In two generations: one is forgotten as a whole when no
    item from now on can meet any of it.
    """

    __slots__ = ("_ends", "_newer", "_older", "_window_ms")

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._ends = 0
        self._newer: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}

    def admit(self, key: bytes, at: int) -> bool:
        """Note a decision, unless there is one of the window before ``at``; return whether it is new."""
        if at >= self._ends:
            self._turn(at)
        earlier = self._newer.get(key)
        if earlier is None:
            earlier = self._older.get(key)
        if earlier is not None and earlier >= at - self._window_ms:
            return False
        self._newer[key] = at
        return True

    def add(self, key: bytes, at: int) -> None:
        """Note a decision, whatever was noted before."""
        if at >= self._ends:
            self._turn(at)
        self._newer[key] = max(at, self._newer.get(key, 0), self._older.get(key, 0))

    def _turn(self, at: int) -> None:
        self._older, self._newer = self._newer, {}
        self._ends = at + self._window_ms


@dataclass(slots=True)
class Draft:
    """What one stream gets from one step, before it is cut into records.

    ``events`` are as `Sequencer` makes them, ``origins`` theirs; ``origin`` is that of the last item decided,
    refused ones included.
    """

    stream_id: str
    epoch: str
    from_seq: int
    origin: tuple[int, int]
    events: list[Any]
    origins: list[tuple[int, int]]
    refused: list[ModeratedItem]


class Sequencer:
    """One partition's numbers. ``make``: what a draft holds of an item and its number; None: `event_of`."""

    __slots__ = ("_make", "epoch", "places", "seen")

    def __init__(
        self, epoch: str, window_ms: int, make: Callable[[ModeratedItem, int], Any] | None = None
    ) -> None:
        self._make = make or event_of
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
        seen, make = self.seen, self._make
        for item in items:
            origin = (item["offset"], item["index"])
            if origin <= covered:
                continue
            stream_id, verdict, at = item["stream_id"], item["verdict"], item["at"]
            place = self.places.get(stream_id) or self._begin(stream_id)
            if origin <= place.origin:
                continue
            place.origin, place.at = origin, at
            if verdict == "silent":
                continue
            key = identity(item)
            # An approved comment was decided before, as held: `moderate` lets it through once.
            if verdict == "approved":
                seen.add(key, at)
            elif not seen.admit(key, at):
                continue
            draft = drafts.get(stream_id)
            if draft is None:
                draft = drafts[stream_id] = Draft(stream_id, place.epoch, place.seq, origin, [], [], [])
            draft.origin = origin
            if verdict in NUMBERED:
                place.seq += 1
                draft.events.append(make(item, place.seq))
                draft.origins.append(origin)
            else:
                draft.refused.append(spelled(item))
        return drafts

    def fold(self, segment: Sequenced) -> None:
        """Take over one of the sequencer's own segments. By maximum: folding twice is folding once."""
        stream_id = segment["stream_id"]
        if not stream_id:
            return
        for event in segment["events"]:
            self.seen.add(identity_of(stream_id, event["id"], event["user_id"]), event["at"])
        for refused in segment["refused"]:
            self.seen.add(identity_of(stream_id, refused["id"], refused["user_id"]), refused["at"])
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
        place = self.places[stream_id] = Place(self.epoch, 0, (-1, 0), 0)
        return place


def event_of(item: ModeratedItem, seq: int) -> Event:
    """Return an item as viewers' event, number ``seq`` of its stream."""
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
        mask=mask_of(item["verdict"], type_),
    )


def mask_of(verdict: str, type_: str) -> int:
    """Return who gets an event of ``type_``: everybody, or nobody but its author."""
    return MASK_AUTHOR_ONLY if verdict == "shadow" or type_ in DISCREET else MASK_ALL


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
