"""What the archive does not have yet, taken from the window; and the deletes in it. Pure.

A reader of the archive must know every delete and clear up to the end of the log. Those that the archive
has it applies itself; the rest stand in the window's segments behind the archive's end. Where the two do
not join up, nothing may be shown: a delete may stand in between.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.archive import Stored
from schemas.continuity import Step, follow
from schemas.overlay import Overlay
from schemas.stores import Head

Event = Mapping[str, Any]


class BehindError(Exception):
    """The archive is further behind than the window reaches. Retry."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken away just now, acknowledged but perhaps in neither store yet.

    ``cleared``: user id → when, ms since 1970. The log may refuse a command after all: it hides for a minute.
    """

    deleted: frozenset[str] = frozenset()
    cleared: Mapping[str, int] = field(default_factory=dict)

    def hides(self, comment: Event) -> bool:
        """Whether a comment must not be shown."""
        return comment["id"] in self.deleted or comment["at"] <= self.cleared.get(comment["user_id"], -1)


NOTHING = Taken()


@dataclass(frozen=True, slots=True)
class Fresh:
    """One stream's events in (``after``, ``upto``], contiguous but for what sampling left out."""

    after: int
    upto: int
    steps: Sequence[Step] = ()
    overlay: Overlay = field(default_factory=Overlay)
    taken: Taken = NOTHING

    def hides(self, comment: Event) -> bool:
        """Whether a comment of archive or window must not be shown."""
        return self.overlay.hides(comment) or self.taken.hides(comment)

    def shown(self, first: int, last: int, *, comments_only: bool = True) -> Iterator[Event]:
        """Yield the events with ``first`` ≤ seq ≤ ``last`` that readers may see."""
        for event in self._events(first, last):
            if event["mask"] == 0 or event["type"] == "shadow":
                continue
            if not self.hides(event) if event["type"] == "comment" else not comments_only:
                yield event

    def omitted(self, first: int, last: int) -> int:
        """Count the numbers from ``first`` to ``last`` whose events sampling left out of the window."""
        first, last = max(first, self.after + 1), min(last, self.upto)
        return max(0, last - first + 1) - sum(1 for _ in self._events(first, last))

    def seq_at(self, at_ms: int) -> int | None:
        """Return the first seq whose ``at`` is ``at_ms`` or later; None: there is none."""
        found = (event["seq"] for event in self._events(0, self.upto) if event["at"] >= at_ms)
        return next(found, None)

    def _events(self, first: int, last: int) -> Iterator[Event]:
        for step in self.steps:
            if step.to_seq >= first and step.from_seq < last:
                yield from (event for event in step.events if first <= event["seq"] <= last)


def join(after: int, upto: int, segments: Iterable[Mapping[str, Any]], taken: Taken = NOTHING) -> Fresh:
    """Put a window's segments behind the archive's end ``after``; they must reach ``upto`` at least.

    Segments before ``after`` add their deletes alone: one may be of a comment that came later.

    Raises:
        BehindError: a range between the archive's end and ``upto`` is missing.

    """
    steps: list[Step] = []
    overlay, seq = Overlay(), after
    for segment in segments:
        overlay.add_all(segment["events"])
        step = follow(segment["epoch"], seq, segment)
        if step is None:
            continue
        if step.gap is not None:
            raise _behind(*step.gap)
        steps.append(step)
        seq = step.to_seq
    if seq < upto:
        raise _behind(seq, upto)
    return Fresh(after, seq, steps, overlay, taken)


def _behind(since: int, upto: int) -> BehindError:
    return BehindError(f"the archive is behind, and the window has nothing of ({since}, {upto}]")


def newest(head: Head | None, stored: Stored | None) -> str | None:
    """Return the newest epoch that window or archive knows; None: neither knows the stream.

    Of one incarnation the higher counter is newer. Another incarnation in the window is the one that the
    cluster has now; the archive outlives clusters.
    """
    if head is None or stored is None:
        known = head or stored
        return known.epoch if known is not None else None
    made, _, count = head.epoch.rpartition("-")
    stored_made, _, stored_count = stored.epoch.rpartition("-")
    if made == stored_made and int(stored_count) > int(count):
        return stored.epoch
    return head.epoch
