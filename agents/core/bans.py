"""Who may not comment, is seen by themselves alone, or waits for a moderator: on a stream or everywhere."""

from dataclasses import dataclass
from typing import Final

from schemas.refusals import Code

REFUSING: Final = {"ban": Code.BANNED, "timeout": Code.TIMED_OUT}
KINDS: Final = frozenset({"ban", "timeout", "shadow", "hold"})
BANS_MAX: Final = 50_000
"""Of one stream, or of the platform; the oldest that have run out make room, then no more are taken."""


@dataclass(frozen=True, slots=True)
class Ban:
    """``until``: ms since 1970; None: for good. ``kind``: one of KINDS."""

    kind: str
    until: int | None
    reason: str | None

    def binds(self, at: int) -> bool:
        """Whether it holds at a time, ms since 1970."""
        return self.until is None or self.until > at


def binding(bans: dict[str, Ban], user: str, at: int) -> Ban | None:
    """Return the ban that binds a user at a time."""
    ban = bans.get(user)
    return ban if ban is not None and ban.binds(at) else None


def put(bans: dict[str, Ban], user: str, ban: Ban, at: int) -> bool:
    """Add a ban; False: there are too many that still bind."""
    if user not in bans and len(bans) >= BANS_MAX:
        for known in [known for known, old in bans.items() if not old.binds(at)]:
            del bans[known]
        if len(bans) >= BANS_MAX:
            return False
    bans[user] = ban
    return True
