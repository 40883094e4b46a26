"""What the stores' reads share: which rows make a page, the order of epochs, holes in numbers. Pure."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import NamedTuple

from schemas.archive.base import PAGE_EVENTS_MAX, SCAN_ROUNDS_MAX, Page, Stored
from schemas.overlay import Overlay
from schemas.records import Command, Event


class Draft:
    """A page under way: give `take` up to ``chunk`` rows from ``at`` on, in order, until it says it is done.

    Raises:
        ValueError: ``limit`` is not one that a read may have.

    """

    def __init__(self, from_seq: int, limit: int) -> None:
        if not 1 <= limit <= PAGE_EVENTS_MAX:
            raise ValueError(f"limit: {limit} is not between 1 and {PAGE_EVENTS_MAX}")
        self.at = max(from_seq, 1)
        self.chunk = limit + 1
        self.events: list[Event] = []
        self.next_seq: int | None = None
        self._limit = limit
        self._rounds = 0

    def take(self, rows: Sequence[Event], overlay: Overlay) -> bool:
        """Take what is shown of ``rows``; return whether the page is done."""
        for row in rows:
            if len(self.events) == self._limit:
                self.next_seq = self.events[-1]["seq"] + 1
                return True
            if is_shown(row) and not overlay.hides(row):
                self.events.append(row)
        if len(rows) < self.chunk:
            return True
        self.at = rows[-1]["seq"] + 1
        self.chunk = PAGE_EVENTS_MAX + 1
        self._rounds += 1
        if self._rounds == SCAN_ROUNDS_MAX:
            self.next_seq = self.at
            return True
        return False

    def page(self, epoch: str) -> Page:
        """Return what was taken."""
        return Page(epoch, self.events, self.next_seq)


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
    if event["type"] == "comment" or event["command"] is None:
        return Event(**event | {"command": None})
    # What a pin quotes is not stored: it is there, at its own place.
    command = Command(**event["command"] | {"comment": None})
    return Event(**event | {"command": command if any(v is not None for v in command.values()) else None})


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


def seek(first: int, last: int, at_ms: int) -> Generator[int, tuple[int, int] | None, int | None]:
    """Find by bisection the first number of [``first``, ``last``] whose time is ``at_ms`` or later.

    Yields a number and is sent (seq, at) of the first event that is stored at or behind it, or None.
    Returns the number found; None: all are before.
    """
    low, high, found = first, last + 1, None
    while low < high:
        middle = (low + high) // 2
        row = yield middle
        if row is None or row[0] >= high:
            high = middle
        elif row[1] >= at_ms:
            high, found = middle, row[0]
        else:
            low = row[0] + 1
    return found


def _parts(epoch: str) -> tuple[str, int]:
    incarnation, _, counter = epoch.rpartition("-")
    return incarnation, int(counter) if counter.isdecimal() else 0
