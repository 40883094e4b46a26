"""How comments may be written on a stream: links, capitals, length, floods, the same text again.

All but the last two look at the text alone. Floods and repeats are seen over what the worker remembers of
the stream, bounded, and forgotten when it is replaced: they are manners, not bans.
"""

import re
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from schemas.filtering.unicode import casefolded
from schemas.refusals import Code

CAPITALS_MIN: Final = 8
"""Letters that a text needs before its capitals are counted: "OK" and "LOL" are no shouting."""
AUTHORS_REMEMBERED_MAX: Final = 10_000
"""Of one stream; the one that was quiet longest is forgotten."""
TEXTS_REMEMBERED_MAX: Final = 5
FLOOD_COMMENTS_MAX: Final = 100
_LINK: Final = re.compile(
    r"(?:https?|ftp)://\S|\bwww\.[\w-]|\b[\w-]{1,63}(?:\.|\s?[(\[]dot[)\]]\s?)"
    r"(?:com|net|org|info|io|gg|tv|me|co|ly|to|xyz|shop|site|online|live|app|dev|ru|de|uk|fr|cn|br|in)\b(?!\.\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Manners:
    """A stream's settings. Zero, or "allow": no such rule."""

    links: str = "allow"
    """allow | hold | reject"""
    capitals_percent_max: int = 0
    chars_max: int = 0
    flood_comments: int = 0
    """More than so many comments of one user in ``flood_seconds`` are refused."""
    flood_seconds: int = 10
    repeat_seconds: int = 0
    """The same text of the same user is refused for so long."""

    @property
    def remember(self) -> bool:
        """Whether what authors did before matters."""
        return bool(self.flood_comments or self.repeat_seconds)


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a comment breaks. ``hold``: a moderator is to say; else it is refused."""

    code: Code
    hold: bool = False
    wait_seconds: int | None = None


@dataclass(slots=True)
class _Author:
    times: deque[int] = field(default_factory=lambda: deque(maxlen=FLOOD_COMMENTS_MAX))
    texts: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=TEXTS_REMEMBERED_MAX))


class Memory:
    """What one stream's authors did lately."""

    __slots__ = ("_authors",)

    def __init__(self) -> None:
        self._authors: OrderedDict[str, _Author] = OrderedDict()

    def breach(self, manners: Manners, user: str, text: str, at: int) -> Breach | None:
        """Say what a comment breaks, given what its author did before it."""
        author = self._authors.get(user)
        if author is None:
            return None
        if manners.flood_comments:
            since = at - manners.flood_seconds * 1000
            recent = [time for time in author.times if time > since]
            if len(recent) >= manners.flood_comments:
                return Breach(Code.RATE_LIMITED, wait_seconds=-(-(recent[0] - since) // 1000))
        if manners.repeat_seconds:
            since, known = at - manners.repeat_seconds * 1000, hash(_same(text))
            if any(time > since and each == known for time, each in author.texts):
                return Breach(Code.REPEATED)
        return None

    def note(self, user: str, text: str, at: int) -> None:
        """Remember a comment that was let through."""
        author = self._authors.get(user)
        if author is None:
            author = self._authors[user] = _Author()
            if len(self._authors) > AUTHORS_REMEMBERED_MAX:
                self._authors.popitem(last=False)
        self._authors.move_to_end(user)
        author.times.append(at)
        author.texts.append((at, hash(_same(text))))


def breach_of_text(manners: Manners, text: str) -> Breach | None:
    """Say what a text breaks, whoever wrote it."""
    if manners.chars_max and len(text) > manners.chars_max:
        return Breach(Code.TOO_LONG)
    if manners.capitals_percent_max and _capitals_percent(text) > manners.capitals_percent_max:
        return Breach(Code.CAPITALS)
    if manners.links != "allow" and has_link(text):
        return Breach(Code.LINKS, hold=manners.links == "hold")
    return None


def has_link(text: str) -> bool:
    """Whether a text has an address, or the name of a host under a common domain."""
    return _LINK.search(text if text.isascii() else casefolded(text)) is not None


def _capitals_percent(text: str) -> float:
    letters = [char for char in text if char.isupper() or char.islower()]
    if len(letters) < CAPITALS_MIN:
        return 0.0
    return 100 * sum(char.isupper() for char in letters) / len(letters)


def _same(text: str) -> str:
    return " ".join(casefolded(text).split())
