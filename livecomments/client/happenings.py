"""What a Python program gets from a stream, and what can go wrong: typed, frozen, pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livecomments.client.items import Item, Missed, Seen, State
from livecomments.client.position import Position


@dataclass(frozen=True, slots=True)
class User:
    """An author. ``role``: viewer, creator, moderator or platform."""

    id: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment. ``copies``: of identical ones that it stands for; ``at_ms``: when it was accepted."""

    epoch: str
    seq: int
    id: str
    user: User
    text: str
    at_ms: int
    sticker: str = ""
    copies: int = 1

    @property
    def position(self) -> Position:
        """Where to go on behind it: ``join(..., since=comment.position)``."""
        return Position(self.epoch, self.seq)


@dataclass(frozen=True, slots=True)
class Moderation:
    """What a moderator did: ``type`` (delete, clear, ban, pin …), ``target`` a comment's or a user's id."""

    epoch: str
    seq: int
    type: str
    target: str
    by: User | None
    details: Mapping[str, Any]

    @property
    def position(self) -> Position:
        """Where to go on behind it."""
        return Position(self.epoch, self.seq)


@dataclass(frozen=True, slots=True)
class Hole:
    """A range (from_seq, to_seq] that is not shown although it was there. The archive has it.

    ``reason``: the edge's (docs/protocol.md), or ``reader``: this program read too slowly.
    """

    from_seq: int
    to_seq: int
    reason: str
    epoch: str


Happening = Comment | Moderation | Hole | State


class LiveCommentsError(Exception):
    """Anything that goes wrong here."""


class NotConnected(LiveCommentsError):  # noqa: N818 - an outcome
    """Nobody answers, or the edge refused for good: nothing was done. Try again later, or mend the token."""


@dataclass(eq=False)
class StreamClosed(LiveCommentsError):  # noqa: N818 - the same
    """The edge ended it for good (docs/protocol.md has the codes). Do not come back with the same token."""

    code: int
    reason: str

    def __str__(self) -> str:
        """Say why."""
        return f"the edge ended it: {self.reason or 'no reason given'} (code {self.code})"


@dataclass(eq=False)
class CommentRefused(LiveCommentsError):  # noqa: N818 - the same
    """The comment was not accepted (docs/protocol.md has the codes). ``wait_seconds``: then it may be."""

    code: int
    words: str
    wait_seconds: float | None = None

    def __str__(self) -> str:
        """Say why, in words for the author."""
        return self.words


@dataclass(eq=False)
class OutcomeUnknown(LiveCommentsError):  # noqa: N818 - the same
    """Nobody answered: the comment ``id`` may be there. Send it again with this id: it will be there once."""

    id: str

    def __str__(self) -> str:
        """Say what to do."""
        return f"it is not known whether comment {self.id} arrived: send it again with this id"


def happening(item: Item) -> Happening:
    """Return an item as programs get it."""
    match item:
        case State():
            return item
        case Missed(epoch, hole):
            return Hole(hole.from_seq, hole.to_seq, hole.reason, epoch)
        case Seen(epoch, event) if event.get("type") == "comment":
            return _comment(epoch, event)
        case Seen(epoch, event):
            known = {"seq", "type", "target", "by"}
            details = {name: value for name, value in event.items() if name not in known}
            target, by = str(event.get("target", "")), event.get("by")
            return Moderation(
                epoch, event["seq"], str(event["type"]), target, _user(by) if by else None, details
            )


def _comment(epoch: str, event: Mapping[str, Any]) -> Comment:
    return Comment(
        epoch,
        event["seq"],
        event["id"],
        _user(event["user"]),
        event.get("text") or "",
        event["at"],
        event.get("sticker") or "",
        event.get("copies", 1),
    )


def _user(found: Mapping[str, Any]) -> User:
    return User(found["id"], found["name"], found["role"])
