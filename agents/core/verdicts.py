"""The verdict on a comment. Pure: rules, platform, opinion and the item in; what becomes of it out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from agents.core.bans import REFUSING, Ban, binding
from agents.core.conduct import breach_of_text
from agents.core.held import Held
from agents.core.rules import Rules
from schemas.emotes import is_emotes
from schemas.filtering import Hit, WordList
from schemas.records import IngestedItem
from schemas.refusals import Code

TEXTS_REMEMBERED: Final = 4_096
"""With what the platform's list says of each."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``verdict``: allow | reject | hold | shadow | approved | silent (nothing that viewers see).

    ``detail``: why, for the audit. ``changed``: whether the stream's rules are other than before.
    ``told``: of a command: comments whose authors are to be told so, by a notice.
    """

    verdict: str
    refusal: Code | None = None
    detail: str = ""
    changed: bool = False
    told: tuple[tuple[Held, Code], ...] = ()


ALLOW: Final = Verdict("allow")
SHADOW: Final = Verdict("shadow")
SILENT: Final = Verdict("silent")


@dataclass(slots=True)
class Platform:
    """What holds on all streams: the list of words that is in force, and bans."""

    words: WordList
    bans: dict[str, Ban] = field(default_factory=dict)
    find: Callable[[str], Hit | None] = field(init=False)
    """`WordList.find`, remembered: half of a chat's comments were said before."""

    def __post_init__(self) -> None:
        self.swap(self.words)

    def swap(self, words: WordList) -> None:
        """Take another list, whole."""
        self.words = words
        self.find = lru_cache(maxsize=TEXTS_REMEMBERED)(words.find)


def judge(rules: Rules | None, platform: Platform, item: IngestedItem, opinion: str | None = None) -> Verdict:
    """Judge a comment. What is to be held is not yet in the queue: see `hold`.

    Args:
        rules: the stream's; None: nobody has opened it or given it any.
        platform: what holds everywhere.
        item: the comment.
        opinion: the classifier's: allow | hold | reject; None: it was not asked.

    """
    user, at = item["user_id"], item["at"]
    if platform.bans and item["role"] != "platform":
        ban = binding(platform.bans, user, at)
        if ban is not None and ban.kind in REFUSING:
            return Verdict("reject", REFUSING[ban.kind])
    if rules is None:
        return _by_text(platform, item, opinion) or ALLOW
    ban = binding(rules.bans, user, at) if rules.bans else None
    refused = _by_state(rules, ban, item) or _by_text(platform, item, opinion) or _by_rules(rules, ban, item)
    if refused is not None:
        return refused
    if rules.manners.remember:
        rules.memory.note(user, item["text"], at)
    return SHADOW if ban is not None and ban.kind == "shadow" else ALLOW


def _by_state(rules: Rules, ban: Ban | None, item: IngestedItem) -> Verdict | None:
    if ban is not None and ban.kind in REFUSING:
        return Verdict("reject", REFUSING[ban.kind])
    if rules.ended:
        return Verdict("reject", Code.STREAM_ENDED)
    modes = rules.modes
    if not (modes.members_only or modes.emote_only) or rules.is_staff(item["user_id"], item["role"]):
        return None
    if modes.members_only and item["user_id"] not in rules.members:
        return Verdict("reject", Code.MEMBERS_ONLY)
    if modes.emote_only and not is_emotes(item["text"]):
        return Verdict("reject", Code.EMOTE_ONLY)
    return None


def _by_text(platform: Platform, item: IngestedItem, opinion: str | None) -> Verdict | None:
    hit = platform.find(item["text"])
    if hit is not None:
        return Verdict("reject", Code.MODERATED, str(hit.rule))
    if opinion == "reject":
        return Verdict("reject", Code.MODERATED, "classifier")
    return Verdict("hold", Code.HELD, "classifier") if opinion == "hold" else None


def _by_rules(rules: Rules, ban: Ban | None, item: IngestedItem) -> Verdict | None:
    text = item["text"]
    hit = rules.list.find(text) if rules.list is not None else None
    if hit is not None:
        if rules.modes.words_action == "hold":
            return Verdict("hold", Code.HELD, str(hit.rule))
        return Verdict("reject", Code.MODERATED, str(hit.rule))
    if rules.is_staff(item["user_id"], item["role"]):
        return None
    breach = breach_of_text(rules.manners, text)
    if breach is None and rules.manners.remember:
        breach = rules.memory.breach(rules.manners, item["user_id"], text, item["at"])
    if breach is not None:
        return Verdict("hold", Code.HELD, breach.code.key) if breach.hold else Verdict("reject", breach.code)
    if rules.modes.review or (ban is not None and ban.kind == "hold"):
        return Verdict("hold", Code.HELD, "review")
    return None


def hold(rules: Rules, item: IngestedItem, wanted: Verdict) -> Verdict:
    """Put a comment that was not decided before into the queue; refuse it when that is full."""
    if rules.held.knows(item["id"], item["user_id"]):
        return SILENT
    if not rules.held.put(Held.of(item, wanted.detail)):
        return Verdict("reject", Code.MODERATED, "the queue of held comments is full")
    return replace(wanted, changed=True)
