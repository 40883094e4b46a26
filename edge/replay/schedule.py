"""Which comments are due: what was read ahead of a video's position, in the order of the stream. Pure.

Every number of the stream is told once: in a publication, or in its ``omitted``, or in an announced hole.
What is read ahead is bounded by whoever reads (`Schedule.hungry`).
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import xxhash

from schemas.views import event_view

AHEAD_EVENTS: Final = 64
"""Fewer than these read ahead: read on."""
SHOWN: Final = frozenset({"comment", "pin", "unpin", "end"})
"""What is played. Bans, settings and the like bound their time; deletes have been applied."""
LEADING: Final = frozenset({"creator", "moderator", "platform"})
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Entry(NamedTuple):
    """One event to play. ``rank``: those with a low one are shown first where not all can be.

    ``target``: the comment that a pin is of.
    """

    seq: int
    at: int
    id: str
    user_id: str
    rank: int
    body: bytes
    kind: str = "comment"
    target: str | None = None


class Chunk(NamedTuple):
    """What was read of a range (``after``, ``upto``]."""

    after: int
    upto: int
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Due:
    """A publication to be: it covers (``after``, ``upto``], and shows ``entries`` of it."""

    after: int
    upto: int
    entries: Sequence[Entry]


def entry_of(event: Mapping[str, Any]) -> Entry | None:
    """Return what is played of an event (`schemas.records.Event`); None: nothing is."""
    if event["type"] not in SHOWN:
        return None
    leads = event["type"] != "comment" or event["role"] in LEADING
    # Of what an author cannot choose, so that nobody makes ids that are shown rather than others'.
    rank = 0 if leads else 1 + xxhash.xxh3_64_intdigest(b"%d %d" % (event["seq"], event["at"]))
    body = _encode(event_view(event)).encode(errors="replace")
    target = (event["command"] or {}).get("target")
    return Entry(event["seq"], event["at"], event["id"], event["user_id"], rank, body, event["type"], target)


class Schedule:
    """One viewer's. ``starts_at``: ms since 1970, when the video began; ``told``: up to here all is told."""

    __slots__ = ("_ahead", "_starts_at", "read", "told")

    def __init__(self, starts_at: int, told: int) -> None:
        self._starts_at = starts_at
        self._ahead: deque[Entry] = deque()
        self.told = told
        self.read = told
        """Up to here all is told or read ahead."""

    @property
    def hungry(self) -> bool:
        """Whether more should be read."""
        return len(self._ahead) < AHEAD_EVENTS

    @property
    def next_ms(self) -> float | None:
        """Position at which the next entry is due; None: nothing is read ahead."""
        return self._ahead[0].at - self._starts_at if self._ahead else None

    @property
    def last_ms(self) -> float | None:
        """Position up to which was read ahead; None: nothing is."""
        return self._ahead[-1].at - self._starts_at if self._ahead else None

    def feed(self, chunk: Chunk) -> bool:
        """Take what was read; False: it is not what follows, or nothing new."""
        if chunk.after > self.read or chunk.upto <= self.read:
            return False
        self._ahead.extend(entry for entry in chunk.entries if entry.seq > self.read)
        self.read = chunk.upto
        return True

    def due(self, position_ms: float, room: int) -> Due | None:
        """Take what the video has reached, at most ``room`` to be shown; None: nothing is due."""
        found: list[Entry] = []
        while self._ahead and self._ahead[0].at - self._starts_at <= position_ms:
            found.append(self._ahead.popleft())
        if not found:
            return None
        after, upto = self.told, found[-1].seq if self._ahead else self.read
        self.told = upto
        return Due(after, upto, thinned(found, room))

    def go_to(self, after: int) -> None:
        """Go on behind a number, wherever it is."""
        self._ahead.clear()
        self.told = self.read = after

    def forget(self) -> None:
        """Drop what was read ahead: it is to be read anew."""
        self.go_to(self.told)

    def hide(self, hidden: Callable[[Entry], bool]) -> None:
        """Drop what must not be shown any more; its numbers are omitted."""
        self._ahead = deque(entry for entry in self._ahead if not hidden(entry))


def thinned(entries: Sequence[Entry], room: int) -> Sequence[Entry]:
    """Return at most ``room`` entries, and all that lead: the same ones for everybody, in their order."""
    if len(entries) <= room:
        return entries
    leading = sum(1 for entry in entries if entry.rank == 0)
    kept = sorted(entries, key=_rank)[: max(room, leading)]
    return sorted(kept, key=_seq)


def chunk_of(after: int, upto: int, events: Iterable[Mapping[str, Any]]) -> Chunk:
    """Put events of a range, ascending, into a chunk."""
    found = (entry_of(event) for event in events)
    return Chunk(after, upto, tuple(entry for entry in found if entry is not None))


def pinned(entries: Iterable[Entry]) -> Entry | None:
    """Return the comment that is pinned behind these entries; None: none, or one that is not among them."""
    found, comments = None, dict[str, Entry]()
    for entry in entries:
        match entry.kind:
            case "comment":
                comments[entry.id] = entry
            case "pin":
                found = comments.get(entry.target or "")
            case "unpin":
                found = None
    return found


def _rank(entry: Entry) -> tuple[int, int]:
    return entry.rank, entry.seq


def _seq(entry: Entry) -> int:
    return entry.seq
