"""Why a comment is refused: codes 1000–1099, words an app can show, and whether to try again.

The same code reaches an author at once (the gateway's reply) or later (a notice on ``user:<id>``).
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

LEFT_OUT: Final = 0
"""Code of a notice that refuses nothing: the comment has its number, and sampling left it out."""


class Code(IntEnum):
    """Refusal codes of the wire protocol; names in lower case are used in records."""

    INVALID = 1000
    MODERATED = 1001
    BANNED = 1002
    SLOW_MODE = 1003
    RATE_LIMITED = 1004
    STREAM_ENDED = 1005
    TIMED_OUT = 1006
    TOO_OLD = 1007
    READ_ONLY = 1008
    HELD = 1009
    UNKNOWN = 1010
    MEMBERS_ONLY = 1011
    EMOTE_ONLY = 1012
    STREAM_EXISTS = 1013
    NOT_MODERATOR = 1014
    LINKS = 1015
    CAPITALS = 1016
    TOO_LONG = 1017
    REPEATED = 1018
    REJECTED = 1019

    @property
    def key(self) -> str:
        """As records hold it, e.g. ``"slow_mode"``."""
        return self.name.lower()


_WORDS = {
    Code.INVALID: "The comment is not valid.",
    Code.MODERATED: "The comment has words that are not allowed here.",
    Code.BANNED: "You are banned from this stream.",
    Code.SLOW_MODE: "Slow mode is on.",
    Code.RATE_LIMITED: "You are sending comments too fast.",
    Code.STREAM_ENDED: "The stream has ended.",
    Code.TIMED_OUT: "You are timed out on this stream.",
    Code.TOO_OLD: "The comment's id is too old to be sent again; use a new one.",
    Code.READ_ONLY: "You may read this stream, not write to it.",
    Code.HELD: "The comment waits for a moderator.",
    Code.UNKNOWN: "It is not known whether the comment was accepted; retry with the same id.",
    Code.MEMBERS_ONLY: "Only members may comment now.",
    Code.EMOTE_ONLY: "Only emoji may be sent now.",
    Code.STREAM_EXISTS: "The stream exists already, with another creator.",
    Code.NOT_MODERATOR: "You may not moderate this stream.",
    Code.LINKS: "Links are not allowed here.",
    Code.CAPITALS: "The comment has too many capitals.",
    Code.TOO_LONG: "The comment is longer than this stream allows.",
    Code.REPEATED: "You sent this already.",
    Code.REJECTED: "A moderator did not let the comment through.",
}


# Not frozen: Python itself writes to exceptions that pass through a context manager.
@dataclass(slots=True, unsafe_hash=True)
class Refusal(Exception):  # noqa: N818 - a refusal is an answer to the author, not a fault
    """One refusal. ``wait_seconds`` says when to try again, where that is known."""

    code: Code
    detail: str = ""
    wait_seconds: float | None = None

    @property
    def temporary(self) -> bool:
        """Whether the same comment may succeed later."""
        return self.code in {Code.SLOW_MODE, Code.RATE_LIMITED, Code.UNKNOWN}

    @property
    def message(self) -> str:
        """Words for the author."""
        words = words_of(self.code)
        detail = f" ({self.detail})" if self.detail else ""
        wait = f" Wait {max(1, math.ceil(self.wait_seconds))} s." if self.wait_seconds is not None else ""
        return words + detail + wait


def words_of(code: Code) -> str:
    """Return the words an app can show for ``code``."""
    return _WORDS[code]


def code_of(key: str) -> Code:
    """Return the code of a record's refusal key (``"banned"``)."""
    return Code[key.upper()]
