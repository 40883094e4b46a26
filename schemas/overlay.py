"""What must not be shown any more: deletes by id, clears of a user's comments up to a seq.

Stored content is never rewritten. Every read path (live, ring, window, archive, export) folds the
moderation events it knows into an `Overlay` and asks it about each comment. Pure; order does not
matter, and adding twice is adding once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Overlay:
    """Deletes and clears of one stream and epoch."""

    deleted: set[str] = field(default_factory=set)
    cleared: dict[str, int] = field(default_factory=dict)
    """User id → seq up to which that user's comments are hidden."""

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take one event (`schemas.records.Event`); return whether it hides anything."""
        target = (event.get("command") or {}).get("target")
        return target is not None and self.hide(event["type"], target, event["seq"])

    def hide(self, kind: str, target: str, seq: int) -> bool:
        """Take what one event says: its type, whom or what it is aimed at, its place in the order."""
        match kind:
            case "delete":
                self.deleted.add(target)
            case "clear":
                self.cleared[target] = max(seq, self.cleared.get(target, 0))
            case _:
                return False
        return True

    def add_all(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take many events."""
        for event in events:
            self.add(event)

    def hides(self, event: Mapping[str, Any]) -> bool:
        """Whether ``event`` is a comment that must not be shown."""
        return event["type"] == "comment" and self.hides_comment(event["id"], event["user_id"], event["seq"])

    def hides_comment(self, comment_id: str, user_id: str, seq: int) -> bool:
        """Whether that comment must not be shown."""
        return comment_id in self.deleted or seq <= self.cleared.get(user_id, 0)
