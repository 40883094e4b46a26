"""The events of a range that a group was sent: what of it its lane is shown, and the frames made of it. Pure.

Groups that were told up to the same position share one (`edge.stream`): an event is looked at once, and a
frame is encoded once for all that see the same.
"""

from collections.abc import Sequence
from typing import Any, Final

from edge.audience import Audience, Group
from edge.ring import ALL_LANES, RingEvent

_NOBODY: Final[Sequence[str]] = ()


class Cut:
    """See the module. ``frames``: as the stream keys them; they are dropped with what they say."""

    __slots__ = ("_authors", "_masked", "events", "frames")

    def __init__(self, events: Sequence[RingEvent], audience: Audience) -> None:
        self.events = events
        self.frames: dict[Any, bytes] = {}
        self._masked = [event for event in events if event.mask != ALL_LANES]
        self._authors: dict[Group, list[str]] = {}
        for author in {event.author for event in self._masked}:
            for group in {audience.group_of(each) for each in audience.of_user(author)}:
                if group is not None:
                    self._authors.setdefault(group, []).append(author)

    def authors(self, group: Group) -> Sequence[str]:
        """Return the users of a group who see some of it on whatever lane, since they wrote it.

        Looked for by author when the cut was made, since members are many; who joined since was told.
        """
        return self._authors.get(group, _NOBODY)

    def skips(self, lane: int, late: int) -> bool:
        """Whether anything for a lane alone is not beyond the seq ``late``."""
        return any(event.seq <= late and event.mask >> lane & 1 for event in self._masked)

    def shown(self, lane: int, late: int) -> Sequence[RingEvent]:
        """Return what a lane is shown; of what is not for all, only what is beyond the seq ``late``."""
        if not self._masked:
            return self.events
        return [
            event
            for event in self.events
            if event.mask == ALL_LANES or (event.mask >> lane & 1 and event.seq > late)
        ]

    def shown_too(self, author: str, shown: Sequence[RingEvent]) -> Sequence[RingEvent]:
        """Return what an author sees: what the lane is ``shown``, and all of their own."""
        seen = {event.seq for event in shown}
        return [event for event in self.events if event.seq in seen or event.author == author]
