"""Comments that wait for a moderator: a stream's queue, bounded, and which of them were answered.

A held comment has had its outcome as far as its id goes: the author was told «held», and a repeat of it
changes nothing. Approving makes a new item of it, at the place of the approval. One that was shown before it
was held is deleted under its id for good: the new item has the approval's id.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from schemas.records import IngestedItem, Quoted

HELD_MAX: Final = 200
"""Of one stream; beyond it what would be held is refused."""
HELD_SECONDS: Final = 3_600
"""What nobody answers for so long is rejected."""
ANSWERED_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Held:
    """One comment. ``at``: ms since 1970; ``why``: a refusal's key, or who held it: classifier, moderator."""

    id: str
    user_id: str
    user_name: str
    role: str
    text: str
    sticker: str | None
    at: int
    why: str
    shown: bool = False
    """Whether viewers saw it before it was held."""

    @classmethod
    def of(cls, item: IngestedItem, why: str) -> "Held":
        """From the item."""
        return cls(
            id=item["id"],
            user_id=item["user_id"],
            user_name=item["user_name"],
            role=item["role"],
            text=item["text"],
            sticker=item["sticker"],
            at=item["at"],
            why=why,
        )

    @classmethod
    def again(cls, quoted: Quoted, at: int) -> "Held":
        """From a comment that is shown, held at a time."""
        return cls(
            id=quoted["id"],
            user_id=quoted["user_id"],
            user_name=quoted["user_name"],
            role=quoted["role"],
            text=quoted["text"],
            sticker=quoted["sticker"],
            at=at,
            why="moderator",
            shown=True,
        )


@dataclass(slots=True)
class Queue:
    """Ids are known by author, as everywhere: another's may be the same."""

    waiting: dict[str, Held] = field(default_factory=dict)
    """By id, oldest first."""
    answered: dict[str, int] = field(default_factory=dict)
    """Id → when it was approved or taken away: a colleague's second answer is no mistake."""

    def knows(self, id_: str, user: str) -> bool:
        """Whether a comment waits already."""
        held = self.waiting.get(id_)
        return held is not None and held.user_id == user

    def expire(self, at: int) -> list[Held]:
        """Take out what has waited too long at a time, ms since 1970."""
        since, found = at - HELD_SECONDS * 1000, list[Held]()
        for held in self.waiting.values():
            if held.at >= since:
                break
            found.append(held)
        for held in found:
            del self.waiting[held.id]
        return found

    def put(self, held: Held) -> bool:
        """Add one; False: the queue is full, or another's comment has this id."""
        self.expire(held.at)
        if held.id in self.waiting or len(self.waiting) >= HELD_MAX:
            return False
        self.waiting[held.id] = held
        return True

    def take(self, id_: str, at: int) -> Held | None:
        """Take one out to be answered; None: it does not wait here."""
        held = self.waiting.pop(id_, None)
        if held is not None:
            self.answered[id_] = at
            while len(self.answered) > ANSWERED_MAX:
                del self.answered[next(iter(self.answered))]
        return held

    def take_user(self, user: str, at: int) -> list[Held]:
        """Take out all of a user's."""
        found = [held for held in self.waiting.values() if held.user_id == user]
        for held in found:
            self.take(held.id, at)
        return found

    def to_value(self) -> dict[str, Any]:
        """As the table holds it."""
        return {"waiting": [asdict(held) for held in self.waiting.values()], "answered": self.answered}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> "Queue":
        """From the table."""
        waiting = (Held(**row) for row in value.get("waiting", ()))
        return cls({held.id: held for held in waiting}, dict(value.get("answered", {})))
