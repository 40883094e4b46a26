"""What the stores' reads share: which rows make a page, the order of epochs, holes in numbers. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from schemas.archive.base import PAGE_EVENTS_MAX, Stored
from schemas.overlay import Overlay
from schemas.records import Command, Event


class Filled(NamedTuple):
    """What a chunk of rows adds to a page. ``next_seq`` None: the chunk is used up and the page not full."""

    events: list[Event]
    next_seq: int | None


def check_limit(limit: int) -> None:
    """Raise ValueError unless ``limit`` is one that a read may have."""
    if not 1 <= limit <= PAGE_EVENTS_MAX:
        raise ValueError(f"limit: {limit} is not between 1 and {PAGE_EVENTS_MAX}")


def fill(rows: Sequence[Event], overlay: Overlay, limit: int) -> Filled:
    """Take from ``rows``, ascending, what is shown, at most ``limit``."""
    events: list[Event] = []
    for row in rows:
        if len(events) == limit:
            return Filled(events, events[-1]["seq"] + 1)
        if is_shown(row) and not overlay.hides(row):
            events.append(row)
    return Filled(events, None)


def is_shown(event: Event) -> bool:
    """Whether readers may see an event at all: not an author's own view, a shadow ban, or erased."""
    if event["mask"] == 0 or event["type"] == "shadow":
        return False
    return event["type"] != "comment" or not is_blank(event)


def is_blank(event: Event) -> bool:
    """Whether a comment has no content, as only `Archive.erase_user` leaves it."""
    return not event["text"] and not event["sticker"]


def differs(stored: Event, logged: Event) -> bool:
    """Whether the archive holds something else than the log; an erased event differs in nothing else."""
    return _essence(stored) not in (_essence(logged), _essence(erased(logged)))


def erased(event: Event) -> Event:
    """Return the event as erasure leaves it: place, time, ids and role stay."""
    command = event["command"]
    blank = Event(**event)
    blank |= {"user_name": "", "text": "", "sticker": None}
    blank["command"] = Command(**command | {"reason": None}) if command else None
    return blank


def _essence(event: Event) -> Event:
    """Make alike what a store does not tell apart: no command, and one without arguments."""
    if event["type"] == "comment" or not any(v is not None for v in (event["command"] or {}).values()):
        return Event(**event | {"command": None})
    return event


class EpochRow(NamedTuple):
    """One epoch of a stream as stored. ``began_at``: ``at`` of its first event, ms since 1970."""

    epoch: str
    seq: int
    began_at: int


def oldest_first(rows: Iterable[EpochRow]) -> list[Stored]:
    """Order a stream's epochs: incarnations by when they began, and within one by the counter."""
    rows = list(rows)
    began: dict[str, int] = {}
    for row in rows:
        incarnation, _ = _parts(row.epoch)
        began[incarnation] = min(row.began_at, began.get(incarnation, row.began_at))

    def key(row: EpochRow) -> tuple[int, str, int]:
        incarnation, counter = _parts(row.epoch)
        return began[incarnation], incarnation, counter

    return [Stored(row.epoch, row.seq) for row in sorted(rows, key=key)]


def holes(seqs: Iterable[int], upto: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges (from, to] of (0, ``upto``] that are not among ``seqs``, ascending."""
    last = 0
    for seq in seqs:
        if seq > upto:
            break
        if seq > last + 1:
            yield last, seq - 1
        last = max(last, seq)
    if last < upto:
        yield last, upto


def _parts(epoch: str) -> tuple[str, int]:
    incarnation, _, counter = epoch.rpartition("-")
    return incarnation, int(counter) if counter.isdecimal() else 0
