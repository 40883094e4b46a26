"""What a stream allows: its state, as commands in the log have made it.

Time is the log-append time of the item that is judged, so that a repeat has the same verdict.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from agents.core.bans import Ban
from agents.core.conduct import Manners, Memory
from agents.core.held import Held, Queue
from schemas.filtering import WordList, build, parse
from schemas.records import IngestedItem, Origin, Quoted

TAKEN_MS = 30_000
"""From looking a comment up to the command about it in the log, at most."""


@dataclass(frozen=True, slots=True)
class Modes:
    """Who and what may be posted now. ``review``: every viewer's comment waits for a moderator."""

    members_only: bool = False
    emote_only: bool = False
    review: bool = False
    words_action: str = "reject"
    """reject | hold: what becomes of a comment with a word of the stream's own list."""


@dataclass(slots=True)
class Rules:
    """One stream's."""

    creator: str | None = None
    title: str | None = None
    moderators: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    bans: dict[str, Ban] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    slow_seconds: int = 0
    modes: Modes = field(default_factory=Modes)
    manners: Manners = field(default_factory=Manners)
    held: Queue = field(default_factory=Queue)
    pinned: str | None = None
    ended: bool = False
    opened_at: int = 0
    origin: Origin = field(default_factory=lambda: Origin(-1, 0))
    """Of the last item that changed something here."""
    list: WordList | None = None
    """Of ``words``."""
    memory: Memory = field(default_factory=Memory)
    taken: dict[str, int] = field(default_factory=dict)
    """Comments and users that were deleted and cleared just now, and when: what was looked up before that, to
    be pinned or held, is not shown again. Not checkpointed."""

    def is_staff(self, user: str, role: str) -> bool:
        """Whether somebody moderates this stream."""
        return role in {"creator", "moderator", "platform"} or user == self.creator or user in self.moderators

    def role_of(self, user: str, role: str) -> str:
        """Return as what somebody takes part: whom the creator appointed has a viewer's token."""
        if role != "viewer":
            return role
        if user == self.creator:
            return "creator"
        return "moderator" if user in self.moderators else role

    def answer(self, item: IngestedItem, *, approved: bool) -> None:
        """Take over what became of a held comment: it was put into the queue, or approved."""
        if approved:
            waited_as = item["command"]["target"] if item["command"] is not None else None
            self.held.take(waited_as or item["id"], item["at"])
        else:
            self.held.put(Held.of(item, ""))
        self.origin = Origin(item["offset"], item["index"])

    def take_away(self, target: str, at: int) -> None:
        """Note a delete or clear."""
        while self.taken and (oldest := next(iter(self.taken))) and self.taken[oldest] < at - TAKEN_MS:
            del self.taken[oldest]
        self.taken.pop(target, None)
        self.taken[target] = at

    def was_taken(self, quoted: Quoted, at: int) -> bool:
        """Whether a comment was deleted or cleared after it can have been looked up."""
        times = (self.taken.get(target, 0) for target in (quoted["id"], quoted["user_id"]))
        return any(time > max(quoted["at"], at - TAKEN_MS) for time in times)

    def set_words(self, words: tuple[str, ...]) -> None:
        """Take another list; it is whole from the next item on."""
        self.words = words
        self.list = build(words) if words else None

    def settings(self) -> dict[str, Any]:
        """Return the settings as commands name them, but for the moderators and the title."""
        return {
            "words": list(self.words),
            "slow_mode_seconds": self.slow_seconds,
            "members": sorted(self.members),
            "pinned": self.pinned,
            **asdict(self.modes),
            **asdict(self.manners),
        }

    def to_json(self) -> str:
        """As the table holds it."""
        value = {
            "creator": self.creator,
            "title": self.title,
            "moderators": sorted(self.moderators),
            "members": sorted(self.members),
            "bans": {user: [ban.kind, ban.until, ban.reason] for user, ban in self.bans.items()},
            "words": list(self.words),
            "slow_seconds": self.slow_seconds,
            "modes": asdict(self.modes),
            "manners": asdict(self.manners),
            "held": self.held.to_value(),
            "pinned": self.pinned,
            "ended": self.ended,
            "opened_at": self.opened_at,
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, origin: Origin) -> "Rules":
        """From the table."""
        value = json.loads(text)
        words = parse(value.pop("words", ())).rules
        value["moderators"] = set(value["moderators"])
        value["members"] = set(value.get("members", ()))
        value["bans"] = {user: Ban(*ban) for user, ban in value["bans"].items()}
        value["modes"] = Modes(**value.get("modes", {}))
        value["manners"] = Manners(**value.get("manners", {}))
        value["held"] = Queue.from_value(value.get("held", {}))
        rules = cls(**value, origin=origin)
        rules.set_words(words)
        return rules
